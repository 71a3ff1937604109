//! Loading what the kernel checks, with a log of why it says no.

use std::os::fd::OwnedFd;

use bpfld_sys::{self as sys, Errno};

use super::options::LogLevel;
use crate::error::{Error, ErrorKind, Subject};
use crate::log::VerifierLog;

/// The first buffer for a log. Pages that the kernel does not write to cost nothing.
const FIRST_LOG: usize = (16 << 20) - 1;
/// The largest log that kernels take.
const LARGEST_LOG: usize = (u32::MAX >> 2) as usize;
/// How often a load is tried that a signal interrupted.
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
) -> Result<(OwnedFd, Option<VerifierLog>), Refusal> {
    let load = |log: Option<&mut sys::Log<'_>>| sys::prog_load(request, log);
    if level.is_empty() {
        return match retry(|| load(None)) {
            Ok(fd) => Ok((fd, None)),
            // It may work at second try, for reasons that lie elsewhere in the system.
            Err(_) => with_log(LogLevel::BASIC, load).map(|(fd, _)| (fd, None)),
        };
    }
    let result = match with_log(level, load) {
        // Statistics alone do not say why.
        Err(refusal) if !level.intersects(LogLevel::BASIC | LogLevel::FULL) => {
            with_log(level | LogLevel::BASIC, load)
                .map_err(|told| if told.log.is_empty() { refusal } else { told })
        }
        result => result,
    };
    match result {
        // The log does not fit into any buffer: then without.
        Err(refusal) if refusal.error.errno() == Errno::ENOSPC => {
            let fd = retry(|| load(None)).map_err(|error| Refusal {
                error,
                log: VerifierLog::default(),
            })?;
            Ok((fd, Some(refusal.log)))
        }
        result => result.map(|(fd, log)| (fd, Some(log))),
    }
}

/// Loads type information.
pub(crate) fn load_btf(bytes: &[u8]) -> Result<OwnedFd, Error> {
    let request = sys::BtfLoad::new(bytes);
    if let Ok(fd) = retry(|| sys::btf_load(&request, None)) {
        return Ok(fd);
    }
    let (fd, _) = with_log(LogLevel::BASIC, |log| sys::btf_load(&request, log)).map_err(|refusal| {
        let Refusal { error, log } = refusal;
        if log.is_empty() {
            return Error::kernel(Subject::ObjectBtf, "load it", error);
        }
        Error::new(
            Subject::ObjectBtf,
            ErrorKind::Rejected {
                errno: error.errno(),
                log,
            },
        )
    })?;
    Ok(fd)
}

/// Tries with a log, in ever larger buffers while the kernel says that one was too small.
fn with_log(
    level: LogLevel,
    mut load: impl FnMut(Option<&mut sys::Log<'_>>) -> Result<OwnedFd, sys::Error>,
) -> Result<(OwnedFd, VerifierLog), Refusal> {
    let mut size = FIRST_LOG;
    loop {
        let mut buffer = vec![0; size];
        let mut log = sys::Log::new(level.bits(), &mut buffer);
        let result = retry(|| load(Some(&mut log)));
        let is_full = matches!(&result, Err(error) if error.errno() == Errno::ENOSPC);
        if is_full && size < LARGEST_LOG {
            size = size.saturating_mul(2).min(LARGEST_LOG);
            continue;
        }
        let log = VerifierLog::from_buffer(&buffer, is_full);
        return match result {
            Ok(fd) => Ok((fd, log)),
            Err(error) => Err(Refusal { error, log }),
        };
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
