//! What the exit status tells.

use std::fmt;
use std::io;
use std::process::ExitCode;

use bpfld::{Errno, ErrorKind, Failure, Subject};
use bpfld_features::KfuncError;
use bpfld_object::TextError;
use bpfld_sys::Command;

use crate::output::Unwritten;

/// The end of `bpfld --help`.
pub(crate) const HELP: &str = "\
Exit status:
  0  all is well
  1  the answer is no: a program does not load or fit a kernel, `btf find` finds nothing, types differ
  2  the command line makes no sense, or names a program, map, link, type or module that is not there
  3  a file cannot be read or written, or is no BPF object or assembly with mistakes
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
    /// A file cannot be read or written, or is no BPF object.
    File = 3,
    /// A capability is missing.
    NotPermitted = 4,
    /// Anything else.
    Failed = 5,
}

impl ExitStatus {
    /// The status that tells of an error.
    pub(crate) fn of(error: &anyhow::Error) -> ExitStatus {
        error
            .chain()
            .find_map(ExitStatus::of_cause)
            .unwrap_or(ExitStatus::Failed)
    }

    fn of_cause(cause: &(dyn std::error::Error + 'static)) -> Option<ExitStatus> {
        if cause.is::<Usage>() {
            return Some(ExitStatus::Usage);
        }
        if matches!(cause.downcast_ref(), Some(KfuncError::Rights(_))) {
            return Some(ExitStatus::NotPermitted);
        }
        if cause.is::<bpfld::object::Error>()
            || cause.is::<bpfld_features::RecordError>()
            || cause.is::<TextError>()
        {
            return Some(ExitStatus::File);
        }
        if let Some(error) = cause.downcast_ref::<io::Error>() {
            let is_output = error.get_ref().is_some_and(|inner| inner.is::<Unwritten>());
            return Some(if is_output {
                ExitStatus::Failed
            } else {
                ExitStatus::File
            });
        }
        let error = cause.downcast_ref::<bpfld::Error>()?;
        if is_not_permitted(error) {
            return Some(ExitStatus::NotPermitted);
        }
        match (error.failure(), error.subject()) {
            (Failure::Rejected | Failure::Unsupported, _) => Some(ExitStatus::Negative),
            (_, Subject::File(_)) => Some(ExitStatus::File),
            _ => None,
        }
    }
}

/// Whether it is for lack of rights that the kernel said no.
pub(crate) fn is_not_permitted(error: &bpfld::Error) -> bool {
    // where something may be pinned is a question of the path
    let pins =
        matches!(error.kind(), ErrorKind::Kernel { source, .. } if source.command() == Command::OBJ_PIN);
    error.failure() == Failure::Error && error.errno() == Some(Errno::EPERM) && !pins
}

/// An error in the command line that only shows when it is carried out.
#[derive(Debug)]
pub(crate) struct Usage(pub(crate) String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> ExitCode {
        ExitCode::from(status as u8)
    }
}

/// The mistakes in assembly, if it is these that an error is about.
pub(crate) fn text_error(error: &anyhow::Error) -> Option<&TextError> {
    error.chain().find_map(|cause| cause.downcast_ref::<TextError>())
}

/// Whether the reader of our output went away, which is its good right.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
