//! What the kernel tells of links.

use std::os::fd::{AsFd, BorrowedFd};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::link_update::is_link;
use super::object_info::describe;
use crate::syscall::{address_mut, length};
use crate::{Command, Error, LinkType, PerfEventKind, info, link};

const COMMAND: Command = Command::OBJ_GET_INFO_BY_FD;

/// The kernel's structure: what all links share, then what each kind has.
#[derive(Clone, Copy, Default, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Raw {
    head: info::LinkHead,
    padding: u32,
    details: [u64; 6],
}

/// A link. Since Linux 5.8.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct LinkInfo {
    /// Kind of the link.
    pub link_type: LinkType,
    /// Id of the link.
    pub id: u32,
    /// Id of its program.
    pub program_id: u32,
    /// What its kind has.
    pub details: LinkDetails,
}

/// What each kind of link has. Addresses in it are always 0; the lengths beside them are those of the link.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum LinkDetails {
    /// [`LinkType::RAW_TRACEPOINT`].
    RawTracepoint(link::RawTracepoint),
    /// [`LinkType::TRACING`].
    Tracing(link::Tracing),
    /// [`LinkType::CGROUP`].
    Cgroup(link::Cgroup),
    /// [`LinkType::ITER`]. Of the three, `name` in [`LinkBuffers`] tells which one holds: names of cgroup and task
    /// iterators begin with `cgroup` and `task`.
    Iter(link::Iter, link::IterCgroup, link::IterTask),
    /// [`LinkType::NETNS`].
    Netns(link::Netns),
    /// [`LinkType::XDP`].
    Xdp(link::Xdp),
    /// [`LinkType::STRUCT_OPS`].
    StructOps(link::StructOps),
    /// [`LinkType::NETFILTER`].
    Netfilter(link::Netfilter),
    /// [`LinkType::KPROBE_MULTI`].
    KprobeMulti(link::KprobeMulti),
    /// [`LinkType::UPROBE_MULTI`].
    UprobeMulti(link::UprobeMulti),
    /// [`LinkType::TRACING_MULTI`].
    TracingMulti(link::TracingMulti),
    /// [`LinkType::PERF_EVENT`] on a user probe.
    PerfUprobe(link::PerfUprobe),
    /// [`LinkType::PERF_EVENT`] on a kernel probe.
    PerfKprobe(link::PerfKprobe),
    /// [`LinkType::PERF_EVENT`] on a tracepoint.
    PerfTracepoint(link::PerfTracepoint),
    /// [`LinkType::PERF_EVENT`] on any other event, or one that the kernel does not tell (before Linux 6.6).
    PerfOther(link::PerfOther),
    /// [`LinkType::TCX`].
    Tcx(link::Tcx),
    /// [`LinkType::NETKIT`].
    Netkit(link::Netkit),
    /// [`LinkType::SOCKMAP`].
    Sockmap(link::Sockmap),
    /// A kind that this build does not know.
    Unknown,
}

/// Room for the names and arrays of a link. What is not wanted stays empty, and what the kind of link has not is left alone.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct LinkBuffers<'a> {
    /// Name of the tracepoint, iterator, function or file, with a terminator.
    pub name: &'a mut [u8],
    /// Addresses of functions (many kernel functions) or offsets in the file (many places of a file).
    pub addresses: &'a mut [u64],
    /// Offsets of reference counters (many places of a file).
    pub ref_ctr_offsets: &'a mut [u64],
    /// Numbers that the program can ask for, one for each place.
    pub cookies: &'a mut [u64],
    /// BTF ids of functions (many kernel functions by BTF id).
    pub btf_ids: &'a mut [u32],
}

/// Describes a link: the numbers only. Since Linux 5.8.
///
/// # Errors
///
/// `EINVAL` if it is no object of bpf(2). Another kind of object gives meaningless numbers.
#[doc(alias = "BPF_OBJ_GET_INFO_BY_FD")]
pub fn link_info(link: impl AsFd) -> Result<LinkInfo, Error> {
    numbers(link.as_fd()).map(|raw| decode(&raw))
}

/// Describes a link and copies its name and arrays into `buffers`. Since Linux 5.8.
///
/// Lengths and counts returned are those of the link. Arrays of places must be equally long, or empty.
///
/// # Errors
///
/// `EINVAL` if it is no link; `ENOSPC` if the name does not fit: what does is there; `E2BIG` if the kernel does not know what is asked for.
pub fn link_info_with(link: impl AsFd, buffers: &mut LinkBuffers<'_>) -> Result<LinkInfo, Error> {
    let link = link.as_fd();
    if !is_link(link) {
        return Err(Error::argument(COMMAND, "not a link"));
    }
    let known = numbers(link)?;
    let LinkBuffers {
        name,
        addresses,
        ref_ctr_offsets,
        cookies,
        btf_ids,
    } = buffers;
    let name_len = length(COMMAND, name.len())?;
    let mut raw = Raw::default();
    match known.head.link_type {
        LinkType::RAW_TRACEPOINT => raw.set(link::RawTracepoint {
            tp_name: address_mut(name),
            tp_name_len: name_len,
            ..Default::default()
        }),
        LinkType::ITER => {
            raw.set(link::Iter {
                target_name: address_mut(name),
                target_name_len: name_len,
                ..Default::default()
            });
        }
        LinkType::KPROBE_MULTI => raw.set(link::KprobeMulti {
            count: common_length(&[addresses.len(), cookies.len()])?,
            addrs: address_mut(addresses),
            cookies: address_mut(cookies),
            ..Default::default()
        }),
        LinkType::UPROBE_MULTI => raw.set(link::UprobeMulti {
            path_size: name_len,
            path: address_mut(name),
            count: common_length(&[addresses.len(), ref_ctr_offsets.len(), cookies.len()])?,
            offsets: address_mut(addresses),
            ref_ctr_offsets: address_mut(ref_ctr_offsets),
            cookies: address_mut(cookies),
            ..Default::default()
        }),
        LinkType::TRACING_MULTI => raw.set(link::TracingMulti {
            count: common_length(&[addresses.len(), cookies.len(), btf_ids.len()])?,
            ids: address_mut(btf_ids),
            addrs: address_mut(addresses),
            cookies: address_mut(cookies),
            ..Default::default()
        }),
        // The name stands at the same place for all kinds that have one.
        LinkType::PERF_EVENT => match known.get::<link::PerfEvent>().kind {
            PerfEventKind::UPROBE | PerfEventKind::URETPROBE => {
                raw.set(link::PerfUprobe {
                    file_name: address_mut(name),
                    name_len,
                    ..Default::default()
                });
            }
            PerfEventKind::KPROBE | PerfEventKind::KRETPROBE => {
                raw.set(link::PerfKprobe {
                    func_name: address_mut(name),
                    name_len,
                    ..Default::default()
                });
            }
            PerfEventKind::TRACEPOINT => {
                raw.set(link::PerfTracepoint {
                    tp_name: address_mut(name),
                    name_len,
                    ..Default::default()
                });
            }
            _ => {}
        },
        _ => {}
    }
    // SAFETY: it is a link, and its kind never changes, so that the kernel takes the structure for what it is: each address is of an array
    // borrowed mutably by `buffers`, with its length beside it, or null. Arrays that share a count have that many elements.
    unsafe { describe(link, &mut raw) }?;
    Ok(decode(&raw))
}

fn numbers(link: BorrowedFd<'_>) -> Result<Raw, Error> {
    let mut raw = Raw::default();
    // SAFETY: all zeros: there are no addresses, whatever the kind.
    unsafe { describe(link, &mut raw) }?;
    Ok(raw)
}

/// The one length of all arrays that are not empty.
fn common_length(lengths: &[usize]) -> Result<u32, Error> {
    let longest = lengths.iter().copied().max().unwrap_or(0);
    if lengths.iter().any(|len| *len != 0 && *len != longest) {
        return Err(Error::argument(COMMAND, "arrays of different lengths"));
    }
    length(COMMAND, longest)
}

impl Raw {
    /// What the kind has, as one of the structures in [`crate::link`].
    fn get<T: FromBytes + KnownLayout + Immutable + Default>(&self) -> T {
        T::read_from_prefix(self.details.as_bytes()).map_or_else(|_| T::default(), |(details, _)| details)
    }

    fn set<T: IntoBytes + Immutable>(&mut self, details: T) {
        for (to, from) in self.details.as_mut_bytes().iter_mut().zip(details.as_bytes()) {
            *to = *from;
        }
    }
}

/// Picks the details by kind, without addresses.
fn decode(raw: &Raw) -> LinkInfo {
    let info::LinkHead {
        link_type,
        id,
        prog_id,
    } = raw.head;
    let details = match link_type {
        LinkType::RAW_TRACEPOINT => LinkDetails::RawTracepoint(link::RawTracepoint {
            tp_name: 0,
            ..raw.get()
        }),
        LinkType::TRACING => LinkDetails::Tracing(raw.get()),
        LinkType::CGROUP => LinkDetails::Cgroup(raw.get()),
        LinkType::ITER => LinkDetails::Iter(
            link::Iter {
                target_name: 0,
                ..raw.get()
            },
            link::IterCgroup {
                target_name: 0,
                ..raw.get()
            },
            link::IterTask {
                target_name: 0,
                ..raw.get()
            },
        ),
        LinkType::NETNS => LinkDetails::Netns(raw.get()),
        LinkType::XDP => LinkDetails::Xdp(raw.get()),
        LinkType::STRUCT_OPS => LinkDetails::StructOps(raw.get()),
        LinkType::NETFILTER => LinkDetails::Netfilter(raw.get()),
        LinkType::KPROBE_MULTI => LinkDetails::KprobeMulti(link::KprobeMulti {
            addrs: 0,
            cookies: 0,
            ..raw.get()
        }),
        LinkType::UPROBE_MULTI => LinkDetails::UprobeMulti(link::UprobeMulti {
            path: 0,
            offsets: 0,
            ref_ctr_offsets: 0,
            cookies: 0,
            ..raw.get()
        }),
        LinkType::TRACING_MULTI => LinkDetails::TracingMulti(link::TracingMulti {
            ids: 0,
            addrs: 0,
            cookies: 0,
            ..raw.get()
        }),
        LinkType::PERF_EVENT => match raw.get::<link::PerfEvent>().kind {
            PerfEventKind::UPROBE | PerfEventKind::URETPROBE => LinkDetails::PerfUprobe(link::PerfUprobe {
                file_name: 0,
                ..raw.get()
            }),
            PerfEventKind::KPROBE | PerfEventKind::KRETPROBE => LinkDetails::PerfKprobe(link::PerfKprobe {
                func_name: 0,
                ..raw.get()
            }),
            PerfEventKind::TRACEPOINT => LinkDetails::PerfTracepoint(link::PerfTracepoint {
                tp_name: 0,
                ..raw.get()
            }),
            _ => LinkDetails::PerfOther(raw.get()),
        },
        LinkType::TCX => LinkDetails::Tcx(raw.get()),
        LinkType::NETKIT => LinkDetails::Netkit(raw.get()),
        LinkType::SOCKMAP => LinkDetails::Sockmap(raw.get()),
        _ => LinkDetails::Unknown,
    };
    LinkInfo {
        link_type,
        id,
        program_id: prog_id,
        details,
    }
}
