//! Finding the binary that a user probe goes to.

use std::{
    env, io,
    path::{Path, PathBuf},
};

use super::mapping;

/// Directories of libraries on the systems that we know, after those of `LD_LIBRARY_PATH`.
const LIBRARY_DIRECTORIES: &[&str] = &[
    "/lib64",
    "/lib",
    "/usr/lib64",
    "/usr/lib",
    "/usr/local/lib",
    #[cfg(target_arch = "x86_64")]
    "/lib/x86_64-linux-gnu",
    #[cfg(target_arch = "x86_64")]
    "/usr/lib/x86_64-linux-gnu",
    #[cfg(target_arch = "aarch64")]
    "/lib/aarch64-linux-gnu",
    #[cfg(target_arch = "aarch64")]
    "/usr/lib/aarch64-linux-gnu",
    #[cfg(target_arch = "s390x")]
    "/usr/lib/s390x-linux-gnu",
    #[cfg(target_arch = "riscv64")]
    "/usr/lib/riscv64-linux-gnu",
];

/// Directories of programs, after those of `PATH`.
const PROGRAM_DIRECTORIES: &[&str] = &["/usr/bin", "/usr/sbin", "/bin", "/sbin"];

/// The file that a name stands for: a path with a slash as it is, a library (`libc.so.6`) among those that a process has
/// loaded and among the libraries, and else a program among the programs.
pub(super) fn find(name: &Path, process: Option<u32>) -> io::Result<PathBuf> {
    if name.components().count() > 1 || name.is_absolute() {
        return Ok(name.to_owned());
    }
    let text = name.to_string_lossy();
    let is_library = text.ends_with(".so") || text.contains(".so.");
    if is_library
        && let Some(process) = process
        && let Some(path) = mapping::library_of(process, name)
    {
        return Ok(path);
    }
    let (variable, fixed) = if is_library {
        ("LD_LIBRARY_PATH", LIBRARY_DIRECTORIES)
    } else {
        ("PATH", PROGRAM_DIRECTORIES)
    };
    let listed: Vec<PathBuf> = env::var_os(variable)
        .map(|list| env::split_paths(&list).collect())
        .unwrap_or_default();
    search(name, listed.into_iter().chain(fixed.iter().map(PathBuf::from))).ok_or_else(|| {
        let text = if is_library {
            "not among the libraries"
        } else {
            "not among the programs"
        };
        io::Error::new(io::ErrorKind::NotFound, text)
    })
}

/// The first file of this name in the directories that are absolute.
fn search(name: &Path, directories: impl Iterator<Item = PathBuf>) -> Option<PathBuf> {
    directories
        .filter(|directory| directory.is_absolute())
        .map(|directory| directory.join(name))
        .find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_a_slash_are_paths() {
        assert_eq!(
            find(Path::new("/proc/self/exe"), None).expect("a path"),
            Path::new("/proc/self/exe")
        );
        assert_eq!(
            find(Path::new("./a.out"), None).expect("a path"),
            Path::new("./a.out")
        );
    }

    #[test]
    fn names_without_one_are_searched() {
        let this = env::current_exe().expect("this program");
        let (directory, name) = (
            this.parent().expect("its directory"),
            this.file_name().expect("its name"),
        );
        let directories = [
            PathBuf::from("relative"),
            PathBuf::from("/nowhere"),
            directory.to_owned(),
        ];
        assert_eq!(
            search(Path::new(name), directories.into_iter()),
            Some(this.clone())
        );
        let error = find(Path::new("libnosuchlibrary.so.7"), Some(1)).expect_err("no such library");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
