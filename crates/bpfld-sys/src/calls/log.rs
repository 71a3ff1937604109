//! The log of a command.

use crate::Error;
use crate::syscall::{address_mut, length};
use crate::{Command, attr};

/// A buffer for what the verifier (or another part of the kernel) has to say.
///
/// ```no_run
/// # use bpfld_sys::{Log, ProgLoad, prog_load};
/// # fn load(wanted: &ProgLoad<'_>) {
/// let mut buffer = vec![0; 64 * 1024];
/// let mut log = Log::new(1, &mut buffer);
/// if prog_load(wanted, Some(&mut log)).is_err() {
///     eprintln!("{}", String::from_utf8_lossy(log.text()));
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct Log<'a> {
    /// What to log: bit 0 errors and the path to them, bit 1 every instruction, bit 2 statistics only, bit 3 keeps the
    /// beginning instead of the end (since Linux 6.4) where the buffer is too small. 0: nothing.
    pub level: u32,
    buffer: &'a mut [u8],
    true_size: u32,
}

impl<'a> Log<'a> {
    /// A log at `level` into `buffer`. Kernels before 6.4 refuse buffers of less than 128 bytes, kernels before 5.2 of more than
    /// 16 MiB, later ones of more than 1 GiB.
    pub fn new(level: u32, buffer: &'a mut [u8]) -> Self {
        Self {
            level,
            buffer,
            true_size: 0,
        }
    }

    /// What was logged, as far as it fitted, without the terminator.
    pub fn text(&self) -> &[u8] {
        let end = self
            .buffer
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(self.buffer.len());
        self.buffer.get(..end).unwrap_or_default()
    }

    /// Bytes that the whole log needs, terminator included. 0 before Linux 6.4 and where nothing was logged.
    pub const fn true_size(&self) -> u32 {
        self.true_size
    }

    /// Level, size and address for the arguments; the buffer starts out empty.
    pub(super) fn arguments(&mut self, command: Command) -> Result<(u32, u32, u64), Error> {
        self.true_size = 0;
        if let Some(first) = self.buffer.first_mut() {
            *first = 0;
        }
        if self.level == 0 {
            return Ok((0, 0, 0));
        }
        Ok((
            self.level,
            length(command, self.buffer.len())?,
            address_mut(self.buffer),
        ))
    }

    /// The same as common attributes.
    pub(super) fn common(&mut self, command: Command) -> Result<attr::CommonAttr, Error> {
        let (log_level, log_size, log_buf) = self.arguments(command)?;
        Ok(attr::CommonAttr {
            log_buf,
            log_size,
            log_level,
            ..Default::default()
        })
    }

    /// Takes in what the kernel answered.
    pub(super) fn finish(&mut self, true_size: u32) {
        self.true_size = true_size;
    }
}
