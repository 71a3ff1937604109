//! Loading BTF.

use std::mem::offset_of;
use std::os::fd::{BorrowedFd, OwnedFd};

use crate::syscall::{address, bpf_fd, length, raw};
use crate::{Command, Error, Log, MapFlags, attr};

/// What BTF to load.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct BtfLoad<'a> {
    /// The raw bytes, in host byte order.
    pub bytes: &'a [u8],
    /// Token that allows it. Since Linux 6.9.
    pub token: Option<BorrowedFd<'a>>,
}

impl<'a> BtfLoad<'a> {
    /// BTF from its raw bytes; the rest is set in the fields.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, token: None }
    }
}

/// Loads BTF. Since Linux 4.18.
///
/// # Errors
///
/// `EINVAL` for BTF that this kernel does not understand or like (`log` says why); `EPERM` without `CAP_BPF` (before Linux 5.8 `CAP_SYS_ADMIN`); `E2BIG` over
/// 16 MiB; `ENOSPC` if the log does not fit.
#[doc(alias = "BPF_BTF_LOAD")]
pub fn btf_load(wanted: &BtfLoad<'_>, log: Option<&mut Log<'_>>) -> Result<OwnedFd, Error> {
    const COMMAND: Command = Command::BTF_LOAD;
    /// Up to here if there is a log, for the kernel to write its true size.
    const WITH_LOG: usize = offset_of!(attr::BtfLoad, btf_log_true_size) + size_of::<u32>();
    let BtfLoad { bytes, token } = *wanted;
    let mut attr = attr::BtfLoad {
        btf: address(bytes),
        btf_size: length(COMMAND, bytes.len())?,
        btf_flags: if token.is_some() {
            MapFlags::TOKEN_FD
        } else {
            MapFlags::empty()
        },
        btf_token_fd: token.map_or(0, |fd| raw(fd).cast_signed()),
        ..Default::default()
    };
    let Some(log) = log else {
        // SAFETY: the only address is of `bytes`, borrowed by `wanted`, with its length; it is read.
        return unsafe { bpf_fd(COMMAND, &mut attr, 0, None) };
    };
    (attr.btf_log_level, attr.btf_log_size, attr.btf_log_buf) = log.arguments(COMMAND)?;
    let floor = if attr.btf_log_level == 0 { 0 } else { WITH_LOG };
    // SAFETY: as above; and the log buffer, borrowed mutably by `log`, is written to within its length.
    let result = unsafe { bpf_fd(COMMAND, &mut attr, floor, None) };
    log.finish(attr.btf_log_true_size);
    result
}
