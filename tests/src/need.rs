//! What a test needs, and whether it may be skipped where that is missing.
//!
//! Skipping is the exception: it takes a reason that lies outside this project. A kernel that should have a feature and
//! has it not, as far as our probes can see, fails the test.

use std::{fs::OpenOptions, io::Write as _};

use bpfld_features::{
    Answer, Capabilities, Capability, Config, Evidence, Feature, Probes, Release, Settings,
};
use bpfld_sys::Errno;

/// Names the file that gets a line `TEST<tab>REASON` for each skipped test.
const ACCOUNT: &str = "BPFLD_TEST_SKIPS";

/// One thing a test cannot do without.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Need {
    /// Namespaces, mounts and all of bpf(2): root, in short.
    Root,
    /// An option of the kernel's configuration, such as `CONFIG_KPROBES`.
    Config(&'static str),
    /// Something that we can probe for.
    Feature(Feature),
    /// A release of the kernel, for what has no probe of its own.
    Linux(u16, u16),
}

impl From<Feature> for Need {
    fn from(feature: Feature) -> Need {
        Need::Feature(feature)
    }
}

/// Ends the test, as skipped, if something it needs is missing for a reason that is allowed.
///
/// ```
/// use bpfld_tests::{Need, require};
///
/// fn attaches_to_a_kernel_function() {
///     require!(Need::Root, Need::Config("CONFIG_KPROBES"));
///     // …
/// }
/// # attaches_to_a_kernel_function();
/// ```
///
/// A test that runs must leave nothing behind: see [`Leftovers`](crate::Leftovers). One that opens what other tests have, all links of the
/// system for example, begins with `require!(alone: …)`, and no other test of the process runs beside it.
///
/// The needs are looked at in order. Each skipped test says so on standard error, whatever becomes of its output, and adds
/// a line to the file that `BPFLD_TEST_SKIPS` names.
///
/// # Panics
///
/// If something is missing that the kernel should have.
#[macro_export]
macro_rules! require {
    (alone: $($need:expr),+ $(,)?) => {
        $crate::require!(@ watch_alone, $($need),+)
    };
    (@ $watch:ident, $($need:expr),+) => {
        // Goes when the test does, after all that the test has made.
        let _leftovers = {
            fn here() {}
            let needs = [$($crate::Need::from($need)),+];
            if let ::std::result::Result::Err(reason) = $crate::check_needs(&needs) {
                $crate::skip(::std::any::type_name_of_val(&here), &reason);
                return;
            }
            $crate::Leftovers::$watch()
        };
    };
    ($($need:expr),+ $(,)?) => {
        $crate::require!(@ watch, $($need),+)
    };
}

/// The first reason to skip a test with these needs; used by [`require!`](crate::require).
///
/// # Panics
///
/// If something is missing that the kernel should have.
#[doc(hidden)]
#[track_caller]
pub fn check_needs(needs: &[Need]) -> Result<(), String> {
    needs.iter().try_for_each(check)
}

fn check(need: &Need) -> Result<(), String> {
    match need {
        Need::Root => match Capabilities::effective() {
            Some(capabilities) if !capabilities.has(Capability::SYS_ADMIN) => {
                Err("this process lacks CAP_SYS_ADMIN".to_owned())
            }
            _ => Ok(()),
        },
        Need::Config(option) => match Config::current() {
            Some(config) if !config.is_on(option) => Err(format!("the kernel is built without {option}")),
            _ => Ok(()),
        },
        Need::Linux(major, minor) => match Release::current() {
            Some(release) if release < Release::new(*major, *minor) => {
                Err(format!("came with Linux {major}.{minor}, this is {release}"))
            }
            _ => Ok(()),
        },
        Need::Feature(feature) => match Probes::live().probe(*feature) {
            Answer::Yes | Answer::Unknown(_) => Ok(()),
            Answer::No(evidence) => match excuse(*feature, &evidence) {
                Some(reason) => Err(reason),
                None => panic!("this kernel should have {feature}, but the probe says no: {evidence}"),
            },
        },
    }
}

/// Why a kernel may well lack a feature.
fn excuse(feature: Feature, evidence: &Evidence) -> Option<String> {
    if let (Some(since), Some(release)) = (feature.since(), Release::current())
        && release < since
    {
        return Some(format!("{feature} came with Linux {since}, this is {release}"));
    }
    let config = Config::current();
    if let Some(option) = feature
        .options()
        .iter()
        .find(|option| config.is_some_and(|config| !config.is_on(option)))
    {
        return Some(format!("the kernel is built without {option}"));
    }
    match Settings::current().lockdown {
        Some((lockdown, _)) if evidence.errno == Some(Errno::EPERM) => Some(format!(
            "{feature} is not permitted, and the kernel is locked down ({})",
            lockdown.name()
        )),
        _ => None,
    }
}

/// Counts a test as skipped; used by [`require!`](crate::require).
///
/// # Panics
///
/// If the account cannot be written.
#[doc(hidden)]
pub fn skip(here: &str, reason: &str) {
    let test = here.trim_end_matches("::here");
    // Not the macro for printing: the test harness would keep that to itself. And in one piece, as tests run side by side.
    let line = format!("skipped: {test}: {reason}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
    if let Some(path) = std::env::var_os(ACCOUNT) {
        let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(format!("{test}\t{reason}\n").as_bytes()).unwrap();
    }
}
