//! What speaks against an object on a kernel.

use std::borrow::Cow;
use std::fmt;

use bpfld_features::{Answer, Feature};

use crate::adaptation::Adaptation;
use crate::error::Subject;

/// Whether something fits a kernel, from the best to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fit {
    /// Nothing is known that would be missing. The verifier has the last word.
    Fits,
    /// Something is needed of which it is not known whether the kernel has it.
    Unknown,
    /// The kernel lacks something that is needed.
    Refused,
}

/// When the kernel would notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// When the object is loaded.
    Load,
    /// When the program is attached as its section name says.
    Attach,
}

/// Something that speaks against a program or map.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// When it would be noticed.
    pub stage: Stage,
    /// [`Fit::Unknown`] or [`Fit::Refused`].
    pub fit: Fit,
    /// What is missing, if that has a name.
    pub feature: Option<Feature>,
    /// The same in words, with the first release that has it, where there is one.
    pub reason: Cow<'static, str>,
}

/// A program or map, held against a kernel.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Checked {
    /// Which.
    pub subject: Subject,
    /// Whether loading the object loads it. Of [alternatives](crate::Loader::first_of) that is the first that is not refused.
    pub selected: bool,
    /// All that speaks against it; nothing if nothing does.
    pub findings: Vec<Finding>,
}

/// An object held against a kernel, see [`Loader::check`](crate::Loader::check).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Check {
    /// The programs, in the order of the object, then [copies](crate::Loader::copy).
    pub programs: Vec<Checked>,
    /// The maps, in the order of the object.
    pub maps: Vec<Checked>,
    /// What the loader would do for this kernel, for all that it loads, where it comes to that.
    pub adaptations: Vec<Adaptation>,
}

impl Check {
    /// Whether the object as a whole would load: the worst of all that is selected.
    #[must_use]
    pub fn fit(&self) -> Fit {
        let all = self.programs.iter().chain(&self.maps);
        let selected = all.filter(|checked| checked.selected);
        selected.map(Checked::fit).max().unwrap_or(Fit::Fits)
    }

    /// One of the programs.
    #[must_use]
    pub fn program(&self, name: &str) -> Option<&Checked> {
        let is_wanted =
            |checked: &&Checked| matches!(&checked.subject, Subject::Program(found) if found == name);
        self.programs.iter().find(is_wanted)
    }
}

impl Checked {
    /// Whether it would load.
    #[must_use]
    pub fn fit(&self) -> Fit {
        self.at(Stage::Load)
    }

    /// Whether it would get past a stage.
    #[must_use]
    pub fn at(&self, stage: Stage) -> Fit {
        let findings = self.findings.iter().filter(|finding| finding.stage == stage);
        findings.map(|finding| finding.fit).max().unwrap_or(Fit::Fits)
    }

    pub(super) fn note(&mut self, finding: Finding) {
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    /// Refused when loaded, for a reason without a feature.
    pub(super) fn refuse(&mut self, reason: impl Into<Cow<'static, str>>) {
        self.plain(Fit::Refused, reason);
    }

    /// Not known, for a reason without a feature.
    pub(super) fn doubt(&mut self, reason: impl Into<Cow<'static, str>>) {
        self.plain(Fit::Unknown, reason);
    }

    fn plain(&mut self, fit: Fit, reason: impl Into<Cow<'static, str>>) {
        self.note(Finding {
            stage: Stage::Load,
            fit,
            feature: None,
            reason: reason.into(),
        });
    }

    /// Needs a feature that the kernel gives this answer about; `what` it is, in words.
    pub(super) fn need(&mut self, stage: Stage, feature: Feature, answer: &Answer, what: impl fmt::Display) {
        let since = feature.since().map(|since| format!(" (since Linux {since})"));
        let since = since.unwrap_or_default();
        let (fit, reason) = match answer {
            Answer::Yes => return,
            Answer::No(_) => (Fit::Refused, format!("no {what}{since}")),
            Answer::Unknown(evidence) => (Fit::Unknown, format!("{what}{since}: {evidence}")),
        };
        self.note(Finding {
            stage,
            fit,
            feature: Some(feature),
            reason: reason.into(),
        });
    }
}

/// `fits`, `unknown` or `refused`.
impl fmt::Display for Fit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Fits => "fits",
            Self::Unknown => "unknown",
            Self::Refused => "refused",
        })
    }
}

/// `load` or `attach`.
impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Load => "load",
            Self::Attach => "attach",
        })
    }
}
