//! The members of a record.

use bpfld_sys::Errno;
use serde::{Deserialize, Serialize};

use crate::{Answer, Evidence, Feature, Jit, Settings, Unprivileged};

/// Which kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Kernel {
    /// The release of its sources, such as `6.1.192`.
    pub release: Option<String>,
    /// As `uname -r` says.
    pub name: Option<String>,
    /// The architecture, such as `x86_64`.
    pub machine: Option<String>,
    /// What `LINUX_KERNEL_VERSION` is in programs.
    pub version_code: Option<u32>,
}

/// What the process was allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Process {
    /// Its effective capabilities, by name.
    pub capabilities: Option<Vec<String>>,
    /// Whether they counted for BPF.
    pub initial_user_namespace: Option<bool>,
}

/// Settings of the system, in words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct SystemSettings {
    /// Who may use bpf(2) without capabilities.
    pub unprivileged: Option<String>,
    /// Whether programs are compiled.
    pub jit: Option<String>,
    /// Whom constants are blinded for.
    pub jit_harden: Option<u64>,
    /// Whether compiled programs are listed as symbols.
    pub jit_kallsyms: Option<u64>,
    /// Bytes of compiled programs for unprivileged users.
    pub jit_limit: Option<u64>,
    /// How far the kernel is locked down.
    pub lockdown: Option<String>,
    /// Where that was read.
    pub lockdown_source: Option<String>,
    /// The active security modules.
    pub lsm: Option<Vec<String>>,
}

/// One feature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Row {
    /// As [`Feature::name`] says.
    pub name: String,
    /// `yes`, `no` or `unknown`.
    pub answer: String,
    /// Name of the error behind a "no" or "unknown".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errno: Option<String>,
    /// How that was found, or what would be needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub how: Option<String>,
    /// The first release that has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
}

impl Row {
    pub(super) fn new(feature: Feature, answer: &Answer) -> Row {
        let evidence = answer.evidence();
        Row {
            name: feature.name(),
            answer: answer.word().to_owned(),
            errno: evidence.and_then(|e| e.errno).map(|errno| format!("{errno:?}")),
            how: evidence.map(|e| e.how.to_string()),
            since: feature.since().map(|release| release.to_string()),
        }
    }

    /// The answer; nothing for a word that is none.
    pub fn plain_answer(&self) -> Option<Answer> {
        let evidence = || Evidence {
            errno: self.errno.as_deref().and_then(errno),
            how: self.how.clone().unwrap_or_default().into(),
        };
        match self.answer.as_str() {
            "yes" => Some(Answer::Yes),
            "no" => Some(Answer::No(evidence())),
            "unknown" => Some(Answer::Unknown(evidence())),
            _ => None,
        }
    }
}

/// The error of a name.
fn errno(name: &str) -> Option<Errno> {
    const HIGHEST: i32 = 530;
    (1..=HIGHEST).map(Errno).find(|errno| errno.name() == Some(name))
}

impl From<Settings> for SystemSettings {
    fn from(settings: Settings) -> SystemSettings {
        let Settings {
            unprivileged,
            jit,
            jit_harden,
            jit_kallsyms,
            jit_limit,
            lockdown,
            lsm,
        } = settings;
        SystemSettings {
            unprivileged: unprivileged.map(Unprivileged::describe).map(str::to_owned),
            jit: jit.map(Jit::describe).map(str::to_owned),
            jit_harden,
            jit_kallsyms,
            jit_limit,
            lockdown: lockdown.map(|(level, _)| level.name().to_owned()),
            lockdown_source: lockdown.map(|(_, source)| source.to_owned()),
            lsm,
        }
    }
}
