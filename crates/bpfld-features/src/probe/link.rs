//! Which links the kernel makes. Each question is put so that a kernel that understands it must still say no.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use bpfld_sys::{self as sys, AttachType, Command, Errno, LinkType, MapFlags, ProgramType};

use super::code::RETURN_0;
use super::kernel::{self, Load};
use super::verdict::{refused, refused_program};
use super::{command, map, program};
use crate::Answer;

/// A kernel that knows links complains that the file is no control group.
pub(crate) fn plain() -> Answer {
    let load = Load::new(ProgramType::CGROUP_SKB, &RETURN_0);
    with_program_and_file(load, |program, file| {
        let outcome = kernel::link_to_file(program, AttachType::CGROUP_INET_EGRESS, file);
        expect(
            outcome,
            Errno::EBADF,
            "making a link to a control group that is none",
        )
    })
}

/// A kernel that knows such links complains that the file is no event.
pub(crate) fn perf() -> Answer {
    with_program_and_file(Load::new(ProgramType::TRACEPOINT, &RETURN_0), |program, file| {
        let outcome = kernel::link_to_file(program, AttachType::PERF_EVENT, file);
        expect(
            outcome,
            Errno::EBADF,
            "making a link to a perf event that is none",
        )
    })
}

/// A kernel that knows such links complains that there is no such device.
pub(crate) fn tcx() -> Answer {
    with_program(Load::new(ProgramType::SCHED_CLS, &RETURN_0), |program| {
        let outcome = kernel::link_to_device(program, AttachType::TCX_INGRESS, i32::MAX.unsigned_abs());
        expect(
            outcome,
            Errno::ENODEV,
            "making a link to a network device that is not there",
        )
    })
}

/// The first kernels with such links took a process for a thread and traced only that. They look at the file first,
/// later ones at the number of the process.
pub(crate) fn uprobe_multi() -> Answer {
    const ATTACH: AttachType = AttachType::TRACE_UPROBE_MULTI;
    with_program(kprobe(ATTACH), |program| match to_no_code(program, ATTACH) {
        Answer::Yes => match kernel::link_to_root(program, ATTACH, u32::MAX) {
            Err(Errno::EINVAL) => Answer::Yes,
            _ => Answer::no("takes a process for a thread"),
        },
        other => other,
    })
}

/// Whether there are links to many places in user-space code, for the right process or not.
pub(crate) fn uprobe_multi_as(attach: AttachType) -> Answer {
    with_program(kprobe(attach), |program| to_no_code(program, attach))
}

fn to_no_code(program: &OwnedFd, attach: AttachType) -> Answer {
    expect(
        kernel::link_to_root(program, attach, 0),
        Errno::EBADF,
        "making a link to a file that has no code",
    )
}

/// A kernel that knows such links looks for the function.
pub(crate) fn kprobe_multi(attach: AttachType) -> Answer {
    with_program(kprobe(attach), |program| {
        expect(
            kernel::link_to_no_function(program, attach),
            Errno::ESRCH,
            "making a link to a kernel function that is not there",
        )
    })
}

fn kprobe(attach_type: AttachType) -> Load<'static> {
    Load {
        attach_type,
        ..Load::new(ProgramType::KPROBE, &RETURN_0)
    }
}

/// Whether links of a type can be made, and are listed. Some came together with something else that is asked for.
pub(crate) fn of_type(kind: LinkType) -> Answer {
    match kind {
        LinkType::RAW_TRACEPOINT => command::exists(Command::LINK_GET_FD_BY_ID),
        LinkType::TRACING => match command::exists(Command::LINK_GET_FD_BY_ID) {
            Answer::Yes => program::load(ProgramType::TRACING),
            other => other,
        },
        LinkType::CGROUP => match command::exists(Command::LINK_GET_FD_BY_ID) {
            Answer::Yes => plain(),
            other => other,
        },
        LinkType::ITER => command::exists(Command::ITER_CREATE),
        LinkType::NETNS => impossible(
            ProgramType::FLOW_DISSECTOR,
            AttachType::FLOW_DISSECTOR,
            Errno::EBADF,
        ),
        LinkType::XDP => command::attaches_to(AttachType::XDP),
        LinkType::PERF_EVENT => perf(),
        LinkType::KPROBE_MULTI => kprobe_multi(AttachType::TRACE_KPROBE_MULTI),
        LinkType::STRUCT_OPS => map::struct_ops(MapFlags::LINK),
        LinkType::NETFILTER => impossible(ProgramType::NETFILTER, AttachType::NETFILTER, Errno::EAFNOSUPPORT),
        LinkType::TCX => tcx(),
        LinkType::UPROBE_MULTI => uprobe_multi_as(AttachType::TRACE_UPROBE_MULTI),
        LinkType::NETKIT => impossible(ProgramType::SCHED_CLS, AttachType::NETKIT_PRIMARY, Errno::ENODEV),
        LinkType::SOCKMAP => impossible(
            ProgramType::SK_SKB,
            AttachType::SK_SKB_STREAM_VERDICT,
            Errno::EBADF,
        ),
        LinkType::TRACING_MULTI => program::traces_many(AttachType::TRACE_FENTRY_MULTI),
        _ => Answer::unknown("no probe for this link type"),
    }
}

/// A link to a target that is never there.
fn impossible(kind: ProgramType, attach_type: AttachType, expected: Errno) -> Answer {
    let load = Load {
        attach_type,
        ..Load::new(kind, &RETURN_0)
    };
    with_program(load, |program| {
        let outcome = Err(sys::inquire_link(program, attach_type));
        expect(outcome, expected, "making a link to a target that is not there")
    })
}

/// Answer with the help of a program and a file that has nothing to do with BPF.
fn with_program_and_file(load: Load<'_>, then: impl FnOnce(&OwnedFd, BorrowedFd<'_>) -> Answer) -> Answer {
    let Ok(file) = File::open("/proc/self/status") else {
        return Answer::unknown("/proc is not mounted");
    };
    with_program(load, |program| then(program, file.as_fd()))
}

/// Answer with the help of a program.
fn with_program(load: Load<'_>, then: impl FnOnce(&OwnedFd) -> Answer) -> Answer {
    match load.run() {
        Ok(program) => then(&program),
        Err(errno) => refused_program(load.kind, errno, "loading the program for the link"),
    }
}

/// The error that only a kernel gives that understood the question.
fn expect(outcome: Result<(), Errno>, expected: Errno, how: &'static str) -> Answer {
    match outcome {
        Err(errno) if errno == expected => Answer::Yes,
        Err(errno) => refused(errno, how),
        Ok(()) => Answer::unknown("an impossible link was made"),
    }
}
