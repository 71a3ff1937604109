//! Attaching to perf events.

use bpfld_sys::perf;

use super::{PerfEvent, ProgramKind};
use crate::{
    Error, Link, Result,
    link::create::{on_perf_event, perf_event},
};

impl PerfEvent {
    /// Opens a perf event and runs the program each time it fires (4.9).
    ///
    /// An event is of one CPU or one process: to sample the whole machine, attach once for each CPU.
    ///
    /// ```no_run
    /// use bpfld::perf::{Attr, Scope};
    /// use bpfld_sys::PerfSoftware;
    ///
    /// # fn example(sample: bpfld::PerfEvent) -> Result<(), bpfld::Error> {
    /// let clock = Attr::software(PerfSoftware::CPU_CLOCK).frequency(99);
    /// let links = (0..4).map(|cpu| sample.attach(&clock, Scope::Cpu(cpu)));
    /// let links: Vec<bpfld::Link> = links.collect::<Result<_, _>>()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When the event cannot be opened (ENOENT for one that the machine lacks, EACCES without CAP_PERFMON), or the kernel refuses.
    pub fn attach(&self, event: &perf::Attr<'_>, scope: perf::Scope<'_>) -> Result<Link> {
        self.attach_with_cookie(event, scope, 0)
    }

    /// As [`attach`](Self::attach), with a number that the program gets from `bpf_get_attach_cookie` (5.15).
    ///
    /// # Errors
    ///
    /// As [`attach`](Self::attach).
    pub fn attach_with_cookie(
        &self,
        event: &perf::Attr<'_>,
        scope: perf::Scope<'_>,
        cookie: u64,
    ) -> Result<Link> {
        perf_event(self.program(), event, scope, cookie, String::from("perf event"))
    }

    /// Opens a perf event on each CPU that is there now, and runs the program each time one fires: all of it one link.
    ///
    /// # Errors
    ///
    /// As [`attach`](Self::attach).
    pub fn attach_on_all_cpus(&self, event: &perf::Attr<'_>) -> Result<Link> {
        let cpus = bpfld_sys::online_cpus()
            .map_err(|source| Error::io(self.program().subject(), "find the CPUs that are there", source))?;
        let one = |cpu| self.attach(event, perf::Scope::Cpu(cpu));
        let links = cpus.into_iter().map(one).collect::<Result<_>>()?;
        Ok(Link::of_many(links, String::from("perf event on all CPUs")))
    }

    /// Runs the program each time a perf event fires that is open already.
    ///
    /// # Errors
    ///
    /// As [`attach`](Self::attach).
    pub fn attach_to(&self, event: perf::PerfEvent, cookie: u64) -> Result<Link> {
        on_perf_event(self.program(), event, cookie, String::from("perf event"))
    }
}
