//! Attaching to tracepoints.

use bpfld_sys::perf;

use super::{ProgramKind, RawTracepoint, Tracepoint, tracefs};
use crate::{
    Error, Link, Result,
    link::create::{c_string, perf_event, raw_tracepoint},
};

impl Tracepoint {
    /// Attaches to a tracepoint by category and name, as listed in `events` of tracefs.
    ///
    /// ```no_run
    /// # fn example(count: bpfld::Tracepoint) -> Result<(), bpfld::Error> {
    /// let link = count.attach("sched", "sched_switch")?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When there is no such tracepoint, tracefs is not mounted or not readable, or the kernel refuses.
    pub fn attach(&self, category: &str, name: &str) -> Result<Link> {
        self.attach_with_cookie(category, name, 0)
    }

    /// As [`attach`](Self::attach), with a number that the program gets from `bpf_get_attach_cookie` (5.15).
    ///
    /// # Errors
    ///
    /// As [`attach`](Self::attach).
    pub fn attach_with_cookie(&self, category: &str, name: &str, cookie: u64) -> Result<Link> {
        let target = format!("tracepoint {category}/{name}");
        let id = tracefs::tracepoint_id(category, name).map_err(|source| {
            let missing = source.kind() == std::io::ErrorKind::NotFound;
            let error = Error::io(
                self.program().subject(),
                format!("find {target} in tracefs"),
                source,
            );
            if missing {
                error.with_hint("`events` of tracefs lists those of this kernel")
            } else {
                error
            }
        })?;
        perf_event(
            self.program(),
            &perf::Attr::tracepoint(id),
            perf::Scope::Cpu(0),
            cookie,
            target,
        )
    }
}

impl RawTracepoint {
    /// Attaches to a tracepoint by its name alone, as `sched_switch`.
    ///
    /// # Errors
    ///
    /// ENOENT when there is no such tracepoint, EINVAL for a program that reads more arguments than it has.
    pub fn attach(&self, name: &str) -> Result<Link> {
        self.attach_with_cookie(name, 0)
    }

    /// As [`attach`](Self::attach), with a number that the program gets from `bpf_get_attach_cookie` (6.10).
    ///
    /// # Errors
    ///
    /// As [`attach`](Self::attach).
    pub fn attach_with_cookie(&self, name: &str, cookie: u64) -> Result<Link> {
        let c_name = c_string(self.program(), name)?;
        raw_tracepoint(
            self.program(),
            Some(&c_name),
            cookie,
            format!("raw tracepoint {name}"),
        )
    }
}
