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

/// Pins `fd` at `path`, making the directories on the way; those made are removed again if that or the pin does not work. Returns
/// those that were made, the outermost first.
pub(crate) fn pin<'a>(fd: BorrowedFd<'_>, path: &'a Path, subject: Subject) -> Result<Vec<&'a Path>> {
    let doing = format!("pin at {}", path.display());
    let c_path = c_path(path)?;
    let missing = missing_parents(path);
    let has_dot = missing.iter().chain([&path]).any(|path| has_dot(path));
    let dot = "a BPF file system keeps names with a dot for itself";
    let made = make(&missing).map_err(|source| {
        let is_dot = has_dot && source.kind() == io::ErrorKind::PermissionDenied;
        Error::io(subject.clone(), doing.clone(), source).with_optional_hint(is_dot.then_some(dot))
    })?;
    if let Err(source) = sys::obj_pin(fd, &c_path) {
        remove(&made);
        let hint = match source.errno() {
            sys::Errno::EPERM if has_dot => Some(dot),
            sys::Errno::EINVAL | sys::Errno::EPERM => {
                Some("the path must lie in a BPF file system, such as /sys/fs/bpf")
            }
            _ => None,
        };
        return Err(Error::kernel(subject, doing, source).with_optional_hint(hint));
    }
    Ok(made)
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
    sys::obj_get(&c_path(path)?, sys::MapFlags::empty()).map_err(|source| {
        let is_refused = source.errno() == sys::Errno::EACCES;
        Error::kernel(Subject::File(path.to_owned()), "open what is pinned", source).with_optional_hint(
            is_refused.then_some("it is no pin, or the permissions of the file forbid it"),
        )
    })
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

/// Makes directories and returns those that were not there: all, or none.
fn make<'a>(directories: &[&'a Path]) -> io::Result<Vec<&'a Path>> {
    let mut made = Vec::new();
    for directory in directories {
        match DirBuilder::new().mode(0o755).create(directory) {
            Ok(()) => made.push(*directory),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                remove(&made);
                return Err(error);
            }
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
        // The second of these cannot be made, so the first is taken back.
        std::fs::write(base.join("file"), "").expect("a file");
        let (new, below) = (base.join("new"), base.join("file/below"));
        make(&[&new, &below]).expect_err("a file has nothing below it");
        assert!(!new.exists());
        std::fs::remove_dir_all(base).expect("cleaned up");
    }
}
