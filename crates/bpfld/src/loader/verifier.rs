//! Loading what the kernel checks, with a log of why it says no.

use std::os::fd::{BorrowedFd, OwnedFd};

use bpfld_sys::{self as sys, Errno};

use super::log_level::LogLevel;
use crate::error::{Error, ErrorKind, Subject};
use crate::log::VerifierLog;
use crate::memlock::{self, Memlock};

/// The first buffer for a log, and the largest before Linux 5.2. Pages that the kernel does not write to cost nothing.
const FIRST_LOG: usize = (16 << 20) - 1;
/// The largest buffer. Of a longer log, Linux 6.4 and later keep the end.
const LARGEST_LOG: usize = 64 << 20;
/// How often a load is tried that a signal interrupts.
const ATTEMPTS: u32 = 5;

/// A refused load, with what the kernel printed.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) error: sys::Error,
    pub(crate) log: VerifierLog,
}

/// Loads a program: without a log unless one is asked for, and once more with one if the kernel says no.
pub(crate) fn load_program(
    request: &sys::ProgLoad<'_>,
    level: LogLevel,
    memlock: Memlock,
) -> Result<(OwnedFd, Option<VerifierLog>), Refusal> {
    let load = |mut log: Option<&mut sys::Log<'_>>| {
        memlock::within(memlock, || sys::prog_load(request, log.as_deref_mut()))
    };
    if level.is_empty() {
        return match retry(|| load(None)) {
            Ok(fd) => Ok((fd, None)),
            // The second try may succeed, if it was for something elsewhere in the system.
            Err(error) => match with_log(LogLevel::BASIC, load) {
                Ok((fd, _)) => Ok((fd, None)),
                Err(refusal) => Err(refusal.or_full(error)),
            },
        };
    }
    match with_log(level, load) {
        Ok((fd, log)) => Ok((fd, Some(log))),
        // The program is fine; only the log was too long.
        Err(refusal) if refusal.error.errno() == Errno::ENOSPC => match retry(|| load(None)) {
            Ok(fd) => Ok((fd, Some(refusal.log))),
            Err(error) => Err(Refusal {
                error,
                log: refusal.log,
            }),
        },
        // Statistics alone do not say why.
        Err(refusal) if !level.intersects(LogLevel::BASIC | LogLevel::FULL) => {
            let error = refusal.error;
            match with_log(level | LogLevel::BASIC, load) {
                Ok((fd, log)) => Ok((fd, Some(log))),
                Err(told) if told.log.is_empty() => Err(refusal),
                Err(told) => Err(told.or_full(error)),
            }
        }
        Err(refusal) => Err(refusal),
    }
}

/// Loads type information.
pub(crate) fn load_btf(bytes: &[u8], token: Option<BorrowedFd<'_>>) -> Result<OwnedFd, Error> {
    let mut request = sys::BtfLoad::new(bytes);
    request.token = token;
    let load = |log: Option<&mut sys::Log<'_>>| sys::btf_load(&request, log);
    match retry(|| load(None)).or_else(|_| with_log(LogLevel::BASIC, load).map(|(fd, _)| fd)) {
        Ok(fd) => Ok(fd),
        Err(refusal) => Err(refusal.told(Subject::ObjectBtf, "load it")),
    }
}

/// Tries with a log, and again with a larger buffer if the log is longer.
fn with_log(
    level: LogLevel,
    load: impl Fn(Option<&mut sys::Log<'_>>) -> Result<OwnedFd, sys::Error>,
) -> Result<(OwnedFd, VerifierLog), Refusal> {
    let mut size = FIRST_LOG;
    loop {
        let mut buffer = vec![0; size];
        let mut log = sys::Log::new(level.bits(), &mut buffer);
        let result = retry(|| load(Some(&mut log)));
        let is_full = matches!(&result, Err(error) if error.errno() == Errno::ENOSPC);
        let wanted = match log.true_size() as usize {
            0 => size.saturating_mul(2),
            told => told,
        };
        if is_full && size < wanted && wanted <= LARGEST_LOG {
            size = wanted;
            continue;
        }
        let log = VerifierLog::from_buffer(&buffer, is_full);
        return match result {
            Ok(fd) => Ok((fd, log)),
            Err(error) => Err(Refusal { error, log }),
        };
    }
}

impl Refusal {
    /// The error for users: with the log, if there is one.
    pub(crate) fn told(self, subject: Subject, doing: &'static str) -> Error {
        let Self { error, log } = self;
        if log.is_empty() {
            return Error::kernel(subject, doing, error);
        }
        let errno = error.errno();
        Error::new(subject, ErrorKind::Rejected { errno, log })
    }

    /// Where only the log's length was complained about: what was wrong before there was a log.
    fn or_full(self, before: sys::Error) -> Self {
        if self.error.errno() == Errno::ENOSPC {
            Self {
                error: before,
                ..self
            }
        } else {
            self
        }
    }
}

/// The verifier gives up when a signal arrives, and asks to be called again.
fn retry<T>(mut load: impl FnMut() -> Result<T, sys::Error>) -> Result<T, sys::Error> {
    let mut attempts = ATTEMPTS;
    loop {
        attempts -= 1;
        match load() {
            Err(error) if error.errno() == Errno::EAGAIN && attempts > 0 => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again() -> Result<u32, sys::Error> {
        Err(sys::Error::new(sys::Command::PROG_LOAD, Errno::EAGAIN))
    }

    #[test]
    fn prg_04_e_interrupted_loads_are_tried_five_times() {
        let mut calls = 0;
        let result = retry(|| {
            calls += 1;
            if calls < 5 { again() } else { Ok(calls) }
        });
        assert_eq!(result.ok(), Some(5));
        calls = 0;
        let result = retry(|| {
            calls += 1;
            again()
        });
        assert_eq!(
            (result.err().map(|error| error.errno()), calls),
            (Some(Errno::EAGAIN), 5)
        );
    }
}
