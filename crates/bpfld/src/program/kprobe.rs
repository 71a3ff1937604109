//! Attaching to places in kernel functions.

use bpfld_sys::perf;

use super::{Kprobe, Program, ProgramKind, tracefs::ProbeSource};
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
}

impl Kprobe {
    /// Attaches to the entry of a kernel function (4.17).
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

    /// Attaches to the return of a kernel function (4.17).
    ///
    /// # Errors
    ///
    /// As [`attach`](Self::attach).
    pub fn attach_return(&self, function: &str) -> Result<Link> {
        attach(self.program(), function, KprobeOptions::new().at_return())
    }

    /// Attaches to a kernel function as options say (4.17).
    ///
    /// # Errors
    ///
    /// As [`attach`](Self::attach).
    pub fn attach_with(&self, function: &str, options: KprobeOptions) -> Result<Link> {
        attach(self.program(), function, options)
    }

    /// Attaches to the entry of the function that carries out a system call, as `openat` (4.17).
    ///
    /// # Errors
    ///
    /// As [`attach`](Self::attach).
    pub fn attach_syscall(&self, name: &str) -> Result<Link> {
        attach_syscall(self.program(), name, KprobeOptions::new())
    }
}

pub(super) fn attach(program: &Program, function: &str, options: KprobeOptions) -> Result<Link> {
    let place = if options.at_return {
        "return of kernel function"
    } else {
        "kernel function"
    };
    let target = match options.offset {
        0 => format!("{place} {function}"),
        offset => format!("{place} {function}+{offset:#x}"),
    };
    let source = ProbeSource::read("kprobe").map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => Error::unsupported(
            program.subject(),
            "kernel probes as perf events (CONFIG_KPROBE_EVENTS)",
            Some("4.17"),
            None,
        ),
        _ => Error::io(program.subject(), format!("attach to {target}"), source),
    })?;
    let name = c_string(program, function)?;
    let attr = perf::Attr::kprobe(
        source.perf_type,
        source.config(options.at_return),
        &name,
        options.offset,
    );
    perf_event(program, &attr, perf::Scope::Cpu(0), options.cookie, target)
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
