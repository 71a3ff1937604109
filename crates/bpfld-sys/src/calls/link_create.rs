//! Attaching programs through links.

mod kind;

use std::os::fd::{BorrowedFd, OwnedFd};

use zerocopy::{FromBytes, Immutable, IntoBytes};

pub use self::kind::{CStrAddress, IterTarget, KernelFunctions, LinkKind, UprobeFile};
use crate::syscall::{address, bpf_fd, length, raw, raw_or_zero};
use crate::{AttachType, Command, Error, Target, UprobeMultiFlags, attr};

const COMMAND: Command = Command::LINK_CREATE;

/// What to attach, and where.
///
/// ```no_run
/// # use std::os::fd::BorrowedFd;
/// use bpfld_sys::{AttachType, LinkCreate, LinkKind, Target, link_create};
///
/// # fn attach(program: BorrowedFd<'_>, cgroup: BorrowedFd<'_>) -> Result<(), bpfld_sys::Error> {
/// let wanted = LinkCreate::new(program, Target::Fd(cgroup), AttachType::CGROUP_INET_EGRESS, LinkKind::Plain);
/// let link = link_create(&wanted)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct LinkCreate<'a> {
    /// Program, or struct_ops map.
    pub object: BorrowedFd<'a>,
    /// A cgroup, network namespace, perf event, network device, socket map, or (freplace) program.
    pub target: Target<'a>,
    /// What of it.
    pub attach_type: AttachType,
    /// Flags of the kind: bits of [`XdpFlags`](crate::XdpFlags) for XDP, of [`AttachFlags`](crate::AttachFlags) for tcx, netkit and cgroups. What a
    /// [`Relative`](crate::Relative) needs is added.
    pub flags: u32,
    /// What else the kind needs.
    pub kind: LinkKind<'a>,
}

impl<'a> LinkCreate<'a> {
    /// A link without flags.
    pub fn new(
        object: BorrowedFd<'a>,
        target: Target<'a>,
        attach_type: AttachType,
        kind: LinkKind<'a>,
    ) -> Self {
        Self {
            object,
            target,
            attach_type,
            flags: 0,
            kind,
        }
    }
}

/// Attaches a program through a link: it stays attached until the last descriptor of the link is closed and it is pinned nowhere. Since
/// Linux 5.7; kinds have their own first releases.
///
/// # Errors
///
/// `EINVAL` for what the kernel does not know, or what does not fit together; `EPERM` for lack of rights; `EBUSY` if the target takes no more; `EEXIST` if it is
/// attached already; `ENOENT`, `ESRCH` if a function is not there; `EOPNOTSUPP` if the target cannot; `ESTALE` for another revision.
#[doc(alias = "BPF_LINK_CREATE")]
pub fn link_create(wanted: &LinkCreate<'_>) -> Result<OwnedFd, Error> {
    let LinkCreate {
        object,
        target,
        attach_type,
        flags,
        kind,
    } = *wanted;
    let (object_fd, target) = (raw(object), target.number());
    match kind {
        LinkKind::Plain => {
            let attr = attr::LinkCreate {
                object_fd,
                target,
                attach_type,
                flags,
                ..Default::default()
            };
            // SAFETY: there are no addresses.
            unsafe { send(attr) }
        }
        LinkKind::Iter(over) => iter(over, |iter_info, iter_info_len| attr::LinkCreateIter {
            object_fd,
            target,
            attach_type,
            flags,
            iter_info,
            iter_info_len,
            ..Default::default()
        }),
        LinkKind::PerfEvent { cookie: bpf_cookie } => {
            let attr = attr::LinkCreatePerfEvent {
                object_fd,
                target,
                attach_type,
                flags,
                bpf_cookie,
            };
            // SAFETY: there are no addresses.
            unsafe { send(attr) }
        }
        LinkKind::KprobeMulti {
            functions,
            cookies,
            flags: kprobe_multi_flags,
        } => {
            let (len, syms, addrs) = match functions {
                KernelFunctions::Names(names) => (names.len(), address(names), 0),
                KernelFunctions::Addresses(addresses) => (addresses.len(), 0, address(addresses)),
            };
            let attr = attr::LinkCreateKprobeMulti {
                object_fd,
                target,
                attach_type,
                flags,
                kprobe_multi_flags,
                cnt: count(len, &[cookies.len()])?,
                syms,
                addrs,
                cookies: address(cookies),
            };
            // SAFETY: all addresses are of what `wanted` borrows, with `cnt` elements (names: of addresses of C strings that live as long), and are read.
            unsafe { send(attr) }
        }
        LinkKind::Tracing {
            target_btf_id,
            cookie,
        } => {
            let attr = attr::LinkCreateTracing {
                object_fd,
                target,
                attach_type,
                flags,
                target_btf_id,
                cookie,
                ..Default::default()
            };
            // SAFETY: there are no addresses.
            unsafe { send(attr) }
        }
        LinkKind::Netfilter {
            family: pf,
            hook: hooknum,
            priority,
            flags: netfilter_flags,
        } => {
            let attr = attr::LinkCreateNetfilter {
                object_fd,
                target,
                attach_type,
                flags,
                pf,
                hooknum,
                priority,
                netfilter_flags,
            };
            // SAFETY: there are no addresses.
            unsafe { send(attr) }
        }
        // The three have the same arguments.
        LinkKind::Tcx {
            relative,
            expected_revision,
        }
        | LinkKind::Netkit {
            relative,
            expected_revision,
        }
        | LinkKind::Cgroup {
            relative,
            expected_revision,
        } => {
            let (relative, relative_flags) = relative.arguments();
            let attr = attr::LinkCreateTcx {
                object_fd,
                target,
                attach_type,
                flags: flags | relative_flags.bits(),
                relative,
                expected_revision,
                ..Default::default()
            };
            // SAFETY: there are no addresses.
            unsafe { send(attr) }
        }
        LinkKind::UprobeMulti {
            file,
            offsets,
            ref_ctr_offsets,
            cookies,
            flags: uprobe_multi_flags,
            pid,
        } => {
            let (path, path_fd, file_flags) = match file {
                UprobeFile::Path(path) => (address(path.to_bytes_with_nul()), 0, UprobeMultiFlags::empty()),
                UprobeFile::Fd(fd) => (0, raw(fd), UprobeMultiFlags::PATH_FD),
            };
            let attr = attr::LinkCreateUprobeMulti {
                object_fd,
                target,
                attach_type,
                flags,
                path,
                offsets: address(offsets),
                ref_ctr_offsets: address(ref_ctr_offsets),
                cookies: address(cookies),
                cnt: count(offsets.len(), &[ref_ctr_offsets.len(), cookies.len()])?,
                uprobe_multi_flags: uprobe_multi_flags | file_flags,
                pid,
                path_fd,
            };
            // SAFETY: all addresses are of what `wanted` borrows: the path ends with a zero, the others have `cnt` elements or are null. They are read.
            unsafe { send(attr) }
        }
        LinkKind::TracingMulti { btf_ids, cookies } => {
            let attr = attr::LinkCreateTracingMulti {
                object_fd,
                target,
                attach_type,
                flags,
                ids: address(btf_ids),
                cookies: address(cookies),
                cnt: count(btf_ids.len(), &[cookies.len()])?,
                ..Default::default()
            };
            // SAFETY: both addresses are of what `wanted` borrows, with `cnt` elements or null, and are read.
            unsafe { send(attr) }
        }
    }
}

/// Calls the command with one of its forms.
///
/// # Safety
///
/// Every address in `attr` must be valid for reads over the length that goes with it.
unsafe fn send<T: IntoBytes + FromBytes + Immutable>(mut attr: T) -> Result<OwnedFd, Error> {
    // SAFETY: as the caller promises; the command writes nothing.
    unsafe { bpf_fd(COMMAND, &mut attr, 0, None) }
}

/// Attaches an iterator; `attr` makes the arguments from the address and length of what is walked over.
fn iter(over: IterTarget<'_>, attr: impl Fn(u64, u32) -> attr::LinkCreateIter) -> Result<OwnedFd, Error> {
    let send_over = |over: &[u8]| {
        let attr = attr(address(over), length(COMMAND, over.len())?);
        // SAFETY: the only address is that of `over`, with its length; it is read.
        unsafe { send(attr) }
    };
    let task = attr::IterLinkInfoTask::default();
    match over {
        IterTarget::All => send_over(&[]),
        IterTarget::Map(map) => send_over(attr::IterLinkInfoMap { map_fd: raw(map) }.as_bytes()),
        IterTarget::Cgroup { cgroup, order } => send_over(
            attr::IterLinkInfoCgroup {
                order,
                cgroup_fd: raw_or_zero(cgroup),
                cgroup_id: 0,
            }
            .as_bytes(),
        ),
        IterTarget::Thread(tid) => send_over(attr::IterLinkInfoTask { tid, ..task }.as_bytes()),
        IterTarget::Process(pid) => send_over(attr::IterLinkInfoTask { pid, ..task }.as_bytes()),
        IterTarget::Pidfd(fd) => send_over(
            attr::IterLinkInfoTask {
                pid_fd: raw(fd),
                ..task
            }
            .as_bytes(),
        ),
    }
}

/// The number of places, which all other arrays must have too, or be empty.
fn count(places: usize, others: &[usize]) -> Result<u32, Error> {
    if others.iter().any(|len| *len != 0 && *len != places) {
        return Err(Error::argument(COMMAND, "arrays of different lengths"));
    }
    length(COMMAND, places)
}
