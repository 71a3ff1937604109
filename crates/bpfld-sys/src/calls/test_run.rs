//! Running programs on given input.

use std::mem::offset_of;
use std::os::fd::AsFd;
use std::sync::OnceLock;

use crate::syscall::{address, address_mut, bpf, length, raw};
use crate::{Command, Error, TestRunFlags, attr};

/// Input and output of a test run.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct TestRun<'a> {
    /// The packet.
    pub data_in: &'a [u8],
    /// Room for the packet afterwards; empty: not wanted.
    pub data_out: &'a mut [u8],
    /// The context. Programs of kind [`ProgramType::SYSCALL`](crate::ProgramType::SYSCALL) change it in place. Since Linux 5.2.
    pub context: &'a mut [u8],
    /// Room for the context afterwards; empty: not wanted. Since Linux 5.2.
    pub context_out: &'a mut [u8],
    /// How often to run; 0 is once.
    pub repeat: u32,
    /// How. Since Linux 5.10.
    pub flags: TestRunFlags,
    /// CPU to run on, with [`TestRunFlags::RUN_ON_CPU`].
    pub cpu: u32,
    /// Packets in flight, with [`TestRunFlags::XDP_LIVE_FRAMES`]; 0: the kernel's choice. Since Linux 5.18.
    pub batch_size: u32,
    /// Out: what the program returned.
    pub return_value: u32,
    /// Out: average nanoseconds of a run.
    pub duration: u32,
    /// Out: bytes of the packet afterwards, which may be more than there was room for.
    pub data_len: u32,
    /// Out: bytes of the context afterwards, which may be more than there was room for.
    pub context_len: u32,
}

/// Runs a program. Since Linux 4.12; each kind of program has its own first release.
///
/// ```no_run
/// # use std::os::fd::BorrowedFd;
/// use bpfld_sys::{TestRun, prog_test_run};
///
/// # fn run(program: BorrowedFd<'_>) -> Result<(), bpfld_sys::Error> {
/// let mut run = TestRun::default();
/// run.data_in = &[0; 64];
/// prog_test_run(program, &mut run)?;
/// println!("returned {}", run.return_value);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// `ENOSPC` if an output does not fit: the lengths in `run` then tell what is needed, and its beginning is there. `ENOTSUPP` for kinds that cannot
/// be run; `EINVAL` for input they do not take: packets need at least 14 bytes, most contexts must be of their exact size; `EINTR` if a signal came.
#[doc(alias = "BPF_PROG_TEST_RUN")]
#[doc(alias = "BPF_PROG_RUN")]
pub fn prog_test_run(program: impl AsFd, run: &mut TestRun<'_>) -> Result<(), Error> {
    const COMMAND: Command = Command::PROG_TEST_RUN;
    /// Up to here the kernel may write.
    const ANSWER: usize = offset_of!(attr::ProgTestRun, duration) + size_of::<u32>();
    /// No page is larger, and test packets are no longer than a page there.
    const PAGE: usize = 64 * 1024;
    if !run.data_out.is_empty() && run.data_out.len() < PAGE && ignores_room() {
        return Err(Error::argument(
            COMMAND,
            "Linux before 5.0 does not respect less than 64 KiB of room for data",
        ));
    }
    let mut attr = attr::ProgTestRun {
        prog_fd: raw(program.as_fd()),
        data_size_in: length(COMMAND, run.data_in.len())?,
        data_size_out: length(COMMAND, run.data_out.len())?,
        data_in: address(run.data_in),
        data_out: address_mut(run.data_out),
        repeat: run.repeat,
        ctx_size_in: length(COMMAND, run.context.len())?,
        ctx_size_out: length(COMMAND, run.context_out.len())?,
        ctx_in: address_mut(run.context),
        ctx_out: address_mut(run.context_out),
        flags: run.flags,
        cpu: run.cpu,
        batch_size: run.batch_size,
        ..Default::default()
    };
    // SAFETY: all addresses are of what `run` borrows, mutably where the kernel writes (also to the context going in), with their true
    // lengths. An output of no length has no address: the kernel would take its length for "any".
    let result = unsafe { bpf(COMMAND, &mut attr, ANSWER, None) };
    run.return_value = attr.retval;
    run.duration = attr.duration;
    run.data_len = attr.data_size_out;
    run.context_len = attr.ctx_size_out;
    result.map(|_| ())
}

/// Whether this kernel writes all data out, whatever its room: before Linux 5.0. Asked once.
fn ignores_room() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| {
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let major = release
            .split('.')
            .next()
            .and_then(|major| major.parse::<u32>().ok());
        // What cannot be told is taken for a kernel of today.
        major.is_some_and(|major| major < 5)
    })
}
