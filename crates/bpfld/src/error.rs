//! The error of this crate: what was done, to which named thing, why it failed, and what would help.

use std::borrow::Cow;
use std::path::PathBuf;

use bpfld_sys::Errno;

use crate::log::VerifierLog;

mod text;

/// A failure, with the thing it happened to.
///
/// `{}` prints one line. `{:#}` prints everything that is known: the object, the hint, all differences of a pinned map, the
/// verifier's whole log; so does `{:?}`, which is what is seen of an error that leaves `main` or is unwrapped. `{:#?}` prints
/// the fields. Match on [`kind`](Self::kind) to decide what to do.
pub struct Error(Box<Inner>);

struct Inner {
    object: Option<String>,
    subject: Subject,
    kind: ErrorKind,
    hint: Option<Cow<'static, str>>,
}

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The thing an error is about, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Subject {
    /// The object as a whole.
    Object,
    /// A map.
    Map(String),
    /// A program.
    Program(String),
    /// A kernel symbol, kernel function or configuration value that the object refers to.
    Extern(String),
    /// A global variable.
    Global(String),
    /// A link, by what it attaches to.
    Link(String),
    /// The kernel's own type information: `vmlinux` or the name of a module.
    KernelBtf(String),
    /// The object's type information.
    ObjectBtf,
    /// A file: a pin or something below /proc or /sys.
    File(PathBuf),
    /// The kernel as a whole.
    Kernel,
}

/// What went wrong.
#[derive(Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The kernel refused a call.
    Kernel {
        /// What was asked of it, in the infinitive: "create", "attach to eth0".
        doing: Cow<'static, str>,
        /// Its answer.
        source: bpfld_sys::Error,
    },
    /// A file could not be read or written.
    Io {
        /// What was tried, in the infinitive.
        doing: Cow<'static, str>,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The verifier looked at the program and said no.
    Rejected {
        /// The kernel's answer; often EACCES or EINVAL.
        errno: Errno,
        /// All it printed.
        log: VerifierLog,
    },
    /// This kernel cannot do what was asked.
    Unsupported {
        /// What is missing.
        feature: Cow<'static, str>,
        /// The first kernel release that has it, such as "5.8", if it is in any.
        since: Option<Cow<'static, str>>,
        /// How the kernel said so, if it was asked.
        errno: Option<Errno>,
    },
    /// Something named does not exist.
    NotFound {
        /// What was looked for, and where.
        what: Cow<'static, str>,
    },
    /// A pinned map that should be used again is not the one that the object declares.
    Differs {
        /// Where it is pinned.
        path: PathBuf,
        /// Each parameter that differs.
        differences: Vec<Difference>,
    },
    /// The request contradicts the object or itself.
    Invalid {
        /// How.
        message: Cow<'static, str>,
    },
    /// A Rust type is not as large as what it should stand for.
    Layout {
        /// What that is: "key", "value", "variable".
        part: &'static str,
        /// Its size in bytes.
        expected: usize,
        /// Its type as C spells it, of a struct with offsets and members; where the map's BTF tells.
        declared: Option<String>,
        /// The Rust type.
        rust_type: &'static str,
        /// The size of that in bytes.
        given: usize,
        /// The alignment of that in bytes.
        align: usize,
    },
    /// The kernel's answers contradict each other; something keeps changing underneath.
    Inconsistent {
        /// How.
        message: Cow<'static, str>,
    },
    /// The object's description cannot be turned into a program.
    Object(bpfld_object::Error),
    /// Type information cannot be read.
    Btf(bpfld_btf::Error),
    /// Types cannot be compared.
    Core(bpfld_btf::CoreError),
}

/// A parameter of a pinned map that is not as declared.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// Name of the parameter: "type", "key size", "flags", …
    pub parameter: &'static str,
    /// What the object declares.
    pub declared: String,
    /// What the pinned map has.
    pub pinned: String,
}

/// How bad a failed program is, in one word; what `bpfld verify` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Failure {
    /// The verifier looked at it and said no.
    Rejected,
    /// The kernel lacks something that it needs.
    Unsupported,
    /// Anything else: rights, limits, a wrong request.
    Error,
}

impl Error {
    pub(crate) fn new(subject: Subject, kind: ErrorKind) -> Self {
        Self(Box::new(Inner {
            object: None,
            subject,
            kind,
            hint: None,
        }))
    }

    /// A refused call.
    pub(crate) fn kernel(
        subject: Subject,
        doing: impl Into<Cow<'static, str>>,
        source: bpfld_sys::Error,
    ) -> Self {
        Self::new(
            subject,
            ErrorKind::Kernel {
                doing: doing.into(),
                source,
            },
        )
    }

    /// Something that could not be opened by its id.
    pub(crate) fn by_id(subject: Subject, source: bpfld_sys::Error) -> Self {
        let hint = (source.errno() == Errno::EPERM).then_some("this needs CAP_SYS_ADMIN");
        Self::kernel(subject, "open", source).with_optional_hint(hint)
    }

    /// A file that could not be read or written.
    pub(crate) fn io(subject: Subject, doing: impl Into<Cow<'static, str>>, source: std::io::Error) -> Self {
        Self::new(
            subject,
            ErrorKind::Io {
                doing: doing.into(),
                source,
            },
        )
    }

    /// A thing that does not exist.
    pub(crate) fn not_found(subject: Subject, what: impl Into<Cow<'static, str>>) -> Self {
        Self::new(subject, ErrorKind::NotFound { what: what.into() })
    }

    /// A request that contradicts the object.
    pub(crate) fn invalid(subject: Subject, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(
            subject,
            ErrorKind::Invalid {
                message: message.into(),
            },
        )
    }

    /// Something that this kernel cannot do.
    pub(crate) fn unsupported(
        subject: Subject,
        feature: impl Into<Cow<'static, str>>,
        since: Option<&'static str>,
        errno: Option<Errno>,
    ) -> Self {
        Self::new(
            subject,
            ErrorKind::Unsupported {
                feature: feature.into(),
                since: since.map(Into::into),
                errno,
            },
        )
    }

    /// Says which object it happened in, unless that is known.
    pub(crate) fn in_object(mut self, name: &str) -> Self {
        self.0.object.get_or_insert_with(|| name.to_owned());
        self
    }

    /// Adds what would help, unless there is a hint already.
    pub(crate) fn with_hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.0.hint.get_or_insert_with(|| hint.into());
        self
    }

    /// Adds what would help, where that is known.
    pub(crate) fn with_optional_hint(self, hint: Option<impl Into<Cow<'static, str>>>) -> Self {
        match hint {
            Some(hint) => self.with_hint(hint),
            None => self,
        }
    }

    /// The name of the object, if the failure happened while one was loaded.
    #[must_use]
    pub fn object(&self) -> Option<&str> {
        self.0.object.as_deref()
    }

    /// The thing that it happened to.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.0.subject
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// What would help, if that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// The kernel's answer, where a call failed.
    #[must_use]
    pub fn errno(&self) -> Option<Errno> {
        match self.kind() {
            ErrorKind::Kernel { source, .. } => Some(source.errno()),
            ErrorKind::Io { source, .. } => source.raw_os_error().map(Errno),
            ErrorKind::Rejected { errno, .. } => Some(*errno),
            ErrorKind::Unsupported { errno, .. } => *errno,
            ErrorKind::NotFound { .. }
            | ErrorKind::Differs { .. }
            | ErrorKind::Invalid { .. }
            | ErrorKind::Layout { .. }
            | ErrorKind::Inconsistent { .. }
            | ErrorKind::Object(_)
            | ErrorKind::Btf(_)
            | ErrorKind::Core(_) => None,
        }
    }

    /// The verifier's log of a rejected program.
    #[must_use]
    pub fn verifier_log(&self) -> Option<&VerifierLog> {
        match self.kind() {
            ErrorKind::Rejected { log, .. } => Some(log),
            _ => None,
        }
    }

    /// The failure in one word.
    #[must_use]
    pub fn failure(&self) -> Failure {
        match self.kind() {
            ErrorKind::Rejected { .. } => Failure::Rejected,
            ErrorKind::Unsupported { .. } => Failure::Unsupported,
            _ => Failure::Error,
        }
    }
}
