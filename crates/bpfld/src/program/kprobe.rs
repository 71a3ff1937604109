//! Attaching to places in kernel functions.

use bpfld_sys::perf;

use super::{
    Kprobe, Program, ProgramKind,
    tracefs::ProbeSource,
    tracefs_event::{EventList, TracefsEvent},
};
use crate::adaptation::Measure;
use crate::{
    Error, Link, Result,
    link::create::{c_string, perf_event},
};

/// How a kernel probe is attached, beside where.
#[derive(Clone, Copy, Debug, Default)]
pub struct KprobeOptions {
    pub(super) offset: u64,
    pub(super) at_return: bool,
    pub(super) cookie: u64,
    pub(super) way: ProbeWay,
}

/// Through what a probe is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProbeWay {
    /// A perf event where the kernel has them for probes (4.17), else tracefs.
    #[default]
    Auto,
    /// A perf event (4.17).
    PerfEvent,
    /// An event in tracefs, which everybody sees by its name, `bpfld_PID/event_NUMBER`. It is removed with the link; if the process
    /// is killed it stays.
    Tracefs,
}

impl KprobeOptions {
    /// At the entry of the function, without a cookie.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// So many bytes into the function, where an instruction must begin.
    #[must_use]
    pub fn offset(mut self, bytes: u64) -> Self {
        self.offset = bytes;
        self
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

    /// Through perf events or tracefs.
    #[must_use]
    pub fn way(mut self, way: ProbeWay) -> Self {
        self.way = way;
        self
    }
}

impl Kprobe {
    /// Attaches to the entry of a kernel function, or of a module's as `module:function`.
    ///
    /// ```no_run
    /// # fn example(count: bpfld::Kprobe) -> Result<(), bpfld::Error> {
    /// let link = count.attach("do_unlinkat")?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When the kernel has no kprobes, no such function, or does not allow probing it (inlined, `notrace`).
    pub fn attach(&self, function: &str) -> Result<Link> {
        attach(self.program(), function, KprobeOptions::new())
    }

    /// Attaches to the return of a kernel function.
    ///
    /// # Errors
    ///
    /// As [`attach`](Self::attach).
    pub fn attach_return(&self, function: &str) -> Result<Link> {
        attach(self.program(), function, KprobeOptions::new().at_return())
    }

    /// Attaches to a kernel function as options say.
    ///
    /// # Errors
    ///
    /// As [`attach`](Self::attach).
    pub fn attach_with(&self, function: &str, options: KprobeOptions) -> Result<Link> {
        attach(self.program(), function, options)
    }

    /// Attaches to an address in the kernel, where an instruction must begin.
    ///
    /// # Errors
    ///
    /// As [`attach`](Self::attach); also for an offset, which has nothing to add to.
    pub fn attach_address(&self, address: u64, options: KprobeOptions) -> Result<Link> {
        if options.offset != 0 {
            let message = "an address takes no offset";
            return Err(Error::invalid(self.program().subject(), message));
        }
        attach_to(self.program(), Where::Address(address), options)
    }

    /// Attaches to the entry of the function that carries out a system call, as `openat`.
    ///
    /// # Errors
    ///
    /// As [`attach`](Self::attach).
    pub fn attach_syscall(&self, name: &str) -> Result<Link> {
        attach_syscall(self.program(), name, KprobeOptions::new())
    }

    /// Attaches to the function that carries out a system call, as options say.
    ///
    /// # Errors
    ///
    /// As [`attach`](Self::attach).
    pub fn attach_syscall_with(&self, name: &str, options: KprobeOptions) -> Result<Link> {
        attach_syscall(self.program(), name, options)
    }
}

/// A place in the kernel.
#[derive(Clone, Copy, Debug)]
enum Where<'a> {
    Function(&'a str),
    Address(u64),
}

pub(super) fn attach(program: &Program, function: &str, options: KprobeOptions) -> Result<Link> {
    attach_to(program, Where::Function(function), options)
}

fn attach_to(program: &Program, place: Where<'_>, options: KprobeOptions) -> Result<Link> {
    let words = if options.at_return { "return of " } else { "" };
    let target = match (place, options.offset) {
        (Where::Function(function), 0) => format!("{words}kernel function {function}"),
        (Where::Function(function), offset) => format!("{words}kernel function {function}+{offset:#x}"),
        (Where::Address(address), _) => format!("{words}kernel address {address:#x}"),
    };
    let source = match options.way {
        ProbeWay::Tracefs => None,
        ProbeWay::Auto | ProbeWay::PerfEvent => match ProbeSource::read("kprobe") {
            Ok(source) => Some(source),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && options.way == ProbeWay::Auto => {
                None
            }
            Err(error) => return Err(no_source(program, error, "kernel probes as perf events", &target)),
        },
    };
    let Some(source) = source else {
        let offset = match options.offset {
            0 => String::new(),
            offset => format!("+{offset}"),
        };
        let spelt = match place {
            Where::Function(function) => format!("{function}{offset}"),
            Where::Address(address) => format!("{address:#x}"),
        };
        let event = Event {
            list: EventList::Kprobe,
            place: &spelt,
            at_return: options.at_return,
        };
        return event.attach(program, perf::Scope::Cpu(0), options.cookie, target);
    };
    let config = source.config(options.at_return);
    let name;
    let attr = match place {
        Where::Function(function) => {
            name = c_string(program, function)?;
            perf::Attr::kprobe(source.perf_type, config, &name, options.offset)
        }
        Where::Address(address) => perf::Attr::kprobe_address(source.perf_type, config, address),
    };
    perf_event(program, &attr, perf::Scope::Cpu(0), options.cookie, target)
}

pub(super) fn no_source(
    program: &Program,
    error: std::io::Error,
    feature: &'static str,
    target: &str,
) -> Error {
    if error.kind() == std::io::ErrorKind::NotFound {
        return Error::unsupported(program.subject(), feature, Some("4.17"), None);
    }
    Error::io(program.subject(), format!("attach to {target}"), error)
}

/// A probe that is to be made in tracefs.
pub(super) struct Event<'a> {
    pub(super) list: EventList,
    pub(super) place: &'a str,
    pub(super) at_return: bool,
}

impl Event<'_> {
    pub(super) fn attach(
        self,
        program: &Program,
        scope: perf::Scope<'_>,
        cookie: u64,
        target: String,
    ) -> Result<Link> {
        let failed = |source: std::io::Error| {
            let missing = source.kind() == std::io::ErrorKind::NotFound;
            let error = Error::io(
                program.subject(),
                format!("make a probe in tracefs of {target}"),
                source,
            );
            if missing {
                error.with_hint("the kernel must be built with CONFIG_KPROBE_EVENTS or CONFIG_UPROBE_EVENTS")
            } else {
                error
            }
        };
        let event = TracefsEvent::create(self.list, self.place, self.at_return).map_err(failed)?;
        let id = event.id().map_err(failed)?;
        let mut link = perf_event(
            program,
            &perf::Attr::tracepoint(id),
            scope,
            cookie,
            target.clone(),
        )?;
        link.keep_event(event);
        Ok(link.adapted(program, Measure::ProbeInTracefs))
    }
}

/// Attaches to the function of a system call, which has a prefix that depends on machine and kernel.
pub(super) fn attach_syscall(program: &Program, name: &str, options: KprobeOptions) -> Result<Link> {
    // Kernels with wrappers (most since 4.17) have the first, others the second.
    let wrapped = format!("__{}_sys_{name}", SYSCALL_PREFIX);
    match attach(program, &wrapped, options) {
        Err(error) if is_missing(&error) => attach(program, &format!("__se_sys_{name}"), options)
            .map_err(|second| if is_missing(&second) { error } else { second }),
        attached => attached,
    }
}

fn is_missing(error: &Error) -> bool {
    matches!(
        error.errno(),
        Some(bpfld_sys::Errno::ENOENT | bpfld_sys::Errno::EINVAL | bpfld_sys::Errno::EADDRNOTAVAIL)
    )
}

const SYSCALL_PREFIX: &str = if cfg!(target_arch = "x86_64") {
    "x64"
} else if cfg!(target_arch = "x86") {
    "ia32"
} else if cfg!(target_arch = "aarch64") {
    "arm64"
} else if cfg!(target_arch = "riscv64") {
    "riscv"
} else if cfg!(target_arch = "s390x") {
    "s390x"
} else if cfg!(target_arch = "powerpc64") {
    "powerpc64"
} else if cfg!(target_arch = "mips64") {
    "mips"
} else {
    "arm"
};
