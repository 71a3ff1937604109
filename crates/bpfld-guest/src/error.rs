//! What can go wrong on the way to a guest.

use std::{
    io,
    path::Path,
    process::{Command, ExitStatus, Output},
};

/// Why a kernel, an image or a guest could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file, directory or stream could not be used.
    #[error("cannot {doing}")]
    Io {
        /// What was being done, to which file.
        doing: String,
        /// What the system said.
        source: io::Error,
    },
    /// A program of the distribution ended with a status other than 0.
    #[error("{command} failed ({status}): {complaint}")]
    Command {
        /// The command, as one would type it.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// What it complained, without network addresses.
        complaint: String,
    },
    /// The name of a kernel cannot be read.
    #[error("'{0}' is no name of a kernel: use newest, 6.12, debian:6.1-cloud or debian:6.1-generic")]
    Name(String),
    /// No package of this kernel can be had.
    #[error("no kernel {name} for {arch} can be had: {why}")]
    NoKernel {
        /// The name asked for.
        name: String,
        /// The architecture, as the distribution calls it.
        arch: &'static str,
        /// What was tried.
        why: String,
    },
    /// The files of a kernel are not what they should be.
    #[error("{0}")]
    BadKernel(String),
    /// The description of a run cannot be carried out.
    #[error("{0}")]
    BadPlan(String),
}

/// Results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Says what was being done when the system refused.
pub(crate) trait Doing<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| Error::Io {
            doing: what(),
            source,
        })
    }
}

/// `verb PATH`, for [`Doing`].
pub(crate) fn at<'a>(verb: &'a str, path: &'a Path) -> impl FnOnce() -> String + 'a {
    move || format!("{verb} {}", path.display())
}

/// Runs a command to its end; what it printed, or what it complained.
pub(crate) fn output(command: &mut Command) -> Result<Vec<u8>> {
    let result = command.output().doing(|| format!("start {}", show(command)))?;
    checked(command, result)
}

/// What a command printed, if it ended well.
pub(crate) fn checked(command: &Command, output: Output) -> Result<Vec<u8>> {
    let Output {
        status,
        stdout,
        stderr,
    } = output;
    if status.success() {
        return Ok(stdout);
    }
    Err(Error::Command {
        command: show(command),
        status,
        complaint: without_addresses(String::from_utf8_lossy(&stderr).trim_end()),
    })
}

/// A command as one would type it.
pub(crate) fn show(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Where a machine gets its packages from is nobody's business.
fn without_addresses(text: &str) -> String {
    let word = |word: &str| {
        if word.contains("://") {
            "(address)".to_owned()
        } else {
            word.to_owned()
        }
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}
