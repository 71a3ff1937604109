//! What a probe found out.

use std::borrow::Cow;
use std::fmt;

use bpfld_sys::Errno;

/// The answer to "can this kernel do it?".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It can: the probe saw it work.
    Yes,
    /// It cannot, and this is what the kernel said.
    No(Evidence),
    /// The probe could not tell, mostly for lack of rights. Not kept: asked again, a probe may know.
    Unknown(Evidence),
}

/// What the kernel said, or what kept it from saying anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The error of the deciding system call, if one failed.
    pub errno: Option<Errno>,
    /// How that was found, or what would be needed, in a few words.
    pub how: Cow<'static, str>,
}

impl Answer {
    /// No, because of the text of a log or another thing that is not an error.
    pub(crate) fn no(how: impl Into<Cow<'static, str>>) -> Answer {
        Answer::No(Evidence {
            errno: None,
            how: how.into(),
        })
    }

    /// Could not tell.
    pub(crate) fn unknown(how: impl Into<Cow<'static, str>>) -> Answer {
        Answer::Unknown(Evidence {
            errno: None,
            how: how.into(),
        })
    }

    /// Whether the kernel surely can.
    pub fn is_yes(&self) -> bool {
        matches!(self, Answer::Yes)
    }

    /// Whether the kernel surely cannot.
    pub fn is_no(&self) -> bool {
        matches!(self, Answer::No(_))
    }

    /// `yes`, `no` or `unknown`.
    pub fn word(&self) -> &'static str {
        match self {
            Answer::Yes => "yes",
            Answer::No(_) => "no",
            Answer::Unknown(_) => "unknown",
        }
    }

    /// What is behind a "no" or "unknown".
    pub fn evidence(&self) -> Option<&Evidence> {
        match self {
            Answer::Yes => None,
            Answer::No(evidence) | Answer::Unknown(evidence) => Some(evidence),
        }
    }
}

/// `yes`, `no (EINVAL: …)` or `unknown (EPERM: …)`.
impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())?;
        match self.evidence() {
            Some(evidence) => write!(f, " ({evidence})"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Evidence { errno, how } = self;
        match errno {
            Some(errno) => write!(f, "{errno:?}: {how}"),
            None => f.write_str(how),
        }
    }
}
