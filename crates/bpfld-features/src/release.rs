//! Kernel releases: the number behind the many forms in which vendors write it.

use std::fmt;
use std::fs;
use std::str::FromStr;
use std::sync::OnceLock;

/// A kernel release: major, minor and patch number, without the vendor's additions.
///
/// Releases compare as numbers do, so a table "since which release" can be asked with `<=`.
///
/// ```
/// use bpfld_features::Release;
///
/// let release: Release = "6.1.0-56-cloud-amd64".parse()?;
/// assert_eq!(release, Release::new(6, 1));
/// assert!(release >= Release::new(5, 8));
/// assert_eq!(release.version_code(), 0x06_01_00);
/// # Ok::<(), bpfld_features::ParseReleaseError>(())
/// ```
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Release {
    /// The 6 of 6.1.55.
    pub major: u16,
    /// The 1 of 6.1.55.
    pub minor: u16,
    /// The 55 of 6.1.55; 0 if the text has none.
    pub patch: u16,
}

impl Release {
    /// The first release of a line, such as 5.8.
    pub const fn new(major: u16, minor: u16) -> Release {
        Release {
            major,
            minor,
            patch: 0,
        }
    }

    /// Read a release as `uname -r` prints it, of any vendor: `5.4+`, `6.1.0-56-cloud-amd64`, `4.19.0-rc3`,
    /// `5.15.167.4-microsoft-standard-WSL2`, `3.10.0-1160.el7.x86_64`.
    ///
    /// # Errors
    ///
    /// The text does not begin with two numbers and a dot between them, or one of the numbers is above 65535.
    pub fn parse(text: &str) -> Result<Release, ParseReleaseError> {
        let error = || ParseReleaseError {
            text: text.chars().take(80).collect(),
        };
        let (major, rest) = number(text.trim_start()).ok_or_else(error)?;
        let (minor, rest) = rest.strip_prefix('.').and_then(number).ok_or_else(error)?;
        let patch = match rest.strip_prefix('.') {
            Some(patch) if patch.starts_with(|c: char| c.is_ascii_digit()) => {
                number(patch).ok_or_else(error)?.0
            }
            _ => 0,
        };
        Ok(Release { major, minor, patch })
    }

    /// The release of a running kernel from the texts it offers, pure: `release` and `version` as `uname -r` and
    /// `uname -v` print them, `signature` as in `/proc/version_signature` where that exists.
    ///
    /// Debian and Ubuntu keep the patch number in `uname -r` at 0 for the life of a release; the number of the sources is
    /// in the version (`#1 SMP Debian 6.1.192-1`) or in the signature (`Ubuntu 5.4.0-12.15-generic 5.4.8`). The kernel's
    /// own `LINUX_VERSION_CODE`, which programs see and which old kernels compare against, is that number.
    ///
    /// # Errors
    ///
    /// None of the texts has a release in it.
    pub fn of_kernel(
        release: &str,
        version: &str,
        signature: Option<&str>,
    ) -> Result<Release, ParseReleaseError> {
        let ubuntu = signature.and_then(|s| s.split_whitespace().nth(2));
        let debian = version.split_once("Debian ").map(|(_, rest)| rest);
        [ubuntu, debian]
            .into_iter()
            .flatten()
            .find_map(|text| Release::parse(text).ok())
            .map_or_else(|| Release::parse(release), Ok)
    }

    /// The release of the running kernel, read once per process; `None` if `/proc` does not tell.
    pub fn current() -> Option<Release> {
        static CURRENT: OnceLock<Option<Release>> = OnceLock::new();
        *CURRENT.get_or_init(|| {
            let release = fs::read_to_string("/proc/sys/kernel/osrelease").ok()?;
            let version = fs::read_to_string("/proc/sys/kernel/version").unwrap_or_default();
            let signature = fs::read_to_string("/proc/version_signature").ok();
            Release::of_kernel(&release, &version, signature.as_deref()).ok()
        })
    }

    /// The number as the kernel's `KERNEL_VERSION` macro packs it: one byte for minor and patch, each capped at 255.
    pub const fn version_code(self) -> u32 {
        const fn byte(n: u16) -> u32 {
            if n > 255 { 255 } else { n as u32 }
        }
        ((self.major as u32) << 16) | (byte(self.minor) << 8) | byte(self.patch)
    }
}

impl From<bpfld_sys::Since> for Release {
    fn from(since: bpfld_sys::Since) -> Release {
        Release::new(since.major.into(), since.minor.into())
    }
}

impl From<bpfld_insn::Release> for Release {
    fn from(release: bpfld_insn::Release) -> Release {
        Release::new(release.major.into(), release.minor.into())
    }
}

impl FromStr for Release {
    type Err = ParseReleaseError;

    fn from_str(text: &str) -> Result<Release, ParseReleaseError> {
        Release::parse(text)
    }
}

/// `6.1`, or `6.1.55` where there is a patch number.
impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Release { major, minor, patch } = self;
        match patch {
            0 => write!(f, "{major}.{minor}"),
            _ => write!(f, "{major}.{minor}.{patch}"),
        }
    }
}

/// A text that holds no kernel release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseReleaseError {
    text: String,
}

impl fmt::Display for ParseReleaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "no kernel release in {:?}: expected a text such as \"6.1.0-56-cloud-amd64\"",
            self.text
        )
    }
}

impl std::error::Error for ParseReleaseError {}

/// The decimal number at the start of a text, and what follows it.
fn number(text: &str) -> Option<(u16, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    Some((digits.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<(u16, u16, u16)>) {
        let expected = expected.map(|(major, minor, patch)| Release { major, minor, patch });
        assert_eq!(Release::parse(text).ok(), expected, "{text:?}");
    }

    #[test]
    fn every_vendor_form_parses() {
        check("5.4+", Some((5, 4, 0)));
        check("6.1.0-56-cloud-amd64", Some((6, 1, 0)));
        check("4.19.0-rc3", Some((4, 19, 0)));
        check("6.9-rc1", Some((6, 9, 0)));
        check("6.18.44-fc-v595\n", Some((6, 18, 44)));
        check("3.10.0-1160.118.1.el7.x86_64", Some((3, 10, 0)));
        check("5.15.167.4-microsoft-standard-WSL2", Some((5, 15, 167)));
        check("4.14.336-257.562.amzn2.x86_64", Some((4, 14, 336)));
        check("7.3~rc2", Some((7, 3, 0)));
        check("6.6.", Some((6, 6, 0)));
        check("6.6.x", Some((6, 6, 0)));
    }

    #[test]
    fn what_is_no_release_is_refused() {
        for text in [
            "",
            "6",
            "6.",
            ".6",
            "six.one",
            "6.x",
            "99999999.1",
            "6.99999999",
            "6.1.99999999",
            "-6.1",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn the_number_of_the_sources_wins() {
        let of = |release, version, signature| {
            Release::of_kernel(release, version, signature)
                .map(|r| (r.major, r.minor, r.patch))
                .ok()
        };
        let debian = "#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-1 (2026-08-26)";
        assert_eq!(of("6.1.0-56-cloud-amd64", debian, None), Some((6, 1, 192)));
        let ubuntu = Some("Ubuntu 5.4.0-12.15-generic 5.4.8\n");
        assert_eq!(of("5.4.0-12-generic", "#15-Ubuntu SMP", ubuntu), Some((5, 4, 8)));
        assert_eq!(of("6.18.44", "#1 SMP @0", Some("unreadable")), Some((6, 18, 44)));
        assert_eq!(of("5.10.0", "#1 SMP Debian unknown", None), Some((5, 10, 0)));
        assert_eq!(of("", "#1 SMP", None), None);
    }

    #[test]
    fn releases_order_pack_and_print() {
        assert!(Release::new(5, 10) > Release::new(5, 9));
        assert!(Release::parse("5.10.1").unwrap() > Release::new(5, 10));
        assert_eq!(
            Release::parse("4.14.336").unwrap().version_code(),
            (4 << 16) + (14 << 8) + 255
        );
        assert_eq!(Release::new(5, 10).to_string(), "5.10");
        assert_eq!(Release::parse("5.10.3+").unwrap().to_string(), "5.10.3");
    }

    #[test]
    fn the_running_kernel_has_a_release() {
        assert!(Release::current().is_some_and(|r| r > Release::new(3, 0)));
    }
}
