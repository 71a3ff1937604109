//! Settings of the running system that decide who may use BPF, and how it runs.

use std::fs;
use std::path::Path;

use crate::{Config, ConfigValue};

/// Settings of the running system; what cannot be read is `None`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Settings {
    /// Who may use bpf(2) without capabilities.
    pub unprivileged: Option<Unprivileged>,
    /// Whether programs are compiled to machine code.
    pub jit: Option<Jit>,
    /// `net.core.bpf_jit_harden`: constants are blinded for 0 nobody, 1 unprivileged users, 2 everybody.
    pub jit_harden: Option<u64>,
    /// `net.core.bpf_jit_kallsyms`: whether compiled programs are in `/proc/kallsyms`.
    pub jit_kallsyms: Option<u64>,
    /// `net.core.bpf_jit_limit`: bytes of machine code for unprivileged users.
    pub jit_limit: Option<u64>,
    /// How far the kernel is locked down, and where that was read.
    pub lockdown: Option<(Lockdown, &'static str)>,
    /// The active security modules; with `bpf` among them, LSM programs run.
    pub lsm: Option<Vec<String>>,
}

/// Who may use bpf(2) without capabilities (`kernel.unprivileged_bpf_disabled`).
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Unprivileged {
    /// 0: everybody, for the few program types that are open to everybody.
    Allowed,
    /// 1: nobody, until the next boot.
    Never,
    /// 2: nobody, but an administrator can change it.
    Disabled,
}

/// Whether programs are compiled to machine code.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Jit {
    /// Programs are interpreted.
    Off,
    /// Programs are compiled.
    On,
    /// Programs are compiled, and the compiler's output goes to the kernel's log.
    Debug,
    /// The kernel has no interpreter.
    Always,
}

/// How far the kernel is locked down against its administrator.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lockdown {
    /// Not at all.
    None,
    /// The kernel cannot be changed: no writing to user memory from programs, no unsigned modules.
    Integrity,
    /// Also, secrets of the kernel cannot be read: no reading of kernel memory from programs.
    Confidentiality,
}

impl Settings {
    /// Read all settings of the running system anew.
    pub fn current() -> Settings {
        let config = Config::current();
        Settings {
            unprivileged: sysctl("kernel/unprivileged_bpf_disabled").and_then(Unprivileged::from_number),
            jit: jit(sysctl("net/core/bpf_jit_enable"), config),
            jit_harden: sysctl("net/core/bpf_jit_harden"),
            jit_kallsyms: sysctl("net/core/bpf_jit_kallsyms"),
            jit_limit: sysctl("net/core/bpf_jit_limit"),
            lockdown: Lockdown::current(config),
            lsm: modules(config),
        }
    }
}

impl Unprivileged {
    /// The meaning of the sysctl's number.
    pub fn from_number(number: u64) -> Option<Unprivileged> {
        match number {
            0 => Some(Unprivileged::Allowed),
            1 => Some(Unprivileged::Never),
            2 => Some(Unprivileged::Disabled),
            _ => None,
        }
    }

    /// The sysctl's number and what it says, for people.
    pub fn describe(self) -> &'static str {
        match self {
            Unprivileged::Allowed => "allowed (0)",
            Unprivileged::Never => "disabled until the next boot (1)",
            Unprivileged::Disabled => "disabled (2)",
        }
    }
}

impl Jit {
    /// One word or two, for people.
    pub fn describe(self) -> &'static str {
        match self {
            Jit::Off => "off",
            Jit::On => "on",
            Jit::Debug => "on, with debug output",
            Jit::Always => "always on",
        }
    }
}

impl Lockdown {
    /// Read the kernel's own form, which marks the level in force: `none [integrity] confidentiality`.
    pub fn parse(text: &str) -> Option<Lockdown> {
        let marked = text.split_once('[')?.1.split_once(']')?.0;
        Lockdown::from_name(marked)
    }

    /// The kernel's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Lockdown::None => "none",
            Lockdown::Integrity => "integrity",
            Lockdown::Confidentiality => "confidentiality",
        }
    }

    fn from_name(name: &str) -> Option<Lockdown> {
        [Lockdown::None, Lockdown::Integrity, Lockdown::Confidentiality]
            .into_iter()
            .find(|l| l.name() == name)
    }

    /// The level in force. Where securityfs is not mounted: what the kernel was built or started with, which is the least
    /// that can be in force.
    fn current(config: Option<&Config>) -> Option<(Lockdown, &'static str)> {
        const FILE: &str = "/sys/kernel/security/lockdown";
        if let Ok(text) = fs::read_to_string(FILE) {
            return Some((Lockdown::parse(&text)?, FILE));
        }
        let config = config?;
        if config.is_on("CONFIG_LOCK_DOWN_KERNEL_FORCE_CONFIDENTIALITY") {
            return Some((Lockdown::Confidentiality, "kernel configuration"));
        }
        let started = fs::read_to_string("/proc/cmdline").ok()?;
        let started = started
            .split_whitespace()
            .filter_map(|word| word.strip_prefix("lockdown="));
        let started = started.filter_map(Lockdown::from_name).max();
        if config.is_on("CONFIG_LOCK_DOWN_KERNEL_FORCE_INTEGRITY") && started < Some(Lockdown::Integrity) {
            return Some((Lockdown::Integrity, "kernel configuration"));
        }
        match started {
            Some(level) => Some((level, "kernel command line")),
            None if config.is_on("CONFIG_SECURITY_LOCKDOWN_LSM") => None, // could have been raised since
            None => Some((Lockdown::None, "kernel configuration")),
        }
    }
}

/// The state of the compiler, from its sysctl and the configuration.
fn jit(sysctl: Option<u64>, config: Option<&Config>) -> Option<Jit> {
    match sysctl {
        _ if config.is_some_and(|c| c.is_on("CONFIG_BPF_JIT_ALWAYS_ON")) => Some(Jit::Always),
        Some(0) => Some(Jit::Off),
        Some(1) => Some(Jit::On),
        Some(2) => Some(Jit::Debug),
        _ => config.filter(|c| !c.is_on("CONFIG_BPF_JIT")).map(|_| Jit::Off),
    }
}

/// The security modules: as securityfs says, else as the command line or the configuration orders.
fn modules(config: Option<&Config>) -> Option<Vec<String>> {
    let list = |text: &str| text.trim().split(',').map(str::to_owned).collect();
    if let Ok(text) = fs::read_to_string("/sys/kernel/security/lsm") {
        return Some(list(&text));
    }
    let cmdline = fs::read_to_string("/proc/cmdline").unwrap_or_default();
    if let Some(text) = cmdline
        .split_whitespace()
        .rev()
        .find_map(|word| word.strip_prefix("lsm="))
    {
        return Some(list(text));
    }
    match config?.get("CONFIG_LSM")? {
        ConfigValue::Text(text) => Some(list(text)),
        _ => None,
    }
}

/// A number below `/proc/sys`.
fn sysctl(name: &str) -> Option<u64> {
    fs::read_to_string(Path::new("/proc/sys").join(name))
        .ok()?
        .trim()
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marked_level_of_lockdown_counts() {
        assert_eq!(
            Lockdown::parse("none [integrity] confidentiality\n"),
            Some(Lockdown::Integrity)
        );
        assert_eq!(
            Lockdown::parse("[none] integrity confidentiality\n"),
            Some(Lockdown::None)
        );
        assert_eq!(
            Lockdown::parse("none integrity [confidentiality]"),
            Some(Lockdown::Confidentiality)
        );
        for text in ["", "[", "none", "[other]", "]none["] {
            assert_eq!(Lockdown::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_kernel_without_interpreter_always_compiles() {
        let always = Config::parse("CONFIG_BPF_JIT=y\nCONFIG_BPF_JIT_ALWAYS_ON=y\n");
        let without = Config::parse("CONFIG_BPF_SYSCALL=y\n");
        assert_eq!(jit(Some(1), Some(&always)), Some(Jit::Always));
        assert_eq!(jit(None, Some(&always)), Some(Jit::Always));
        assert_eq!(jit(Some(1), None), Some(Jit::On));
        assert_eq!(jit(None, Some(&without)), Some(Jit::Off));
        assert_eq!(jit(None, None), None);
    }

    #[test]
    fn settings_of_this_system_can_be_read() {
        let _ = Settings::current();
    }
}
