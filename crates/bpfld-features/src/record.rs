//! All answers about a kernel as one JSON object, to be kept and loaded again: "pretend to be that kernel".
//!
//! The form is stable: `version` is 1; members are only ever added. See [`Record`] for what they mean.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use bpfld_insn::Helper;
use bpfld_sys::ProgramType;
use serde::{Deserialize, Serialize};

use crate::{
    Answer, Capabilities, Config, Feature, FsType, Group, Kfuncs, Lockdown, Mounts, Probes, Release,
    Settings, in_initial_user_namespace,
};

mod configuration;
mod parts;

pub use parts::{Kernel, Process, Row, SystemSettings};

/// The number of the form.
const FORMAT: u32 = 1;

/// What programs of every type that was asked for may call.
const EVERY: &str = "every";

/// What a kernel can do, as `bpfld features --output json` prints it.
///
/// ```
/// use bpfld_features::{Feature, Record};
///
/// let json = r#"{"version":1,"kernel":{"release":"5.10.0"},"features":[{"name":"btf","answer":"yes"}]}"#;
/// let record = Record::from_json(json)?;
/// let probes = record.probes();
/// assert!(probes.has(Feature::Btf));
/// assert_eq!(probes.probe(Feature::Names).word(), "unknown");
/// # Ok::<(), bpfld_features::RecordError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Record {
    /// Of this form of JSON: 1.
    pub version: u32,
    /// Which kernel it was.
    pub kernel: Kernel,
    /// What the process was allowed that asked.
    #[serde(default)]
    pub process: Process,
    /// Settings of the system.
    #[serde(default)]
    pub system: SystemSettings,
    /// Where file systems are mounted; null: nowhere.
    #[serde(default)]
    pub mounts: BTreeMap<String, Option<String>>,
    /// Options of the kernel's configuration that matter for BPF, those that are set.
    #[serde(default)]
    pub config: BTreeMap<String, String>,
    /// Whether the configuration could be read: what is not among the options is then off.
    #[serde(default)]
    pub config_source: Option<String>,
    /// Every feature but helpers, in the order of the table.
    pub features: Vec<Row>,
    /// By program type the names of the helpers that such programs may call, beside those under `every`, which programs of all the types
    /// listed may call. From types that the kernel does not have nothing can be called.
    #[serde(default)]
    pub helpers: BTreeMap<String, BTreeSet<String>>,
    /// By program type why it cannot be told what such programs may call.
    #[serde(default)]
    pub helpers_unknown: BTreeMap<String, String>,
    /// By name of a kernel function the types of programs that may call it; only where asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kfuncs: Option<BTreeMap<String, Vec<String>>>,
    /// The types of programs that were asked about kernel functions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kfuncs_asked: Option<Vec<String>>,
}

/// Why a text is no record.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// It is not JSON, or not of this form.
    #[error("not a record of features")]
    Json(#[from] serde_json::Error),
    /// It is of a form that this build does not know.
    #[error("a record of version {0}, this build knows {FORMAT}")]
    Format(u32),
    /// It says something else than yes, no or unknown.
    #[error("the answer to {feature} is {answer:?}, neither yes nor no nor unknown")]
    Answer {
        /// Which feature.
        feature: String,
        /// What it says.
        answer: String,
    },
}

impl Record {
    /// Ask the running kernel about everything but kernel functions. Takes a few thousand system calls.
    pub fn of_running_kernel() -> Record {
        let release = Release::current();
        let (helpers, others): (Vec<Group>, Vec<Group>) =
            Group::ALL.iter().partition(|group| **group == Group::Helpers);
        let all =
            |groups: Vec<Group>| -> Vec<Feature> { groups.into_iter().flat_map(Group::features).collect() };
        let (helpers, others) = (all(helpers), all(others));
        let probes = Probes::live();
        let rows = others.iter().zip(probes.probe_all(&others));
        let mut record = Record {
            version: FORMAT,
            kernel: Kernel {
                release: release.map(|release| release.to_string()),
                name: fs::read_to_string("/proc/sys/kernel/osrelease")
                    .ok()
                    .map(|name| name.trim().to_owned()),
                machine: Some(std::env::consts::ARCH.to_owned()),
                version_code: release.map(Release::version_code),
            },
            process: Process {
                capabilities: Capabilities::effective()
                    .map(|set| set.iter().map(|c| c.to_string()).collect()),
                initial_user_namespace: in_initial_user_namespace(),
            },
            system: Settings::current().into(),
            features: rows
                .map(|(feature, answer)| Row::new(*feature, &answer))
                .collect(),
            ..Record::default()
        };
        let mounts = Mounts::current().unwrap_or_default();
        for kind in FsType::ALL {
            let path = mounts.find(kind).map(|path| path.display().to_string());
            record.mounts.insert(kind.name().to_owned(), path);
        }
        if let Some(config) = Config::current() {
            record.config_source = config.path().map(|path| path.display().to_string());
            record.config = configuration::recorded(config);
        }
        record.note_helpers(&helpers, &probes.probe_all(&helpers));
        record
    }

    fn note_helpers(&mut self, features: &[Feature], answers: &[Answer]) {
        let mut unknown: BTreeMap<ProgramType, String> = BTreeMap::new();
        let mut callable: BTreeMap<ProgramType, BTreeSet<String>> = BTreeMap::new();
        for (feature, answer) in features.iter().zip(answers) {
            let Feature::Helper(program, helper) = *feature else {
                continue;
            };
            match answer {
                Answer::Yes => {
                    callable.entry(program).or_default().insert(helper.to_string());
                }
                Answer::No(_) => {
                    callable.entry(program).or_default();
                }
                Answer::Unknown(evidence) => {
                    unknown.entry(program).or_insert_with(|| evidence.to_string());
                }
            }
        }
        callable.retain(|program, _| !unknown.contains_key(program));
        // Types that this kernel does not have are left out: nothing can be called from them.
        callable.retain(|_, names| !names.is_empty());
        let every = callable
            .values()
            .cloned()
            .reduce(|a, b| &a & &b)
            .unwrap_or_default();
        let own = callable
            .iter()
            .map(|(program, names)| (program.to_string(), names - &every));
        self.helpers = own.collect();
        self.helpers.insert(EVERY.to_owned(), every);
        self.helpers_unknown = unknown
            .into_iter()
            .map(|(program, why)| (program.to_string(), why))
            .collect();
    }

    /// Put in which kernel functions programs may call.
    pub fn set_kfuncs(&mut self, kfuncs: &Kfuncs) {
        let names = |kinds: &[ProgramType]| kinds.iter().map(|kind| kind.to_string()).collect::<Vec<_>>();
        let functions = kfuncs.functions.iter();
        self.kfuncs = Some(
            functions
                .map(|(name, callers)| (name.clone(), names(callers)))
                .collect(),
        );
        self.kfuncs_asked = Some(names(&kfuncs.asked));
    }

    /// The kernel functions, if they were asked for.
    pub fn kfuncs(&self) -> Option<Kfuncs> {
        let kinds = |names: &[String]| {
            names
                .iter()
                .filter_map(|name| name.parse().ok())
                .collect::<Vec<_>>()
        };
        let functions = self.kfuncs.as_ref()?.iter();
        Some(Kfuncs {
            asked: kinds(self.kfuncs_asked.as_deref().unwrap_or_default()),
            functions: functions
                .map(|(name, callers)| (name.clone(), kinds(callers)))
                .collect(),
        })
    }

    /// Load what [`to_json`](Self::to_json) wrote, of this build or another. Features that this build does not know are kept as they are.
    ///
    /// # Errors
    ///
    /// It is not JSON, not a record, of a later format, or gives an answer that is none.
    pub fn from_json(json: &str) -> Result<Record, RecordError> {
        let record: Record = serde_json::from_str(json)?;
        if record.version != FORMAT {
            return Err(RecordError::Format(record.version));
        }
        match record.features.iter().find(|row| row.plain_answer().is_none()) {
            Some(row) => Err(RecordError::Answer {
                feature: row.name.clone(),
                answer: row.answer.clone(),
            }),
            None => Ok(record),
        }
    }

    /// One line of JSON.
    ///
    /// # Errors
    ///
    /// None that are known.
    pub fn to_json(&self) -> Result<String, RecordError> {
        Ok(serde_json::to_string(self)?)
    }

    /// The answers, to be asked instead of the running kernel.
    pub fn probes(&self) -> Probes {
        let rows = self
            .features
            .iter()
            .filter_map(|row| Some((row.name.parse().ok()?, row.plain_answer()?)));
        Probes::recorded(rows.chain(self.helper_answers()))
    }

    fn helper_answers(&self) -> impl Iterator<Item = (Feature, Answer)> {
        let all = |program, answer: &dyn Fn(Helper) -> Answer| -> Vec<_> {
            let answers = Helper::ALL.iter();
            answers
                .map(|helper| (Feature::Helper(program, *helper), answer(*helper)))
                .collect()
        };
        let lists =
            |name: &str, helper: &str| self.helpers.get(name).is_some_and(|names| names.contains(helper));
        let missing: BTreeSet<&str> = self
            .features
            .iter()
            .filter(|row| row.answer == "no")
            .map(|row| row.name.as_str())
            .collect();
        let mut answers = Vec::new();
        for &program in ProgramType::ALL {
            let name = program.to_string();
            if let Some(why) = self.helpers_unknown.get(&name) {
                answers.extend(all(program, &|_| Answer::unknown(why.clone())));
            } else if self.helpers.contains_key(&name) {
                answers.extend(all(program, &|helper| {
                    let helper = helper.to_string();
                    match lists(EVERY, &helper) || lists(&name, &helper) {
                        true => Answer::Yes,
                        false => Answer::no("recorded: such programs could not call it"),
                    }
                }));
            } else if missing.contains(Feature::ProgramType(program).name().as_str()) {
                answers.extend(all(program, &|_| {
                    Answer::no("recorded: there were no such programs")
                }));
            }
        }
        answers.into_iter()
    }

    /// The release of the kernel, if it is known.
    pub fn release(&self) -> Option<Release> {
        self.kernel
            .release
            .as_deref()
            .and_then(|release| release.parse().ok())
    }

    /// The part of the configuration that is recorded, as a configuration to ask; nothing if it could not be read.
    pub fn config(&self) -> Option<Config> {
        self.config_source.as_ref()?;
        let lines = self
            .config
            .iter()
            .map(|(name, value)| format!("{name}={value}\n"));
        Some(Config::parse(lines.collect::<String>()))
    }

    /// How far the kernel was locked down, if it is known.
    pub fn lockdown(&self) -> Option<Lockdown> {
        let word = self.system.lockdown.as_deref()?;
        [Lockdown::None, Lockdown::Integrity, Lockdown::Confidentiality]
            .into_iter()
            .find(|level| level.name() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_says_what_the_kernel_said() {
        crate::raise_memlock_for_tests();
        let mut record = Record::of_running_kernel();
        let kfuncs = Kfuncs {
            asked: vec![ProgramType::XDP],
            functions: BTreeMap::from([("bpf_f".to_owned(), vec![ProgramType::XDP])]),
        };
        record.set_kfuncs(&kfuncs);
        let json = record.to_json().unwrap();
        let again = Record::from_json(&json).unwrap();
        assert_eq!(again, record);
        assert_eq!(again.kfuncs(), Some(kfuncs));
        let (recorded, live) = (again.probes(), Probes::live());
        for feature in Group::ALL.iter().flat_map(|group| group.features()) {
            let (recorded, live) = (recorded.probe(feature), live.probe(feature));
            assert_eq!(recorded.word(), live.word(), "{feature}: {live}");
            if feature.group() != Group::Helpers {
                assert_eq!(recorded.to_string(), live.to_string(), "{feature}");
            }
        }
        assert_eq!(again.release(), Release::current().map(|r| Release { ..r }));
        for option in Group::ALL
            .iter()
            .filter(|group| **group != Group::Helpers)
            .flat_map(|group| group.features())
            .flat_map(Feature::options)
        {
            assert!(
                configuration::OPTIONS.contains(option),
                "{option} is not recorded"
            );
        }
    }

    #[test]
    fn what_is_no_record_is_refused() {
        for text in [
            "",
            "{}",
            "[]",
            r#"{"version":1}"#,
            r#"{"version":1,"kernel":{},"features":[{"name":"btf"}]}"#,
        ] {
            assert!(
                matches!(Record::from_json(text), Err(RecordError::Json(_))),
                "{text}"
            );
        }
        let later = r#"{"version":2,"kernel":{},"features":[]}"#;
        assert!(matches!(Record::from_json(later), Err(RecordError::Format(2))));
        let maybe = r#"{"version":1,"kernel":{},"features":[{"name":"btf","answer":"maybe"}]}"#;
        assert!(matches!(
            Record::from_json(maybe),
            Err(RecordError::Answer { .. })
        ));
        let unknown =
            r#"{"version":1,"kernel":{},"features":[{"name":"of_the_future","answer":"yes"}],"new":1}"#;
        assert!(Record::from_json(unknown).is_ok());
    }
}
