//! Which CPUs there are: per-CPU maps hold one value for each possible CPU.

use core::fmt;
#[cfg(all(target_os = "linux", feature = "std"))]
use std::{io, sync::OnceLock, vec::Vec};

/// The largest CPU number that a list may name: far above what any kernel is built for.
const LIMIT: u32 = 1 << 20;

/// A list of CPUs as sysfs writes it, such as `0-3,5`.
///
/// ```
/// use bpfld_sys::cpus::CpuList;
///
/// let cpus = CpuList::parse("0-2,5\n")?;
/// assert_eq!(cpus.count(), 4);
/// assert!(cpus.iter().eq([0, 1, 2, 5]));
/// # Ok::<(), bpfld_sys::cpus::ParseCpuListError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct CpuList<'a> {
    text: &'a str,
}

/// The text is not a list of CPUs in ascending order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParseCpuListError;

impl fmt::Display for ParseCpuListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an ascending list of CPUs")
    }
}

impl core::error::Error for ParseCpuListError {}

impl<'a> CpuList<'a> {
    /// Reads and checks a list. White space around it does not matter; an empty one names no CPU.
    ///
    /// # Errors
    ///
    /// If a number is missing, out of order, or beyond a million.
    pub fn parse(text: &'a str) -> Result<Self, ParseCpuListError> {
        let list = Self { text: text.trim() };
        let mut next = 0;
        for range in list.ranges() {
            let (first, last) = range.ok_or(ParseCpuListError)?;
            if first < next || last < first || last >= LIMIT {
                return Err(ParseCpuListError);
            }
            next = last + 1;
        }
        Ok(list)
    }

    /// How many CPUs it names.
    pub fn count(&self) -> u32 {
        self.ranges()
            .flatten()
            .map(|(first, last)| last - first + 1)
            .sum()
    }

    /// The CPUs in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + 'a {
        self.ranges().flatten().flat_map(|(first, last)| first..=last)
    }

    fn ranges(&self) -> impl Iterator<Item = Option<(u32, u32)>> + 'a {
        self.text
            .split(',')
            .filter({
                let empty = self.text.is_empty();
                move |_| !empty
            })
            .map(|range| {
                let (first, last) = range.split_once('-').unwrap_or((range, range));
                Some((decimal(first)?, decimal(last)?))
            })
    }
}

/// A number of digits only.
fn decimal(text: &str) -> Option<u32> {
    if text.starts_with('+') {
        None
    } else {
        text.parse().ok()
    }
}

/// How many CPUs this system can ever have: the number of values in an element of a per-CPU map. Read once.
///
/// # Errors
///
/// If `/sys/devices/system/cpu/possible` cannot be read.
#[cfg(all(target_os = "linux", feature = "std"))]
pub fn possible_cpus() -> io::Result<u32> {
    static POSSIBLE: OnceLock<u32> = OnceLock::new();
    if let Some(known) = POSSIBLE.get() {
        return Ok(*known);
    }
    let text = std::fs::read_to_string("/sys/devices/system/cpu/possible")?;
    let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
    let count = CpuList::parse(&text).map_err(invalid)?.count();
    if count == 0 {
        return Err(invalid(ParseCpuListError));
    }
    Ok(*POSSIBLE.get_or_init(|| count))
}

/// The CPUs that are running now, in ascending order.
///
/// # Errors
///
/// If `/sys/devices/system/cpu/online` cannot be read.
#[cfg(all(target_os = "linux", feature = "std"))]
pub fn online_cpus() -> io::Result<Vec<u32>> {
    let text = std::fs::read_to_string("/sys/devices/system/cpu/online")?;
    let list = CpuList::parse(&text).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    Ok(list.iter().collect())
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use super::CpuList;

    #[track_caller]
    fn check(text: &str, expected: Option<&[u32]>) {
        let list = CpuList::parse(text)
            .ok()
            .map(|list| list.iter().collect::<Vec<_>>());
        assert_eq!(list.as_deref(), expected);
        if let (Ok(list), Some(expected)) = (CpuList::parse(text), expected) {
            assert_eq!(list.count() as usize, expected.len());
        }
    }

    #[test]
    fn lists() {
        check("0\n", Some(&[0]));
        check("0-1\n", Some(&[0, 1]));
        check("0-1,4,6-7", Some(&[0, 1, 4, 6, 7]));
        check("", Some(&[]));
        check("\n", Some(&[]));
        check("0-", None);
        check("-1", None);
        check("1-0", None);
        check("3,2", None);
        check("0,,2", None);
        check("0-4000000000", None);
        check("+1", None);
        check("a", None);
    }
}
