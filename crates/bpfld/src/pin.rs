//! Pinning of maps, programs and links in a BPF file system.

use std::{
    ffi::CString,
    fs::DirBuilder,
    io,
    os::{
        fd::{BorrowedFd, OwnedFd},
        unix::{
            ffi::OsStrExt,
            fs::{DirBuilderExt, MetadataExt},
        },
    },
    path::Path,
};

use bpfld_sys as sys;

use crate::{Error, Result, Subject};

/// Pins `fd` at `path`, making the directories on the way; those made are removed again if the kernel refuses. Returns those that
/// were made, the outermost first.
pub(crate) fn pin<'a>(fd: BorrowedFd<'_>, path: &'a Path, subject: Subject) -> Result<Vec<&'a Path>> {
    let doing = format!("pin at {}", path.display());
    let missing = missing_parents(path);
    let made = make(&missing).map_err(|source| Error::io(subject.clone(), doing.clone(), source))?;
    let c_path = c_path(path)?;
    sys::obj_pin(fd, &c_path)
        .map(|()| made.clone())
        .map_err(|source| {
            remove(&made);
            let error = Error::kernel(subject, doing, source);
            match source.errno() {
                sys::Errno::EPERM if has_dot(path) => {
                    error.with_hint("a BPF file system keeps names with a dot for itself")
                }
                sys::Errno::EINVAL | sys::Errno::EPERM => {
                    error.with_hint("the path must lie in a BPF file system, such as /sys/fs/bpf")
                }
                _ => error,
            }
        })
}

/// Removes directories, the last one first. Those that somebody else uses by now stay.
pub(crate) fn remove<P: AsRef<Path>>(directories: &[P]) {
    for directory in directories.iter().rev() {
        let _ = std::fs::remove_dir(directory);
    }
}

fn has_dot(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.as_bytes().contains(&b'.'))
}

/// Removes a pin, and the directories above it, up to where the file system is mounted, for as long as they are empty.
///
/// # Errors
///
/// When there is no file at the path, it is a directory, or it cannot be removed.
pub fn remove_pin(path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    let failed = |source| Error::io(Subject::File(path.to_owned()), "remove the pin", source);
    let device = std::fs::symlink_metadata(path).map_err(failed)?.dev();
    std::fs::remove_file(path).map_err(failed)?;
    for directory in path.ancestors().skip(1) {
        let above = directory
            .parent()
            .and_then(|parent| std::fs::metadata(parent).ok());
        // The mount point itself stays, and a directory with something in it is not removed.
        if above.is_none_or(|above| above.dev() != device) || std::fs::remove_dir(directory).is_err() {
            break;
        }
    }
    Ok(())
}

/// Opens what is pinned at `path`.
pub(crate) fn open(path: &Path) -> Result<OwnedFd> {
    sys::obj_get(&c_path(path)?, sys::MapFlags::empty())
        .map_err(|source| Error::kernel(Subject::File(path.to_owned()), "open what is pinned", source))
}

pub(crate) fn c_path(path: &Path) -> Result<CString> {
    CString::new(path.as_os_str().as_bytes())
        .map_err(|_| Error::invalid(Subject::File(path.to_owned()), "a path cannot have a NUL byte"))
}

/// The parents of a path that do not exist, from the outermost to the innermost.
fn missing_parents(path: &Path) -> Vec<&Path> {
    let missing = |ancestor: &&Path| !ancestor.as_os_str().is_empty() && !ancestor.exists();
    let mut parents: Vec<&Path> = path.ancestors().skip(1).take_while(missing).collect();
    parents.reverse();
    parents
}

/// Makes directories and returns those that were not there.
fn make<'a>(directories: &[&'a Path]) -> io::Result<Vec<&'a Path>> {
    let mut made = Vec::new();
    for directory in directories {
        match DirBuilder::new().mode(0o755).create(directory) {
            Ok(()) => made.push(*directory),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_are_made_from_the_outside_in() {
        let base = std::env::temp_dir().join(format!("bpfld-pin-{}", std::process::id()));
        let path = base.join("a/b/pin");
        let missing = missing_parents(&path);
        assert_eq!(missing, [base.clone(), base.join("a"), base.join("a/b")]);
        assert_eq!(make(&missing).expect("directories"), missing);
        assert!(missing_parents(&path).is_empty());
        assert!(make(&missing).expect("directories").is_empty());
        std::fs::remove_dir_all(base).expect("cleaned up");
    }
}
