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

use super::object_btf;
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
            prepared.assume(Arc::new(KernelBtf::elsewhere(Arc::clone(btf))));
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
        let selected = prepared.selected();
        let programs = prepared.object.programs().iter().enumerate();
        let programs = programs.map(|(index, program)| {
            let index = ProgramIndex(index as u32);
            let checked = Checked {
                subject: Subject::Program(program.name.to_string()),
                selected: selected.contains(&index),
                findings: Vec::new(),
            };
            self.program(checked, index, program, &maps, &types)
        });
        let programs = programs.collect();
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
}
