//! Attaching to many kernel functions through one link.

use std::ffi::CString;

use bpfld_sys::{AttachType, CStrAddress, KernelFunctions, KprobeMultiFlags, LinkKind, Target};

use super::{KprobeMulti, ProgramKind, pattern::matches, tracefs::Tracefs};
use crate::{
    Error, Link, Result,
    link::create::{c_string, link},
};

/// How a probe of many functions is attached, beside where.
#[derive(Clone, Copy, Debug, Default)]
pub struct MultiOptions<'a> {
    pub(super) at_return: bool,
    pub(super) cookies: &'a [u64],
    pub(super) process: Option<u32>,
    pub(super) counters: &'a [u64],
}

impl<'a> MultiOptions<'a> {
    /// At the entry of the functions, without cookies.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// When the functions return.
    #[must_use]
    pub fn at_return(mut self) -> Self {
        self.at_return = true;
        self
    }

    /// With a number for each function, in the same order, that the program gets from `bpf_get_attach_cookie`.
    #[must_use]
    pub fn cookies(mut self, cookies: &'a [u64]) -> Self {
        self.cookies = cookies;
        self
    }

    /// Only in one process. For user probes.
    #[must_use]
    pub fn process(mut self, id: u32) -> Self {
        self.process = Some(id);
        self
    }

    /// While attached, adds one to 16-bit numbers at these offsets in the file, one for each place, 0 for none. For user
    /// probes.
    #[must_use]
    pub fn counters(mut self, file_offsets: &'a [u64]) -> Self {
        self.counters = file_offsets;
        self
    }
}

/// The functions, as the kernel is told.
#[derive(Clone, Copy, Debug)]
enum Functions<'a> {
    Names(&'a [&'a str]),
    Addresses(&'a [u64]),
}

impl Functions<'_> {
    fn len(&self) -> usize {
        match self {
            Functions::Names(names) => names.len(),
            Functions::Addresses(addresses) => addresses.len(),
        }
    }
}

impl KprobeMulti {
    /// Attaches to kernel functions by name (5.18). A program loaded for sessions (6.10) runs at entry and return of each.
    ///
    /// # Errors
    ///
    /// When one of the functions does not exist, exists twice or cannot be traced; and when there are not as many cookies.
    pub fn attach(&self, functions: &[&str], options: MultiOptions<'_>) -> Result<Link> {
        let target = match functions {
            [function] => format!("kernel function {function}"),
            _ => format!("{} kernel functions", functions.len()),
        };
        self.attach_to(Functions::Names(functions), options, target)
    }

    /// Attaches to kernel functions by address (5.18).
    ///
    /// # Errors
    ///
    /// As [`attach`](Self::attach).
    pub fn attach_addresses(&self, addresses: &[u64], options: MultiOptions<'_>) -> Result<Link> {
        self.attach_to(
            Functions::Addresses(addresses),
            options,
            format!("{} kernel functions", addresses.len()),
        )
    }

    /// Attaches to all kernel functions that match a pattern, in which `*` stands for any text and `?` for any character.
    ///
    /// # Errors
    ///
    /// When none matches, or the list of functions (`available_filter_functions` of tracefs) cannot be read.
    pub fn attach_matching(&self, pattern: &str, options: MultiOptions<'_>) -> Result<Link> {
        if !pattern.contains(['*', '?']) {
            return self.attach(&[pattern], options);
        }
        let failed = |source| {
            Error::io(
                self.program().subject(),
                "read the list of functions that can be traced",
                source,
            )
        };
        let tracefs = Tracefs::open().map_err(failed)?;
        let target = format!("kernel functions {pattern}");
        let none = || {
            Error::not_found(
                self.program().subject(),
                format!("kernel function '{pattern}' to trace"),
            )
        };
        // Names may be ambiguous, addresses are not; the list with addresses came with 6.5.
        if let Ok(list) = tracefs.read("available_filter_functions_addrs") {
            let addresses = addresses(&list, pattern);
            if addresses.is_empty() {
                return Err(none());
            }
            return self.attach_to(Functions::Addresses(&addresses), options, target);
        }
        let list = tracefs.read("available_filter_functions").map_err(failed)?;
        let names = names(&list, pattern);
        if names.is_empty() {
            return Err(none());
        }
        self.attach_to(Functions::Names(&names), options, target)
    }

    fn attach_to(&self, functions: Functions<'_>, options: MultiOptions<'_>, target: String) -> Result<Link> {
        let MultiOptions {
            at_return,
            cookies,
            process,
            counters,
        } = options;
        let subject = || self.program().subject();
        if !cookies.is_empty() && cookies.len() != functions.len() {
            return Err(Error::invalid(
                subject(),
                "there must be as many cookies as functions",
            ));
        }
        if process.is_some() || !counters.is_empty() {
            return Err(Error::invalid(
                subject(),
                "kernel functions have no reference counters and cannot be traced in one process only",
            ));
        }
        let flags = if at_return {
            KprobeMultiFlags::RETURN
        } else {
            KprobeMultiFlags::empty()
        };
        let attach_type = self
            .program()
            .attach_type()
            .unwrap_or(AttachType::TRACE_KPROBE_MULTI);
        let names: Vec<CString>;
        let addresses: Vec<CStrAddress<'_>>;
        let functions = match functions {
            Functions::Addresses(addresses) => KernelFunctions::Addresses(addresses),
            Functions::Names(functions) => {
                names = functions
                    .iter()
                    .map(|name| c_string(self.program(), name))
                    .collect::<Result<_>>()?;
                addresses = names.iter().map(|name| CStrAddress::new(name)).collect();
                KernelFunctions::Names(&addresses)
            }
        };
        let kind = LinkKind::KprobeMulti {
            functions,
            cookies,
            flags,
        };
        link(self.program(), Target::None, attach_type, kind, target)
    }
}

/// Addresses of lines `ADDRESS NAME [MODULE]` whose name matches.
fn addresses(list: &str, pattern: &str) -> Vec<u64> {
    let line = |line: &str| {
        let (address, name) = line.split_once(' ')?;
        let name = name.split_ascii_whitespace().next()?;
        let address = u64::from_str_radix(address, 16).ok()?;
        (matches(pattern, name) && address != 0 && is_function(name)).then_some(address)
    };
    let mut addresses: Vec<u64> = list.lines().filter_map(line).collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

/// Names of lines `NAME [MODULE]` that match and are there only once, as the kernel refuses others.
fn names<'a>(list: &'a str, pattern: &str) -> Vec<&'a str> {
    let mut names: Vec<&str> = list
        .lines()
        .filter_map(|line| line.split_ascii_whitespace().next())
        .filter(|name| matches(pattern, name) && is_function(name))
        .collect();
    names.sort_unstable();
    names
        .chunk_by(|a, b| a == b)
        .filter_map(|same| (same.len() == 1).then_some(same[0]))
        .collect()
}

/// The list has place holders for functions whose code is gone.
pub(super) fn is_function(name: &str) -> bool {
    !name.starts_with("__ftrace_invalid_address__")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_of_the_kernel_are_read() {
        let list = "ffffffff81000010 tcp_close\nffffffff81000020 tcp_open [tcp]\nffffffff81000010 tcp_close\n\
            ffffffff81000030 __ftrace_invalid_address___48\n0000000000000000 tcp_hidden\n";
        assert_eq!(
            addresses(list, "tcp_*"),
            [0xffff_ffff_8100_0010, 0xffff_ffff_8100_0020]
        );
        assert_eq!(addresses(list, "*").len(), 2);
        let list = "tcp_open [tcp]\ntcp_close\ninit_once\ninit_once [ext4]\n__ftrace_invalid_address___48\n";
        assert_eq!(names(list, "*"), ["tcp_close", "tcp_open"]);
    }
}
