//! What is mapped where in a process, from /proc/PID/maps.

use std::{
    fs,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use crate::{Error, Result, Subject};

/// The executable files that a process has mapped.
///
/// ```no_run
/// use bpfld::ProcessMemory;
///
/// # fn example(pid: u32, address: u64) -> Result<(), bpfld::Error> {
/// let memory = ProcessMemory::of(pid)?;
/// if let Some(found) = memory.resolve(address) {
///     println!("{}+{:#x}", found.path.display(), found.offset);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ProcessMemory {
    /// Sorted by address, as the kernel lists them.
    mappings: Vec<Mapping>,
}

#[derive(Clone, Debug)]
struct Mapping {
    start: u64,
    end: u64,
    offset: u64,
    path: PathBuf,
}

/// A place in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UserLocation<'a> {
    /// The file, or what the kernel calls the mapping, as `[vdso]`.
    pub path: &'a Path,
    /// Bytes from the start of the file, as uprobes want them.
    pub offset: u64,
}

impl ProcessMemory {
    /// Reads what a process has mapped executable now.
    ///
    /// # Errors
    ///
    /// When there is no such process, or no right to look at it.
    pub fn of(pid: u32) -> Result<Self> {
        let path = PathBuf::from(format!("/proc/{pid}/maps"));
        match fs::read(&path) {
            Ok(text) => Ok(Self::parse(&text)),
            Err(source) => Err(Error::io(Subject::File(path), "read", source)),
        }
    }

    fn parse(text: &[u8]) -> Self {
        let mut mappings: Vec<Mapping> = text.split(|byte| *byte == b'\n').filter_map(mapping).collect();
        mappings.sort_by_key(|mapping| mapping.start);
        Self { mappings }
    }

    /// The file that an address of the process lies in; `None` if no code of a file is there.
    #[must_use]
    pub fn resolve(&self, address: u64) -> Option<UserLocation<'_>> {
        let after = self.mappings.partition_point(|mapping| mapping.start <= address);
        let mapping = self.mappings.get(after.checked_sub(1)?)?;
        if address >= mapping.end {
            return None;
        }
        Some(UserLocation {
            path: &mapping.path,
            offset: mapping.offset.checked_add(address - mapping.start)?,
        })
    }
}

/// A line `start-end perms offset device inode path`, if it is executable and has a path.
fn mapping(line: &[u8]) -> Option<Mapping> {
    let mut rest = line;
    let mut word = || {
        let end = rest.iter().position(|byte| *byte == b' ')?;
        let (word, after) = rest.split_at_checked(end)?;
        rest = after.trim_ascii_start();
        Some(word)
    };
    let hex = |text: &[u8]| u64::from_str_radix(std::str::from_utf8(text).ok()?, 16).ok();
    let (range, permissions, offset) = (word()?, word()?, word()?);
    let _device = word()?;
    let _inode = word()?;
    if rest.is_empty() || permissions.get(2) != Some(&b'x') {
        return None;
    }
    let dash = range.iter().position(|byte| *byte == b'-')?;
    Some(Mapping {
        start: hex(range.get(..dash)?)?,
        end: hex(range.get(dash + 1..)?)?,
        offset: hex(offset)?,
        path: PathBuf::from(std::ffi::OsStr::from_bytes(rest)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_find_their_file() {
        let text = b"00400000-00401000 r--p 00000000 08:01 17   /usr/bin/with space\n\
            00401000-00403000 r-xp 00001000 08:01 17                        /usr/bin/with space\n\
            7f0000000000-7f0000001000 rwxp 00000000 00:00 0 \n\
            7ffd00000000-7ffd00002000 r-xp 00000000 00:00 0                          [vdso]\nbroken\n";
        let memory = ProcessMemory::parse(text);
        let found = memory.resolve(0x40_1010).unwrap();
        assert_eq!(
            (found.path, found.offset),
            (Path::new("/usr/bin/with space"), 0x1010)
        );
        assert_eq!(
            memory.resolve(0x7ffd_0000_0001).unwrap().path,
            Path::new("[vdso]")
        );
        for address in [0, 0x40_0010, 0x40_3000, 0x7f00_0000_0001, u64::MAX] {
            assert_eq!(memory.resolve(address), None);
        }
    }

    #[test]
    fn this_function_is_in_this_program() {
        let memory = ProcessMemory::of(std::process::id()).unwrap();
        let address = (this_function_is_in_this_program as fn() as *const ()).addr() as u64;
        let found = memory.resolve(address).unwrap();
        assert_eq!(found.path, std::env::current_exe().unwrap());
        ProcessMemory::of(0).unwrap_err();
    }
}
