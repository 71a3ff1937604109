//! What errors print.

use std::fmt;

use super::{Difference, Error, ErrorKind, Failure, Inner, Subject};

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object => f.write_str("object"),
            Self::Kernel => f.write_str("kernel"),
            Self::Map(name) => write!(f, "map '{name}'"),
            Self::Program(name) => write!(f, "program '{name}'"),
            Self::Extern(name) => write!(f, "extern '{name}'"),
            Self::Global(name) => write!(f, "global variable '{name}'"),
            Self::Link(name) => write!(f, "link to {name}"),
            Self::KernelBtf(name) => write!(f, "type information of {name}"),
            Self::ObjectBtf => f.write_str("type information of the object"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} is {} but declared as {}",
            self.parameter, self.pinned, self.declared
        )
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rejected => "rejected",
            Self::Unsupported => "unsupported",
            Self::Error => "error",
        })
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kernel { doing, source } => write!(f, "cannot {doing}: {source}"),
            Self::Io { doing, source } => write!(f, "cannot {doing}: {source}"),
            Self::Rejected { errno, log } => {
                f.write_str("rejected by the verifier: ")?;
                match log.summary() {
                    Some(line) => f.write_str(line)?,
                    None => write!(f, "{errno}")?,
                }
                match log.source_line() {
                    Some(line) => write!(f, " [{line}]"),
                    None => Ok(()),
                }
            }
            Self::Unsupported {
                feature,
                since,
                errno,
            } => {
                write!(f, "this kernel does not support {feature}")?;
                if let Some(since) = since {
                    write!(f, " (Linux {since} does)")?;
                }
                match errno {
                    Some(errno) => write!(f, ": {errno}"),
                    None => Ok(()),
                }
            }
            Self::NotFound { what } => write!(f, "there is no {what}"),
            Self::Differs { path, differences } => {
                write!(f, "pinned at {} is another map: ", path.display())?;
                for (i, difference) in differences.iter().enumerate() {
                    let separator = if i == 0 { "" } else { ", " };
                    write!(f, "{separator}{difference}")?;
                }
                Ok(())
            }
            Self::Invalid { message } | Self::Inconsistent { message } => f.write_str(message),
            Self::Layout {
                part,
                expected,
                declared,
                rust_type,
                given,
                align,
            } => {
                write!(f, "a {part} has {expected} bytes")?;
                if let Some(declared) = declared {
                    write!(f, " as {declared}")?;
                }
                write!(f, ", but {rust_type} has {given}, aligned to {align}")
            }
            Self::Object(source) => chain(f, source),
            Self::Btf(source) => chain(f, source),
            Self::Core(source) => chain(f, source),
        }
    }
}

/// An error and its causes.
fn chain(f: &mut fmt::Formatter<'_>, error: &dyn std::error::Error) -> fmt::Result {
    write!(f, "{error}")?;
    let mut cause = error.source();
    while let Some(error) = cause {
        write!(f, ": {error}")?;
        cause = error.source();
    }
    Ok(())
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner {
            object,
            subject,
            kind,
            hint,
        } = &*self.0;
        match (object, subject) {
            (Some(object), Subject::Object) => write!(f, "object '{object}': ")?,
            (Some(object), _) if f.alternate() => write!(f, "object '{object}': {subject}: ")?,
            _ => write!(f, "{subject}: ")?,
        }
        kind.fmt(f)?;
        if let Some(hint) = hint {
            write!(f, " ({hint})")?;
        }
        match kind {
            ErrorKind::Rejected { log, .. } if f.alternate() && !log.is_empty() => {
                write!(f, "\n{}", log.as_str().trim_end())
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner {
            object,
            subject,
            kind,
            hint,
        } = &*self.0;
        if !f.alternate() {
            return write!(f, "{self:#}");
        }
        f.debug_struct("Error")
            .field("object", object)
            .field("subject", subject)
            .field("kind", kind)
            .field("hint", hint)
            .finish()
    }
}

// Causes are part of the text, so there is no source(): printing a chain would say them twice.
impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use bpfld_sys::Errno;

    use super::*;
    use crate::error::Failure;
    use crate::log::VerifierLog;

    #[track_caller]
    fn check(error: &Error, plain: &str, full: &str) {
        assert_eq!(format!("{error}"), plain);
        assert_eq!(format!("{error:#}"), full);
        assert_eq!(format!("{error:?}"), full);
    }

    #[test]
    fn a_rejection_prints_one_line_and_in_full_the_log() {
        let log = VerifierLog::new(
            "; int x = *p; @ a.c:3\n1: (61) r0 = *(u32 *)(r1 +0)\nR1 invalid mem access 'scalar'\n",
        );
        let kind = ErrorKind::Rejected {
            errno: Errno::EACCES,
            log,
        };
        let error = Error::new(Subject::Program("count".into()), kind).in_object("fw");
        check(
            &error,
            "program 'count': rejected by the verifier: R1 invalid mem access 'scalar' [int x = *p; @ a.c:3]",
            "object 'fw': program 'count': rejected by the verifier: R1 invalid mem access 'scalar' [int x = *p; @ a.c:3]\n\
             ; int x = *p; @ a.c:3\n1: (61) r0 = *(u32 *)(r1 +0)\nR1 invalid mem access 'scalar'",
        );
        assert_eq!(error.failure(), Failure::Rejected);
        assert_eq!(error.errno(), Some(Errno::EACCES));
    }

    #[test]
    fn differences_are_all_named() {
        let difference = |parameter, declared: &str, pinned: &str| Difference {
            parameter,
            declared: declared.into(),
            pinned: pinned.into(),
        };
        let kind = ErrorKind::Differs {
            path: "/sys/fs/bpf/m".into(),
            differences: vec![
                difference("type", "hash", "array"),
                difference("key size", "8", "4"),
            ],
        };
        let text = "map 'm': pinned at /sys/fs/bpf/m is another map: type is array but declared as hash, \
                    key size is 4 but declared as 8";
        check(&Error::new(Subject::Map("m".into()), kind), text, text);
    }

    #[test]
    fn unsupported_says_since_when() {
        let error = Error::unsupported(Subject::Map("r".into()), "ring buffers", Some("5.8"), None);
        let text = "map 'r': this kernel does not support ring buffers (Linux 5.8 does)";
        check(&error, text, text);
        let text =
            "map 'r': this kernel does not support ring buffers (Linux 5.8 does) (try a perf event array)";
        check(&error.with_hint("try a perf event array"), text, text);
    }
}
