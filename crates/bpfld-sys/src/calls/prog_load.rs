//! Loading programs.

use std::ffi::CStr;
use std::mem::offset_of;
use std::os::fd::{BorrowedFd, OwnedFd};

use crate::syscall::{address, bpf_fd, length, name, raw, raw_or_zero};
use crate::{AttachType, Command, Error, Log, ProgFlags, ProgramType, attr};

/// Records of equal size, one after the other: function, line or CO-RE records as in a program's BTF.ext, with instruction
/// offsets counted in instructions (CO-RE: bytes).
#[derive(Clone, Copy, Debug, Default)]
pub struct Records<'a> {
    /// All records, in host byte order.
    pub bytes: &'a [u8],
    /// Bytes of one; 0 if there are none.
    pub record_size: u32,
}

impl Records<'_> {
    /// Size, number and address for the arguments.
    fn arguments(self) -> Result<(u32, u32, u64), Error> {
        let len = length(Command::PROG_LOAD, self.bytes.len())?;
        let Some(count) = len.checked_div(self.record_size) else {
            return if len == 0 {
                Ok((0, 0, 0))
            } else {
                Err(Error::argument(Command::PROG_LOAD, "records of no size"))
            };
        };
        if count.checked_mul(self.record_size) != Some(len) {
            return Err(Error::argument(
                Command::PROG_LOAD,
                "records that do not fill their bytes",
            ));
        }
        Ok((self.record_size, count, address(self.bytes)))
    }
}

/// What program to load.
///
/// ```
/// use bpfld_sys::{ProgLoad, ProgramType};
///
/// // r0 = 2; exit
/// let insns = [[0xb7, 0, 0, 0, 2, 0, 0, 0], [0x95, 0, 0, 0, 0, 0, 0, 0]].concat();
/// let mut wanted = ProgLoad::new(ProgramType::XDP, &insns, c"GPL");
/// wanted.name = "pass";
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ProgLoad<'a> {
    /// Kind of the program.
    pub prog_type: ProgramType,
    /// Instructions of 8 bytes each, in the host's layout.
    pub insns: &'a [u8],
    /// Licence: some helpers want one that is compatible with the GPL.
    pub license: &'a CStr,
    /// Name, of which the first 15 bytes are used: letters, digits, `_` and `.` (the dot since Linux 5.2). Since Linux 4.15.
    pub name: &'a str,
    /// `LINUX_VERSION_CODE`; checked for kprobes before Linux 5.0.
    pub kernel_version: u32,
    /// How it is loaded. [`ProgFlags::TOKEN_FD`] is added where a token is given. Since Linux 4.12.
    pub flags: ProgFlags,
    /// Network device to offload to, or to be bound to; 0: none. Since Linux 4.15.
    pub ifindex: u32,
    /// What it will be attached to, for kinds that must know. Since Linux 4.17.
    pub expected_attach_type: AttachType,
    /// BTF object with the types of its functions. Since Linux 5.0.
    pub btf: Option<BorrowedFd<'a>>,
    /// Function records. Since Linux 5.0.
    pub func_info: Records<'a>,
    /// Line records. Since Linux 5.0.
    pub line_info: Records<'a>,
    /// CO-RE records, for the kernel to apply. Since Linux 5.17.
    pub core_relos: Records<'a>,
    /// Type to attach to: a function, tracepoint or struct_ops type. Since Linux 5.5.
    pub attach_btf_id: u32,
    /// Where that type is: a program (since Linux 5.5) or a BTF object (5.11); nothing: the kernel's own BTF.
    pub attach_to: Option<BorrowedFd<'a>>,
    /// Numbers of descriptors that instructions name by index. Since Linux 5.14.
    pub fd_array: &'a [i32],
    /// Tells the kernel how many of them there are: it then takes all of them, and keeps these maps with the program. Since Linux 6.14.
    pub fd_array_is_complete: bool,
    /// Token that allows it. Since Linux 6.9.
    pub token: Option<BorrowedFd<'a>>,
    /// Signature of the instructions. Since Linux 6.18.
    pub signature: &'a [u8],
    /// Keyring to check it with.
    pub keyring_id: i32,
}

impl<'a> ProgLoad<'a> {
    /// A program of a kind; the rest is set in the fields.
    pub fn new(prog_type: ProgramType, insns: &'a [u8], license: &'a CStr) -> Self {
        Self {
            prog_type,
            insns,
            license,
            name: "",
            kernel_version: 0,
            flags: ProgFlags::empty(),
            ifindex: 0,
            expected_attach_type: AttachType::default(),
            btf: None,
            func_info: Records::default(),
            line_info: Records::default(),
            core_relos: Records::default(),
            attach_btf_id: 0,
            attach_to: None,
            fd_array: &[],
            fd_array_is_complete: false,
            token: None,
            signature: &[],
            keyring_id: 0,
        }
    }

    fn attr(&self) -> Result<attr::ProgLoad, Error> {
        const COMMAND: Command = Command::PROG_LOAD;
        let Self {
            prog_type,
            insns,
            license,
            name: prog_name,
            kernel_version,
            mut flags,
            ifindex,
            expected_attach_type,
            btf,
            func_info,
            line_info,
            core_relos,
            attach_btf_id,
            attach_to,
            fd_array,
            fd_array_is_complete,
            token,
            signature,
            keyring_id,
        } = *self;
        if insns.len() % 8 != 0 {
            return Err(Error::argument(COMMAND, "instructions that are not 8 bytes each"));
        }
        flags.set(
            ProgFlags::TOKEN_FD,
            token.is_some() || flags.contains(ProgFlags::TOKEN_FD),
        );
        let (func_info_rec_size, func_info_cnt, func_info) = func_info.arguments()?;
        let (line_info_rec_size, line_info_cnt, line_info) = line_info.arguments()?;
        let (core_relo_rec_size, core_relo_cnt, core_relos) = core_relos.arguments()?;
        Ok(attr::ProgLoad {
            prog_type,
            insn_cnt: length(COMMAND, insns.len() / 8)?,
            insns: address(insns),
            license: address(license.to_bytes_with_nul()),
            kern_version: kernel_version,
            prog_flags: flags,
            prog_name: name(prog_name),
            prog_ifindex: ifindex,
            expected_attach_type,
            prog_btf_fd: raw_or_zero(btf),
            func_info_rec_size,
            func_info,
            func_info_cnt,
            line_info_rec_size,
            line_info,
            line_info_cnt,
            attach_btf_id,
            attach_prog_or_btf_obj_fd: raw_or_zero(attach_to),
            core_relo_cnt,
            fd_array: address(fd_array),
            core_relos,
            core_relo_rec_size,
            prog_token_fd: token.map_or(0, |fd| raw(fd).cast_signed()),
            fd_array_cnt: if fd_array_is_complete {
                length(COMMAND, fd_array.len())?
            } else {
                0
            },
            signature: address(signature),
            signature_size: length(COMMAND, signature.len())?,
            keyring_id,
            ..Default::default()
        })
    }
}

/// Verifies and loads a program. Since Linux 3.18.
///
/// # Errors
///
/// `EACCES`, `EINVAL` and others if the verifier refuses it (`log` says why); `EPERM` without `CAP_BPF` and, by kind, `CAP_NET_ADMIN` or `CAP_PERFMON`
/// (before Linux 5.8 `CAP_SYS_ADMIN`); `E2BIG` if it is too long or too complex; `ENOSPC` if the log does not fit; `EAGAIN` if the verifier
/// was interrupted; `EINVAL` also for a kind or flag that the kernel does not know.
#[doc(alias = "BPF_PROG_LOAD")]
pub fn prog_load(wanted: &ProgLoad<'_>, log: Option<&mut Log<'_>>) -> Result<OwnedFd, Error> {
    const COMMAND: Command = Command::PROG_LOAD;
    /// Up to here if there is a log, for the kernel to write its true size.
    const WITH_LOG: usize = offset_of!(attr::ProgLoad, log_true_size) + size_of::<u32>();
    let mut attr = wanted.attr()?;
    let Some(log) = log else {
        // SAFETY: all addresses are of what `wanted` borrows, with their true lengths (the licence ends with a zero), and are read.
        return unsafe { bpf_fd(COMMAND, &mut attr, 0, None) };
    };
    (attr.log_level, attr.log_size, attr.log_buf) = log.arguments(COMMAND)?;
    let floor = if attr.log_level == 0 { 0 } else { WITH_LOG };
    // SAFETY: as above; and the log buffer, borrowed mutably by `log`, is written to within its length.
    let result = unsafe { bpf_fd(COMMAND, &mut attr, floor, None) };
    log.finish(attr.log_true_size);
    result
}
