//! What a command fails with.

use core::fmt;

use crate::{Command, Errno};

/// A failed command: which one, and the error number.
///
/// Nothing is retried: [`Errno::EINTR`] (a signal came) and [`Errno::EAGAIN`] (the verifier was interrupted, or the
/// object is busy) are for the caller to decide about.
///
/// ```
/// use bpfld_sys::{Command, Errno, Error};
///
/// let error = Error::new(Command::MAP_CREATE, Errno::EPERM);
/// assert_eq!(error.to_string(), "map_create: EPERM (operation not permitted)");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    command: Command,
    errno: Errno,
    argument: Option<&'static str>,
}

impl Error {
    /// The error that the kernel gives for `command`.
    pub const fn new(command: Command, errno: Errno) -> Self {
        Self {
            command,
            errno,
            argument: None,
        }
    }

    /// An argument that was refused here, before any system call.
    #[cfg(all(target_os = "linux", feature = "std"))]
    pub(crate) const fn argument(command: Command, what: &'static str) -> Self {
        Self {
            command,
            errno: Errno::EINVAL,
            argument: Some(what),
        }
    }

    /// The command that failed.
    pub const fn command(&self) -> Command {
        self.command
    }

    /// The error number: the kernel's, or [`Errno::EINVAL`] where [`Self::refused_argument`] tells why.
    pub const fn errno(&self) -> Errno {
        self.errno
    }

    /// What was wrong with an argument, where this crate refused it before asking the kernel.
    pub const fn refused_argument(&self) -> Option<&'static str> {
        self.argument
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.argument {
            Some(what) => write!(f, "{}: {what}", self.command),
            None => write!(f, "{}: {}", self.command, self.errno),
        }
    }
}

impl core::error::Error for Error {}

#[cfg(feature = "std")]
impl From<Error> for std::io::Error {
    fn from(error: Error) -> Self {
        Self::from_raw_os_error(error.errno.0)
    }
}
