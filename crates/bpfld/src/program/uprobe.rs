//! Attaching to places in user-space binaries.

use std::{
    borrow::Cow,
    fs, io,
    path::{Path, PathBuf},
};

use bpfld_object::Executable;
use bpfld_sys::perf;

use super::{
    Program, ProgramKind, Uprobe, binary, debug_file,
    kprobe::{Event, ProbeWay, no_source},
    tracefs::ProbeSource,
    tracefs_event::EventList,
};
use crate::{Error, Link, Result, link::create::perf_event};

/// A place in a binary.
///
/// Made from a name (`"malloc"`) or a number, which is an offset in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UprobePoint<'a> {
    /// So many bytes into a function, by its symbol; of a versioned one `name@VERSION` or `name@@VERSION`.
    Symbol {
        /// Name of the symbol.
        name: Cow<'a, str>,
        /// Bytes from the start of the function.
        offset: u64,
    },
    /// An offset in the file.
    FileOffset(u64),
}

impl<'a> From<&'a str> for UprobePoint<'a> {
    fn from(name: &'a str) -> Self {
        UprobePoint::Symbol {
            name: name.into(),
            offset: 0,
        }
    }
}

impl From<String> for UprobePoint<'_> {
    fn from(name: String) -> Self {
        UprobePoint::Symbol {
            name: name.into(),
            offset: 0,
        }
    }
}

impl From<u64> for UprobePoint<'_> {
    fn from(offset: u64) -> Self {
        UprobePoint::FileOffset(offset)
    }
}

/// How a user probe is attached, beside where.
#[derive(Clone, Copy, Debug, Default)]
pub struct UprobeOptions {
    pub(super) at_return: bool,
    pub(super) cookie: u64,
    pub(super) process: Option<u32>,
    pub(super) counter: u64,
    pub(super) way: ProbeWay,
}

impl UprobeOptions {
    /// Where the code begins, in all processes, without a cookie.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// When the function returns.
    #[must_use]
    pub fn at_return(mut self) -> Self {
        self.at_return = true;
        self
    }

    /// With a number that the program gets from `bpf_get_attach_cookie` (5.15).
    #[must_use]
    pub fn cookie(mut self, cookie: u64) -> Self {
        self.cookie = cookie;
        self
    }

    /// Only in one process.
    #[must_use]
    pub fn process(mut self, id: u32) -> Self {
        self.process = Some(id);
        self
    }

    /// While attached, adds one to a 16-bit number at this offset in the file (4.20), below 4 GiB: how static probes know that
    /// somebody listens.
    #[must_use]
    pub fn counter(mut self, file_offset: u64) -> Self {
        self.counter = file_offset;
        self
    }

    /// Through perf events or tracefs.
    #[must_use]
    pub fn way(mut self, way: ProbeWay) -> Self {
        self.way = way;
        self
    }
}

impl Uprobe {
    /// Attaches to the entry of a function of a binary, or to an offset in it, in all processes.
    ///
    /// The binary is a path, or a name: a library (`libc.so.6`) is searched among the libraries (for one process, first among
    /// those that it has loaded, also in a container), else a program among the programs. Functions are found by the symbols
    /// for other files, by all symbols, or by those in a separate debug file below `/usr/lib/debug` or beside the binary.
    ///
    /// ```no_run
    /// # fn example(count: bpfld::Uprobe) -> Result<(), bpfld::Error> {
    /// let link = count.attach("libc.so.6", "malloc")?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When there is no such file or function in it, or the kernel refuses.
    pub fn attach<'a>(&self, binary: impl AsRef<Path>, point: impl Into<UprobePoint<'a>>) -> Result<Link> {
        attach(
            self.program(),
            binary.as_ref(),
            &point.into(),
            UprobeOptions::new(),
        )
    }

    /// Attaches to the return of a function of a binary, in all processes.
    ///
    /// # Errors
    ///
    /// As [`attach`](Self::attach).
    pub fn attach_return<'a>(
        &self,
        binary: impl AsRef<Path>,
        point: impl Into<UprobePoint<'a>>,
    ) -> Result<Link> {
        attach(
            self.program(),
            binary.as_ref(),
            &point.into(),
            UprobeOptions::new().at_return(),
        )
    }

    /// Attaches to a place in a binary as options say.
    ///
    /// # Errors
    ///
    /// As [`attach`](Self::attach).
    pub fn attach_with<'a>(
        &self,
        binary: impl AsRef<Path>,
        point: impl Into<UprobePoint<'a>>,
        options: UprobeOptions,
    ) -> Result<Link> {
        attach(self.program(), binary.as_ref(), &point.into(), options)
    }
}

pub(super) fn attach(
    program: &Program,
    binary: &Path,
    point: &UprobePoint<'_>,
    options: UprobeOptions,
) -> Result<Link> {
    let path = find(program, binary, options.process)?;
    let offset = match point {
        UprobePoint::FileOffset(offset) => *offset,
        UprobePoint::Symbol { name, offset } => {
            let bytes = read(program, &path)?;
            let start = file_offset(program, &parse(program, &path, &bytes)?, &path, name)?;
            start.checked_add(*offset).ok_or_else(|| {
                Error::invalid(
                    program.subject(),
                    format!("{name}+{offset:#x} is beyond the end of any file"),
                )
            })?
        }
    };
    if u32::try_from(options.counter).is_err() {
        let message = format!(
            "a counter at offset {:#x} is beyond the 4 GiB that kernels know",
            options.counter
        );
        return Err(Error::invalid(program.subject(), message));
    }
    let place = if options.at_return { "return of " } else { "" };
    let target = match point {
        UprobePoint::FileOffset(offset) => format!("{place}{} at offset {offset:#x}", path.display()),
        UprobePoint::Symbol { name, offset: 0 } => format!("{place}{name} of {}", path.display()),
        UprobePoint::Symbol { name, offset } => format!("{place}{name}+{offset:#x} of {}", path.display()),
    };
    let scope = match options.process {
        Some(id) => perf::Scope::Process(id),
        None => perf::Scope::Cpu(0),
    };
    let source = match options.way {
        ProbeWay::Tracefs => None,
        ProbeWay::Auto | ProbeWay::PerfEvent => match ProbeSource::read("uprobe") {
            Ok(source) => Some(source),
            Err(error) if error.kind() == io::ErrorKind::NotFound && options.way == ProbeWay::Auto => None,
            Err(error) => return Err(no_source(program, error, "user probes as perf events", &target)),
        },
    };
    let Some(source) = source else {
        let counter = match options.counter {
            0 => String::new(),
            counter => format!("({counter:#x})"),
        };
        let event = Event {
            list: EventList::Uprobe,
            place: &format!("{}:{offset:#x}{counter}", path.display()),
            at_return: options.at_return,
        };
        return event.attach(program, scope, options.cookie, target);
    };
    let config = source.config(options.at_return) | options.counter << 32;
    let c_path = crate::pin::c_path(&path)?;
    let attr = perf::Attr::uprobe(source.perf_type, config, &c_path, offset);
    perf_event(program, &attr, scope, options.cookie, target)
}

/// The file of a binary, for one process or all.
pub(super) fn find(program: &Program, binary: &Path, process: Option<u32>) -> Result<PathBuf> {
    binary::find(binary, process)
        .map_err(|source| Error::io(program.subject(), format!("find '{}'", binary.display()), source))
}

/// The bytes of a binary.
pub(super) fn read(program: &Program, path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|source| Error::io(program.subject(), format!("read {}", path.display()), source))
}

/// The symbols of a binary.
pub(super) fn parse<'d>(program: &Program, path: &Path, bytes: &'d [u8]) -> Result<Executable<'d>> {
    Executable::parse(bytes).map_err(|error| {
        Error::invalid(
            program.subject(),
            format!("cannot attach to {}: {error}", path.display()),
        )
    })
}

/// Where in the file a function begins: by the symbols in it, else by those in a separate debug file.
pub(super) fn file_offset(
    program: &Program,
    executable: &Executable<'_>,
    path: &Path,
    name: &str,
) -> Result<u64> {
    let offset = match executable.function(name) {
        Ok(function) => return Ok(function.file_offset),
        Err(error) => with_debug_file(path, executable, |file| {
            Some(file.function(name).ok()?.file_offset)
        })
        .flatten()
        .ok_or(error),
    };
    offset.map_err(|error| {
        Error::invalid(
            program.subject(),
            format!("cannot attach to '{name}' of {}: {error}", path.display()),
        )
        .with_optional_hint(debug_file::hint(executable))
    })
}

/// Looks into the separate debug file of a binary, if there is one.
pub(super) fn with_debug_file<R>(
    path: &Path,
    executable: &Executable<'_>,
    look: impl FnOnce(&Executable<'_>) -> R,
) -> Option<R> {
    let bytes = debug_file::read(path, executable)?;
    let file = Executable::parse(&bytes).ok()?.with_layout_of(executable);
    Some(look(&file))
}
