//! Which links the kernel makes. Each question is put so that a kernel that understands it must still say no.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use bpfld_sys::{AttachType, Errno, ProgramType};

use super::code::RETURN_0;
use super::kernel::{self, Load};
use super::verdict::refused;
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
    with_program_and_file(Load::new(ProgramType::SCHED_CLS, &RETURN_0), |program, _| {
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
    let load = Load {
        attach_type: AttachType::TRACE_UPROBE_MULTI,
        ..Load::new(ProgramType::KPROBE, &RETURN_0)
    };
    with_program_and_file(load, |program, _| {
        match expect(
            kernel::link_to_root(program, 0),
            Errno::EBADF,
            "making a link to a file that has no code",
        ) {
            Answer::Yes => match kernel::link_to_root(program, u32::MAX) {
                Err(Errno::EINVAL) => Answer::Yes,
                _ => Answer::no("takes a process for a thread"),
            },
            other => other,
        }
    })
}

/// Answer with the help of a program and a file that has nothing to do with BPF.
fn with_program_and_file(load: Load<'_>, then: impl FnOnce(&OwnedFd, BorrowedFd<'_>) -> Answer) -> Answer {
    let Ok(file) = File::open("/proc/self/status") else {
        return Answer::unknown("/proc is not mounted");
    };
    match load.run() {
        Ok(program) => then(&program, file.as_fd()),
        Err(errno) => refused(errno, "loading the program for the link"),
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
