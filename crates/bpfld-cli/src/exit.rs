//! What the exit status tells.

use std::io;
use std::process::ExitCode;

/// The end of `bpfld --help`.
pub(crate) const HELP: &str = "\
Exit status:
  0  all is well
  1  the answer is no: a program or an object does not load
  2  the command line makes no sense
  3  a file cannot be read, or is no BPF object
  4  this process may not do it; the message says which capability is missing
  5  anything else failed";

/// How a run of the command ended.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum ExitStatus {
    /// All is well.
    Ok = 0,
    /// The question was asked and the answer is no.
    Negative = 1,
    /// The command line makes no sense; clap leaves with this one, too.
    Usage = 2,
    /// A file cannot be read or is no BPF object.
    File = 3,
    /// A capability is missing.
    NotPermitted = 4,
    /// Anything else.
    Failed = 5,
}

impl ExitStatus {
    /// The status that tells of an error.
    pub(crate) fn of(error: &anyhow::Error) -> ExitStatus {
        for cause in error.chain() {
            if cause.is::<bpfld_object::Error>() {
                return ExitStatus::File;
            }
            if let Some(error) = cause.downcast_ref::<io::Error>() {
                return match error.kind() {
                    io::ErrorKind::PermissionDenied if error.raw_os_error() == Some(1) => {
                        ExitStatus::NotPermitted
                    }
                    _ => ExitStatus::File,
                };
            }
        }
        ExitStatus::Failed
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> ExitCode {
        ExitCode::from(status as u8)
    }
}

/// Whether the reader of our output went away, which is its good right.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
