//! Making links and their forerunners, with errors that say what would help.

use std::{
    ffi::{CStr, CString},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use bpfld_sys::{
    self as sys, AttachFlags, AttachType, Errno, LinkCreate, LinkKind, Relative, Target, perf,
    socket::SocketProgram,
};

use super::{
    Order,
    command::{CommandHold, CommandTarget},
    handle::Hold,
    order::{Neighbour, Side},
};
use crate::adaptation::Measure;
use crate::{Error, Link, Program, Result};

/// Attaches a program with a link.
pub(crate) fn link(
    program: &Program,
    target: Target<'_>,
    attach_type: AttachType,
    kind: LinkKind<'_>,
    words: impl Into<String>,
) -> Result<Link> {
    with_flags(program, target, attach_type, 0, kind, words)
}

/// As [`link`], with flags of the kind.
pub(crate) fn with_flags(
    program: &Program,
    target: Target<'_>,
    attach_type: AttachType,
    flags: u32,
    kind: LinkKind<'_>,
    words: impl Into<String>,
) -> Result<Link> {
    let words = words.into();
    let mut create = LinkCreate::new(program.as_fd(), target, attach_type, kind);
    create.flags = flags;
    match sys::link_create(&create) {
        Ok(fd) => Ok(Link::new(Hold::Link(fd), words)),
        Err(source) => Err(refused(program, &words, source, Some(needs(attach_type, &kind)))),
    }
}

/// Attaches a program with a link at a place in a row of programs. `kind` makes the link's kind from neighbour and revision.
pub(crate) fn ordered<'a>(
    program: &Program,
    target: Target<'_>,
    attach_type: AttachType,
    order: Order<'a>,
    kind: impl FnOnce(Relative<'a>, u64) -> LinkKind<'a>,
    words: impl Into<String>,
) -> Result<Link> {
    let (flags, relative) = place(program, &order)?;
    let kind = kind(relative, order.revision.unwrap_or(0));
    with_flags(program, target, attach_type, flags.bits(), kind, words)
}

fn place<'a>(program: &Program, order: &Order<'a>) -> Result<(AttachFlags, Relative<'a>)> {
    let Order {
        side,
        neighbour,
        revision: _,
        preorder,
    } = *order;
    let mut flags = match side {
        Side::Unsaid => AttachFlags::empty(),
        Side::Before => AttachFlags::BEFORE,
        Side::After => AttachFlags::AFTER,
    };
    flags.set(AttachFlags::PREORDER, preorder);
    let relative = match neighbour {
        None => Relative::None,
        Some(Neighbour::Program(neighbour)) => Relative::Program(neighbour.as_fd()),
        Some(Neighbour::ProgramId(id)) => Relative::ProgramId(id),
        Some(Neighbour::LinkId(id)) => Relative::LinkId(id),
        Some(Neighbour::Link(link)) => match link.link_fd() {
            Some(fd) => Relative::Link(fd),
            None => {
                return Err(Error::invalid(
                    program.subject(),
                    "the neighbour is no link to the kernel",
                ));
            }
        },
    };
    Ok((flags, relative))
}

/// Attaches to a cgroup: with a link, or by command where the kernel has no links for it.
pub(crate) fn cgroup(
    program: &Program,
    cgroup: BorrowedFd<'_>,
    attach_type: AttachType,
    order: Order<'_>,
) -> Result<Link> {
    let words = attach_type.to_string();
    let target = Target::Fd(cgroup);
    let attached = if order.is_default() {
        link(program, target, attach_type, LinkKind::Plain, words.as_str())
    } else {
        let kind = |relative, expected_revision| LinkKind::Cgroup {
            relative,
            expected_revision,
        };
        return ordered(program, target, attach_type, order, kind, words);
    };
    match attached {
        // Before 5.7 the command to make links does not exist.
        Err(error) if error.errno() == Some(Errno::EINVAL) => {
            by_command(program, cgroup, attach_type, AttachFlags::ALLOW_MULTI, words)
                .map(|link| link.adapted(program, Measure::AttachedByCommand))
                .map_err(|_| error)
        }
        attached => attached,
    }
}

/// Attaches to a socket map: with a link (6.10), or by command.
pub(crate) fn socket_map(
    program: &Program,
    map: BorrowedFd<'_>,
    attach_type: AttachType,
    words: String,
) -> Result<Link> {
    match link(
        program,
        Target::Fd(map),
        attach_type,
        LinkKind::Plain,
        words.as_str(),
    ) {
        Err(error) if error.errno() == Some(Errno::EINVAL) => {
            by_command(program, map, attach_type, AttachFlags::empty(), words)
                .map(|link| link.adapted(program, Measure::AttachedByCommand))
                .map_err(|_| error)
        }
        attached => attached,
    }
}

/// Attaches by command, which a link value undoes by command.
pub(crate) fn by_command(
    program: &Program,
    target: BorrowedFd<'_>,
    attach_type: AttachType,
    flags: AttachFlags,
    words: impl Into<String>,
) -> Result<Link> {
    let words = words.into();
    let target = CommandTarget::Fd(duplicate(program, target, &words)?);
    command(program, target, attach_type, flags, words)
}

/// Attaches by command to the network namespace of this thread.
pub(crate) fn here_by_command(
    program: &Program,
    attach_type: AttachType,
    words: &'static str,
) -> Result<Link> {
    let target = CommandTarget::own_namespace()
        .map_err(|source| Error::io(program.subject(), "find its network namespace", source))?;
    command(program, target, attach_type, AttachFlags::empty(), words.into())
}

fn command(
    program: &Program,
    target: CommandTarget,
    attach_type: AttachType,
    flags: AttachFlags,
    words: String,
) -> Result<Link> {
    match CommandHold::attach(program, target, attach_type, flags) {
        Ok(hold) => Ok(Link::new(Hold::Command(hold), words)),
        Err(source) => Err(refused(program, &words, source, None)),
    }
}

/// Attaches by netlink; `hold` does it.
pub(crate) fn by_netlink(
    program: &Program,
    words: String,
    hold: impl FnOnce() -> std::io::Result<Hold>,
) -> Result<Link> {
    match hold() {
        Ok(hold) => Ok(Link::new(hold, words)),
        Err(source) => {
            let taken = matches!(
                source.raw_os_error().map(Errno),
                Some(Errno::EEXIST | Errno::EBUSY)
            );
            let error = Error::io(program.subject(), format!("attach to {words}"), source);
            Err(if taken {
                error.with_hint("something is attached there already")
            } else {
                error
            })
        }
    }
}

/// Attaches to a raw tracepoint by name, or to what a program was loaded for.
pub(crate) fn raw_tracepoint(
    program: &Program,
    name: Option<&CStr>,
    cookie: u64,
    words: String,
) -> Result<Link> {
    match sys::raw_tracepoint_open(name, program, cookie) {
        Ok(fd) => Ok(Link::new(Hold::Link(fd), words)),
        Err(source) => {
            let cookie = (cookie != 0).then_some(("cookies of raw tracepoints", "6.10"));
            Err(refused(program, &words, source, cookie))
        }
    }
}

/// Opens a perf event and runs the program at it: with a link (5.15), or by ioctl where the kernel has no links for it.
pub(crate) fn perf_event(
    program: &Program,
    attr: &perf::Attr<'_>,
    scope: perf::Scope<'_>,
    cookie: u64,
    words: String,
) -> Result<Link> {
    let event = perf::perf_event_open(attr, scope).map_err(|errno| {
        let error = Error::io(
            program.subject(),
            format!("attach to {words}"),
            std::io::Error::from_raw_os_error(errno.0),
        );
        match errno {
            Errno::EACCES | Errno::EPERM => {
                error.with_hint("perf events need CAP_PERFMON; see /proc/sys/kernel/perf_event_paranoid")
            }
            _ => error,
        }
    })?;
    on_perf_event(program, event, cookie, words)
}

/// Runs the program at a perf event that is open.
pub(crate) fn on_perf_event(
    program: &Program,
    event: perf::PerfEvent,
    cookie: u64,
    words: String,
) -> Result<Link> {
    let failed = |errno: Errno| {
        let source = std::io::Error::from_raw_os_error(errno.0);
        let error = Error::io(program.subject(), format!("attach to {words}"), source);
        match errno {
            Errno(libc::EPROTO) => {
                error.with_hint("the event must take call chains at exact addresses itself: `precise_ip`")
            }
            _ => error,
        }
    };
    let kind = LinkKind::PerfEvent { cookie };
    let target = Target::Fd(event.as_fd());
    let hold = match sys::link_create(&LinkCreate::new(
        program.as_fd(),
        target,
        AttachType::PERF_EVENT,
        kind,
    )) {
        Ok(fd) => {
            event.enable().map_err(failed)?;
            // The link keeps the event.
            Hold::Link(fd)
        }
        Err(source) if cookie != 0 => {
            return Err(refused(
                program,
                &words,
                source,
                Some(("cookies of perf events", "5.15")),
            ));
        }
        Err(source) if source.errno() == Errno::EINVAL => {
            event.set_bpf(program).map_err(failed)?;
            event.enable().map_err(failed)?;
            let hold = Hold::PerfEvent(OwnedFd::from(event), program.clone());
            return Ok(Link::new(hold, words).adapted(program, Measure::PerfEventByIoctl));
        }
        Err(source) => return Err(refused(program, &words, source, None)),
    };
    Ok(Link::new(hold, words))
}

/// Puts a program on a socket.
pub(crate) fn socket(
    program: &Program,
    socket: BorrowedFd<'_>,
    what: SocketProgram,
    words: &'static str,
) -> Result<Link> {
    let held = duplicate(program, socket, words)?;
    sys::socket::attach(socket, what, program).map_err(|errno| {
        let source = std::io::Error::from_raw_os_error(errno.0);
        Error::io(program.subject(), format!("attach to {words}"), source)
    })?;
    let hold = Hold::Socket {
        socket: held,
        what,
        program: program.clone(),
    };
    Ok(Link::new(hold, words))
}

fn duplicate(program: &Program, fd: BorrowedFd<'_>, words: &str) -> Result<OwnedFd> {
    fd.try_clone_to_owned()
        .map_err(|source| Error::io(program.subject(), format!("keep a descriptor of {words}"), source))
}

pub(crate) fn c_string(program: &Program, text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| Error::invalid(program.subject(), "a name cannot have a NUL byte"))
}

fn refused(
    program: &Program,
    words: &str,
    source: sys::Error,
    needs: Option<(&'static str, &'static str)>,
) -> Error {
    let errno = source.errno();
    // The release explains; whether it works, the kernel has said.
    if let Some((feature, since)) = needs
        && matches!(errno, Errno::EINVAL | Errno::EOPNOTSUPP | Errno::ENOTSUPP)
        && is_older(since)
    {
        return Error::unsupported(program.subject(), feature, Some(since), Some(errno));
    }
    let error = program.failed(format!("attach to {words}"), source);
    match errno {
        Errno::EBUSY => error.with_hint("something is attached there already"),
        Errno::ESTALE => error.with_hint("others have attached or detached programs since the revision"),
        Errno::EPERM => error
            .with_hint("attaching needs CAP_NET_ADMIN, CAP_PERFMON or CAP_SYS_ADMIN, by the kind of program"),
        _ => error,
    }
}

/// What a link needs, and the first release that has it.
fn needs(attach_type: AttachType, kind: &LinkKind<'_>) -> (&'static str, &'static str) {
    match kind {
        LinkKind::Iter(_) => ("iterators", "5.8"),
        LinkKind::PerfEvent { .. } => ("links to perf events", "5.15"),
        LinkKind::KprobeMulti { .. } if attach_type == AttachType::TRACE_KPROBE_SESSION => {
            ("sessions on many kernel functions", "6.10")
        }
        LinkKind::KprobeMulti { .. } => ("links to many kernel functions", "5.18"),
        LinkKind::Tracing { .. } => ("links to tracing targets with cookies", "5.19"),
        LinkKind::Netfilter { .. } => ("netfilter links", "6.4"),
        LinkKind::Tcx { .. } => ("tcx links", "6.6"),
        LinkKind::Netkit { .. } => ("netkit links", "6.7"),
        LinkKind::Cgroup { .. } => ("an order among the programs of a cgroup", "6.17"),
        LinkKind::UprobeMulti { .. } if attach_type == AttachType::TRACE_UPROBE_SESSION => {
            ("sessions on many places of a binary", "6.13")
        }
        LinkKind::UprobeMulti { .. } => ("links to many places of a binary", "6.6"),
        LinkKind::TracingMulti { .. } => ("tracing many functions through one link", "7.2"),
        _ => match attach_type {
            AttachType::XDP => ("XDP links", "5.9"),
            AttachType::SK_LOOKUP => ("sk_lookup", "5.9"),
            _ => ("links", "5.7"),
        },
    }
}

fn is_older(since: &str) -> bool {
    let (Some(current), Ok(since)) = (
        bpfld_features::Release::current(),
        bpfld_features::Release::parse(since),
    ) else {
        return false;
    };
    (current.major, current.minor) < (since.major, since.minor)
}
