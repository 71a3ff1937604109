//! The standard streams of programs: what they, and the kernel for them, have written.

use std::io;

use bpfld_sys::{self as sys, StreamId};

use super::Program;

/// A standard stream of a program (6.17), to be read. The end of what has been written so far is no end for ever: reading goes on
/// when there is more. What is read is gone, for all readers.
///
/// Made by [`Program::stdout`] and [`Program::stderr`].
#[derive(Debug)]
pub struct Stream<'a> {
    program: &'a Program,
    id: StreamId,
}

impl Program {
    /// What the program printed by `bpf_stream_printk` to its standard output (6.17).
    #[must_use]
    pub fn stdout(&self) -> Stream<'_> {
        Stream {
            program: self,
            id: StreamId::STDOUT,
        }
    }

    /// What went wrong while the program ran, as the kernel tells it: locks that waited too long, loops that were ended, faults in
    /// arenas, each with the calls that led there; and what the program itself printed to this stream (6.17).
    ///
    /// ```no_run
    /// use std::io::Read as _;
    ///
    /// # fn example(program: &bpfld::Program) -> std::io::Result<()> {
    /// let mut complaints = String::new();
    /// program.stderr().read_to_string(&mut complaints)?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn stderr(&self) -> Stream<'_> {
        Stream {
            program: self,
            id: StreamId::STDERR,
        }
    }
}

impl io::Read for Stream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let read = sys::prog_stream_read(self.program, self.id, buffer);
        read.map_err(|source| io::Error::other(self.program.failed("read its stream", source)))
    }
}
