//! What is done for kernels that lack something: every measure has a name, and is told by what was loaded or attached.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use bpfld_btf::BtfFeature;
use bpfld_features::Feature;
use bpfld_sys::Command;

use crate::error::Subject;

/// Writes the measures once: variant, documentation, what the kernel lacks, and words for people.
macro_rules! measures {
    ($($(#[doc = $doc:literal])* $variant:ident, $missing:expr, $words:literal;)*) => {
        /// Something done for a kernel that lacks a feature.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Measure {
            $($(#[doc = $doc])* $variant,)*
            /// The object's type information was rewritten without something; [`BtfFeature::remedy`] tells how.
            TypesRewritten(BtfFeature),
        }

        impl Measure {
            /// All measures.
            pub const ALL: &'static [Measure] = &[
                $(Measure::$variant,)*
                Measure::TypesRewritten(BtfFeature::Func),
                Measure::TypesRewritten(BtfFeature::Datasec),
                Measure::TypesRewritten(BtfFeature::GlobalFunc),
                Measure::TypesRewritten(BtfFeature::Float),
                Measure::TypesRewritten(BtfFeature::DeclTag),
                Measure::TypesRewritten(BtfFeature::TypeTag),
                Measure::TypesRewritten(BtfFeature::Enum64),
                Measure::TypesRewritten(BtfFeature::QuestionMark),
                Measure::TypesRewritten(BtfFeature::Layout),
            ];

            /// What the kernel lacks; nothing where it refused without a reason that has a name.
            #[must_use]
            pub fn missing(self) -> Option<Feature> {
                match self {
                    $(Measure::$variant => $missing,)*
                    Measure::TypesRewritten(feature) => Some(of_btf(feature)),
                }
            }

            /// What was done, in words.
            #[must_use]
            pub fn words(self) -> &'static str {
                match self {
                    $(Measure::$variant => $words,)*
                    Measure::TypesRewritten(feature) => feature.remedy(),
                }
            }
        }
    };
}

measures! {
    /// The name was left out (before Linux 4.15).
    NameOmitted, Some(Feature::Names), "made without its name";
    /// The map behind global variables was not made (before Linux 5.2); programs that use it do not load.
    GlobalDataOmitted, Some(Feature::GlobalData), "not made: the kernel has no global variables";
    /// The map cannot be mapped into memory (before Linux 5.5); global variables are read and written by system call.
    NotMapped, Some(Feature::ArrayMmap), "made without the flag to map it into memory";
    /// The map was made without the types of keys and values, which the kernel refused for it.
    MapTypesOmitted, None, "made without the types of its keys and values";
    /// The object's type information was not loaded (before Linux 4.18).
    TypesOmitted, Some(Feature::Btf), "not loaded: the kernel takes no type information";
    /// The program was loaded without function and line records (before Linux 5.0).
    RecordsOmitted, Some(Feature::BtfFunc), "loaded without function and line records";
    /// Functions with parameters tagged as context got copies with a parameter of the context's type (before Linux 6.8).
    ContextByType, Some(Feature::ArgCtx), "parameters tagged as context were given the type of the context";
    /// The expected attach type was left out where it is optional (before Linux 4.17).
    AttachTypeOmitted, Some(Feature::ExpectedAttachType), "loaded without its attach type";
    /// Calls of `bpf_probe_read_kernel` and `bpf_probe_read_user` became calls of `bpf_probe_read` (before Linux 5.5).
    ProbeRead, Some(Feature::ProbeReadKernel), "reads kernel and user memory by the older helpers";
    /// A program for static probes attaches to each place by itself (before Linux 6.6).
    SingleUprobes, Some(Feature::UprobeMulti), "will attach to each place by itself";
    /// The limit of locked memory was raised for this process (before Linux 5.11).
    MemlockRaised, Some(Feature::MemcgAccounting), "the limit of locked memory of this process was raised";
    /// The program was attached to a perf event by ioctl (before Linux 5.15).
    PerfEventByIoctl, Some(Feature::PerfLink), "attached to the perf event by ioctl, without a link";
    /// The program was attached by command (control groups before Linux 5.7, socket maps before 6.10).
    AttachedByCommand, Some(Feature::Command(Command::LINK_CREATE)), "attached by command, without a link";
    /// The probe was made in tracefs, under a name that goes with the link (before Linux 4.17, or without perf events for probes).
    ProbeInTracefs, None, "the probe was made in tracefs";
}

/// What a kernel must have to take something of BTF.
pub(crate) fn of_btf(feature: BtfFeature) -> Feature {
    match feature {
        BtfFeature::Func => Feature::BtfFunc,
        BtfFeature::Datasec => Feature::BtfDatasec,
        BtfFeature::GlobalFunc => Feature::BtfGlobalFunc,
        BtfFeature::Float => Feature::BtfFloat,
        BtfFeature::DeclTag => Feature::BtfDeclTag,
        BtfFeature::TypeTag => Feature::BtfTypeTag,
        BtfFeature::Enum64 => Feature::BtfEnum64,
        BtfFeature::QuestionMark => Feature::BtfOptionalDatasec,
        BtfFeature::Layout => Feature::BtfLayout,
        _ => Feature::Btf,
    }
}

/// A measure, and what it was taken for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Adaptation {
    /// The map, the program, the link, or the object's type information.
    pub subject: Subject,
    /// What was done.
    pub measure: Measure,
}

/// `map 'counts': made without its name (names: since Linux 4.15)`
impl fmt::Display for Adaptation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Adaptation { subject, measure } = self;
        write!(f, "{subject}: {}", measure.words())?;
        let Some(feature) = measure.missing() else {
            return Ok(());
        };
        match feature.since() {
            Some(since) => write!(f, " ({feature}: since Linux {since})"),
            None => write!(f, " ({feature})"),
        }
    }
}

/// Measures as they are taken, perhaps on several threads.
#[derive(Debug, Default)]
pub(crate) struct Adaptations {
    taken: Mutex<Vec<Adaptation>>,
}

impl Adaptations {
    /// Puts one down, once.
    pub(crate) fn note(&self, subject: Subject, measure: Measure) {
        let new = Adaptation { subject, measure };
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if !taken.contains(&new) {
            taken.push(new);
        }
    }

    /// All so far: what concerns the object first, then maps, then programs; otherwise in the order of taking.
    pub(crate) fn all(&self) -> Vec<Adaptation> {
        let mut all = self.taken.lock().unwrap_or_else(PoisonError::into_inner).clone();
        all.sort_by_key(|adaptation| match adaptation.subject {
            Subject::Object => 0,
            Subject::ObjectBtf => 1,
            Subject::Map(_) => 2,
            _ => 3,
        });
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_tell_what_is_missing() {
        let adaptation = Adaptation {
            subject: Subject::Map("counts".into()),
            measure: Measure::NameOmitted,
        };
        assert_eq!(
            adaptation.to_string(),
            "map 'counts': made without its name (names: since Linux 4.15)"
        );
        for measure in Measure::ALL {
            assert!(!measure.words().is_empty());
            if let Some(feature) = measure.missing() {
                assert!(feature.since().is_some(), "{feature}");
            }
        }
    }

    /// The crate below has numbers of its own, since it knows no kernel.
    #[test]
    fn releases_of_type_information_agree() {
        for feature in BtfFeature::ALL {
            let (major, minor) = feature.since();
            let ours = of_btf(feature).since();
            assert_eq!(
                ours,
                Some(bpfld_features::Release::new(major.into(), minor.into())),
                "{feature}"
            );
        }
    }

    #[test]
    fn a_measure_is_put_down_once() {
        let adaptations = Adaptations::default();
        let program = Subject::Program("p".into());
        adaptations.note(program.clone(), Measure::NameOmitted);
        adaptations.note(program, Measure::NameOmitted);
        adaptations.note(Subject::ObjectBtf, Measure::TypesOmitted);
        let taken: Vec<Measure> = adaptations.all().iter().map(|a| a.measure).collect();
        assert_eq!(taken, [Measure::TypesOmitted, Measure::NameOmitted]);
    }
}
