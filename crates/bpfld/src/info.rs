//! Helpers for what the kernel tells about its objects.

use std::os::fd::{AsRawFd, BorrowedFd};

use crate::{Error, Result, Subject};

/// Text of a name field: up to the first NUL, bytes that are not UTF-8 replaced.
pub(crate) fn name(field: &[u8]) -> String {
    let len = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    String::from_utf8_lossy(&field[..len]).into_owned()
}

/// A kind of object of bpf(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Map,
    Program,
    Link,
}

/// Fails if a descriptor is of another kind. The kernel describes objects of any kind without saying of which, so that numbers of
/// one would be taken for those of another.
pub(crate) fn check_kind(fd: BorrowedFd<'_>, expected: Kind, subject: Subject) -> Result<()> {
    let Ok(target) = std::fs::read_link(format!("/proc/thread-self/fd/{}", fd.as_raw_fd())) else {
        // Without /proc this cannot be told.
        return Ok(());
    };
    let target = target.to_string_lossy();
    let found = target.strip_prefix("anon_inode:").unwrap_or(&target);
    let (is_expected, name) = match expected {
        Kind::Map => (found == "bpf-map", "a map"),
        Kind::Program => (found == "bpf-prog", "a program"),
        Kind::Link => (
            matches!(found, "bpf_link" | "bpf-link" | "bpf-raw-tracepoint"),
            "a link",
        ),
    };
    if is_expected {
        return Ok(());
    }
    Err(Error::invalid(subject, format!("is '{found}', not {name}")))
}

/// Fails for a name that the kernel does not take for an object, and for none. Of a longer one it keeps 15 bytes.
pub(crate) fn check_name(subject: Subject, name: &str) -> Result<()> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.';
    if !name.is_empty() && name.bytes().all(is_plain) {
        return Ok(());
    }
    Err(Error::invalid(
        subject,
        "a name has letters, digits, '_' and '.', and at least one of them",
    ))
}
