//! Would it load elsewhere? What an object needs is held against what another kernel is known to have. Nothing is asked of the
//! kernel that runs, and nothing is made.

mod finding;
mod kernel;
mod map;
mod program;
mod reach;
mod references;

use std::sync::Arc;

use bpfld_features::Feature;
use bpfld_object::{Object, ProgramIndex};

pub use finding::{Check, Checked, Finding, Fit, Stage};
pub use kernel::OtherKernel;

use super::object_btf::{self, ObjectBtf};
use super::options::Loader;
use super::prepare::Prepared;
use crate::adaptation::Measure;
use crate::error::{Error, Subject};
use crate::kernel_btf::KernelBtf;
use crate::memlock::Memlock;
use map::Constants;

impl Loader {
    /// Tells whether an object would load on another kernel: which programs and maps would be refused and why, and what this
    /// loader would do to make it fit. Answers rest on the record of that kernel; with its types, CO-RE relocations, kernel
    /// functions and targets are resolved too. Code that constants make unreachable needs nothing.
    ///
    /// What only the verifier can tell is not known: "fits" says that nothing is missing.
    ///
    /// ```
    /// use bpfld::features::{Probes, Release};
    /// use bpfld::{Fit, Loader, Object, OtherKernel};
    ///
    /// # fn example(object: &Object) -> Result<(), bpfld::Error> {
    /// let kernel = OtherKernel::new(Probes::as_of(Release::new(5, 4)));
    /// let check = Loader::new().check(object, &kernel)?;
    /// if check.fit() == Fit::Refused {
    ///     for program in &check.programs {
    ///         for finding in &program.findings {
    ///             println!("{}: {}", program.subject, finding.reason);
    ///         }
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`prepare`](Loader::prepare).
    pub fn check(&self, object: &Object, kernel: &OtherKernel) -> Result<Check, Error> {
        let mut prepared = self.prepare(object)?;
        prepared.probes = kernel.probes.clone();
        if let Some(btf) = &kernel.btf {
            let types = KernelBtf::elsewhere(Arc::clone(btf), &kernel.modules);
            prepared.assume(Arc::new(types));
        }
        let checker = Checker {
            constants: Constants::new(&prepared, kernel),
            prepared,
            kernel,
        };
        checker.run().map_err(|error| error.in_object(object.name()))
    }
}

/// An object and a kernel.
struct Checker<'a> {
    prepared: Prepared<'a>,
    kernel: &'a OtherKernel,
    constants: Constants,
}

impl Checker<'_> {
    fn run(&self) -> Result<Check, Error> {
        let prepared = &self.prepared;
        let types = object_btf::foresee(&prepared.btf_request())?;
        let maps = self.maps();
        let programs = self.programs(&maps, &types);
        let counts = prepared.probes.probe(Feature::MemcgAccounting).is_no();
        if prepared.options.memlock == Memlock::Raise && counts {
            prepared.adaptations.note(Subject::Object, Measure::MemlockRaised);
        }
        Ok(Check {
            programs,
            maps,
            adaptations: prepared.adaptations.all(),
        })
    }

    /// All programs in the order of the object, then copies. Of alternatives, the first that is not refused is selected.
    fn programs(&self, maps: &[Checked], types: &ObjectBtf) -> Vec<Checked> {
        let prepared = &self.prepared;
        let mut done = Vec::new();
        for group in prepared.groups() {
            let first = done.len();
            let mut is_chosen = false;
            for wanted in group {
                let checked = self.program(wanted, !is_chosen, maps, types);
                is_chosen |= checked.fit() != Fit::Refused;
                done.push((wanted, checked));
            }
            let group = done.get_mut(first..).unwrap_or_default();
            let chosen = group.iter().rposition(|(_, checked)| checked.selected);
            for (position, (_, checked)) in group.iter_mut().enumerate() {
                checked.selected = Some(position) == chosen;
            }
        }
        let all = (0..prepared.object.programs().len()).map(|index| ProgramIndex(index as u32));
        for wanted in all.filter_map(|index| prepared.wanted(index)) {
            if !done
                .iter()
                .any(|(known, _)| known.index == wanted.index && !known.is_copy)
            {
                done.push((wanted, self.program(wanted, false, maps, types)));
            }
        }
        done.sort_by_key(|(wanted, _)| (wanted.is_copy, wanted.index));
        done.into_iter().map(|(_, checked)| checked).collect()
    }
}
