//! What the kernel says about a link.

use std::{fmt, os::fd::BorrowedFd};

use bpfld_sys::{self as sys, LinkBuffers, LinkDetails, LinkType, PerfEventKind};

use crate::{Program, Result};

/// What the kernel says about a link (5.8).
#[derive(Clone, Debug)]
pub struct LinkInfo {
    id: u32,
    link_type: LinkType,
    program_id: u32,
    details: LinkDetails,
    name: Option<String>,
    addresses: Vec<u64>,
    ref_counters: Vec<u64>,
    cookies: Vec<u64>,
}

/// Room for names of tracepoints and functions, and paths.
const NAME_BYTES: usize = 4096;

/// Most places of one link that are asked for.
const MOST_PLACES: usize = 1 << 20;

impl LinkInfo {
    pub(crate) fn of(fd: BorrowedFd<'_>) -> std::result::Result<LinkInfo, sys::Error> {
        let raw = sys::link_info(fd)?;
        let mut info = LinkInfo {
            id: raw.id,
            ..LinkInfo::from_parts(raw.link_type, raw.program_id, raw.details)
        };
        let places = match raw.details {
            LinkDetails::KprobeMulti(multi) => multi.count as usize,
            LinkDetails::UprobeMulti(multi) => multi.count as usize,
            LinkDetails::TracingMulti(multi) => multi.count as usize,
            _ => 0,
        }
        .min(MOST_PLACES);
        let has_name = matches!(
            raw.details,
            LinkDetails::RawTracepoint(_)
                | LinkDetails::Iter(..)
                | LinkDetails::UprobeMulti(_)
                | LinkDetails::PerfUprobe(_)
                | LinkDetails::PerfKprobe(_)
                | LinkDetails::PerfTracepoint(_)
        );
        if places == 0 && !has_name {
            return Ok(info);
        }
        let mut name = vec![0; if has_name { NAME_BYTES } else { 0 }];
        info.addresses = vec![0; places];
        info.cookies = vec![0; places];
        let mut buffers = LinkBuffers::default();
        buffers.name = &mut name;
        buffers.addresses = &mut info.addresses;
        buffers.cookies = &mut info.cookies;
        if matches!(raw.details, LinkDetails::UprobeMulti(_)) {
            info.ref_counters = vec![0; places];
            buffers.ref_ctr_offsets = &mut info.ref_counters;
        }
        info.details = sys::link_info_with(fd, &mut buffers)?.details;
        info.name = has_name
            .then(|| crate::info::name(&name))
            .filter(|name| !name.is_empty());
        Ok(info)
    }

    /// What is known of an attachment that is no link to the kernel.
    pub(crate) fn from_parts(link_type: LinkType, program_id: u32, details: LinkDetails) -> LinkInfo {
        LinkInfo {
            id: 0,
            link_type,
            program_id,
            details,
            name: None,
            addresses: vec![],
            ref_counters: vec![],
            cookies: vec![],
        }
    }

    /// As [`from_parts`](Self::from_parts), for a program.
    pub(crate) fn without_link(
        program: &Program,
        link_type: LinkType,
        details: LinkDetails,
    ) -> Result<LinkInfo> {
        Ok(LinkInfo::from_parts(link_type, program.info()?.id(), details))
    }

    /// One of several that are one for the user.
    pub(crate) fn of_many(self) -> LinkInfo {
        LinkInfo { id: 0, ..self }
    }

    /// Id, unique on the machine for as long as the link lives; 0 for attachments that are no links to the kernel.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Kind of the link.
    #[must_use]
    pub fn link_type(&self) -> LinkType {
        self.link_type
    }

    /// Id of the attached program.
    #[must_use]
    pub fn program_id(&self) -> u32 {
        self.program_id
    }

    /// What links of this kind have: interface, cgroup id, hook, cookie, missed runs …
    #[must_use]
    pub fn details(&self) -> &LinkDetails {
        &self.details
    }

    /// Name of the tracepoint, function, iterator or binary that it is attached to, for kinds that have one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Places of a link to many: addresses of kernel functions, or offsets in the binary.
    #[must_use]
    pub fn addresses(&self) -> &[u64] {
        &self.addresses
    }

    /// Offsets of the reference counters of user probes, in the order of places.
    #[must_use]
    pub fn ref_counters(&self) -> &[u64] {
        &self.ref_counters
    }

    /// Cookies of a link to many, in the order of places.
    #[must_use]
    pub fn cookies(&self) -> &[u64] {
        &self.cookies
    }

    /// How often the program was not run because the CPU was running it, or another one, already: for probes of kernel functions
    /// (6.7).
    #[must_use]
    pub fn missed(&self) -> Option<u64> {
        match &self.details {
            LinkDetails::KprobeMulti(link) => Some(link.missed),
            LinkDetails::PerfKprobe(link) => Some(link.missed),
            _ => None,
        }
    }

    /// The number that the program gets from `bpf_get_attach_cookie`, for kinds with one; zero where none was given, or the kernel does not
    /// tell (it does since 6.9 for perf events, 6.17 for tracing and raw tracepoints).
    #[must_use]
    pub fn cookie(&self) -> Option<u64> {
        match &self.details {
            LinkDetails::RawTracepoint(link) => Some(link.cookie),
            LinkDetails::Tracing(link) => Some(link.cookie),
            LinkDetails::PerfUprobe(link) => Some(link.cookie),
            LinkDetails::PerfKprobe(link) => Some(link.cookie),
            LinkDetails::PerfTracepoint(link) => Some(link.cookie),
            LinkDetails::PerfOther(link) => Some(link.cookie),
            _ => None,
        }
    }
}

/// Says what the link attaches to, as "raw tracepoint sched_switch".
impl fmt::Display for LinkInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name().unwrap_or("?");
        match &self.details {
            LinkDetails::RawTracepoint(_) => write!(f, "raw tracepoint {name}"),
            LinkDetails::Tracing(link) => write!(f, "{} of type {}", link.attach_type, link.target_btf_id),
            LinkDetails::Cgroup(link) => write!(f, "{} of cgroup {}", link.attach_type, link.cgroup_id),
            LinkDetails::Iter(..) => write!(f, "iterator over {name}"),
            LinkDetails::Netns(link) => {
                write!(f, "{} of network namespace {}", link.attach_type, link.netns_ino)
            }
            LinkDetails::Xdp(link) => write!(f, "XDP of interface {}", link.ifindex),
            LinkDetails::StructOps(link) => write!(f, "struct_ops map {}", link.map_id),
            LinkDetails::Netfilter(link) => {
                write!(f, "netfilter hook {} of family {}", link.hooknum, link.pf)
            }
            LinkDetails::KprobeMulti(link) => write!(f, "{} kernel functions", link.count),
            LinkDetails::UprobeMulti(link) => write!(f, "{} places of {name}", link.count),
            LinkDetails::TracingMulti(link) => write!(f, "{} of {} functions", link.attach_type, link.count),
            LinkDetails::PerfUprobe(link) => {
                let at_return = if link.kind == PerfEventKind::URETPROBE {
                    "return of "
                } else {
                    ""
                };
                write!(f, "{at_return}{name} at offset {:#x}", link.offset)
            }
            LinkDetails::PerfKprobe(link) => {
                let at_return = if link.kind == PerfEventKind::KRETPROBE {
                    "return of "
                } else {
                    ""
                };
                write!(f, "{at_return}kernel function {name}+{:#x}", link.offset)
            }
            LinkDetails::PerfTracepoint(_) => write!(f, "tracepoint {name}"),
            LinkDetails::PerfOther(_) => f.write_str("perf event"),
            LinkDetails::Tcx(link) => write!(f, "{} of interface {}", link.attach_type, link.ifindex),
            LinkDetails::Netkit(link) => write!(f, "{} of interface {}", link.attach_type, link.ifindex),
            LinkDetails::Sockmap(link) => write!(f, "{} of map {}", link.attach_type, link.map_id),
            _ => write!(f, "link of type {}", self.link_type),
        }
    }
}
