//! From an error of the kernel to an answer.

use std::borrow::Cow;

use bpfld_sys::{Errno, ProgramType};

use super::code::RETURN_0;
use super::kernel::Load;
use crate::{
    Answer, Capabilities, Capability, Evidence, Release, capabilities_for, in_initial_user_namespace,
};

/// It worked, or it did not.
pub(crate) fn judge<T>(outcome: Result<T, Errno>, how: &'static str) -> Answer {
    match outcome {
        Ok(_) => Answer::Yes,
        Err(errno) => refused(errno, how),
    }
}

/// What a refusal means: missing memory or rights say nothing about the kernel, all else is its "no".
pub(crate) fn refused(errno: Errno, how: &'static str) -> Answer {
    decide(errno, how, &[Capability::BPF])
}

/// The same for a program of a type, which may need more rights.
pub(crate) fn refused_program(kind: ProgramType, errno: Errno, how: &'static str) -> Answer {
    decide(errno, how, &capabilities_for(kind))
}

fn decide(errno: Errno, how: &'static str, needed: &[Capability]) -> Answer {
    let evidence = |how: Cow<'static, str>| Evidence {
        errno: Some(errno),
        how,
    };
    match errno {
        Errno::ENOMEM | Errno::EMFILE | Errno::ENFILE | Errno::EAGAIN | Errno::EINTR | Errno::ENOSPC => {
            Answer::Unknown(evidence(how.into()))
        }
        Errno::EPERM => match missing_right(needed) {
            Some(missing) => Answer::Unknown(evidence(missing)),
            // It may be for this map or program alone, and others of this process count too.
            None if counts_locked_memory() => Answer::Unknown(evidence(
                "perhaps for the limit of locked memory (ulimit -l), which BPF counts against before 5.11"
                    .into(),
            )),
            None if control() => Answer::No(evidence(
                format!("{how}; refused although this process has all rights").into(),
            )),
            None => Answer::Unknown(evidence(
                "no program at all can be loaded: a filter of system calls, or too little lockable memory"
                    .into(),
            )),
        },
        _ => Answer::No(evidence(how.into())),
    }
}

/// The rights that are needed and that this process lacks.
pub(crate) fn missing_right(needed: &[Capability]) -> Option<Cow<'static, str>> {
    let capabilities = Capabilities::effective()?;
    if Release::current().is_some_and(|release| release < Release::new(5, 8)) {
        let lacks = !capabilities.has(Capability::SYS_ADMIN);
        return lacks.then(|| "needs CAP_SYS_ADMIN".into());
    }
    let missing: Vec<String> = needed
        .iter()
        .filter(|c| !capabilities.can(**c))
        .map(|c| c.to_string())
        .collect();
    if !missing.is_empty() {
        return Some(format!("needs {}", missing.join(" and ")).into());
    }
    match in_initial_user_namespace() {
        Some(false) => Some("needs capabilities in the initial user namespace".into()),
        _ => None,
    }
}

/// Whether the kernel is of those that count maps and programs against a limit, from which this process is not exempt.
fn counts_locked_memory() -> bool {
    let limit = || {
        let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
        let line = limits
            .lines()
            .find_map(|line| line.strip_prefix("Max locked memory"))?;
        line.split_whitespace().next().map(str::to_owned)
    };
    Release::current().is_some_and(|release| release < Release::new(5, 11))
        && limit().is_none_or(|limit| limit != "unlimited")
}

/// Whether the simplest of all programs loads.
fn control() -> bool {
    Load::new(ProgramType::SOCKET_FILTER, &RETURN_0).run().is_ok()
}
