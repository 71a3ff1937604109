//! What iterators visit.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use bpfld_insn::Endian;
use bpfld_sys::{Errno, ProgramType};

use super::{Fields, plain, sealed::Sealed};
use crate::address::{GuestAddr, RegionId, SEQUENCE_OBJECT};
use crate::memory::Rights;
use crate::state::State;

/// The context of iterators (`iter/task`, `iter/bpf_map_elem`, …): what is visited, and the text that the program writes about it.
///
/// The kernel runs the program once for each, and once more in the end, with null pointers.
///
/// ```
/// use bpfld_insn::{Endian, assemble};
/// use bpfld_vm::{ProgramType, Rights, Visit, Vm};
///
/// // writes the 4 bytes that are visited
/// let code = assemble("
///     r2 = *(u64 *)(r1 + 8)
///     r1 = *(u64 *)(r1 + 0)
///     r1 = *(u64 *)(r1 + 0)
///     r0 = 0
///     if r2 == 0 goto out
///     r3 = 4
///     call bpf_seq_write
///     r0 = 0
/// out:
///     exit")?;
/// let mut vm = Vm::builder().empty(Endian::NATIVE);
/// let address = vm.add_memory("visited", *b"here", Rights::Read);
/// let mut program = vm.add_program("iterator", ProgramType::TRACING, code.slots())?;
/// assert_eq!(program.run(Visit::new(&[address.0]))?.context.text(), "here");
/// assert_eq!(program.run(Visit::new(&[0]))?.context.text(), "");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Visit {
    /// The number of the session.
    pub session: u64,
    /// How many were visited before.
    pub number: u64,
    addresses: Vec<u64>,
    written: Written,
}

/// The text, which has as much room as in the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    bytes: Vec<u8>,
    overflows: bool,
}

impl Written {
    /// Bytes of the kernel's buffer: eight pages.
    const ROOM: usize = 8 * 4096;

    /// Puts bytes behind the others.
    pub(crate) fn add(&mut self, bytes: &[u8]) -> Result<(), Errno> {
        self.overflows |= self.bytes.len() + bytes.len() >= Self::ROOM;
        if self.overflows {
            return Err(Errno::EOVERFLOW);
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }
}

impl Visit {
    /// What is visited: the addresses behind the first in the context, such as those of a map, a key and a value. A structure of the
    /// kernel's is memory that was given by [`Vm::add_memory`](crate::Vm::add_memory).
    #[must_use]
    pub fn new(addresses: &[u64]) -> Self {
        Self {
            session: 0,
            number: 0,
            addresses: addresses.to_vec(),
            written: Written::default(),
        }
    }

    /// What the program wrote by `bpf_seq_write` and `bpf_seq_printf`, up to what did not fit.
    #[must_use]
    pub fn written(&self) -> &[u8] {
        &self.written.bytes
    }

    /// The same as text.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.written.bytes)
    }
}

impl Sealed for Visit {
    fn enter(&mut self, state: &mut State, _: ProgramType, endian: Endian) {
        let bytes = |numbers: &[u64]| -> Vec<u8> {
            let bytes = numbers.iter().flat_map(|number| match endian {
                Endian::Little => number.to_le_bytes(),
                Endian::Big => number.to_be_bytes(),
            });
            bytes.collect()
        };
        let meta = GuestAddr::new(RegionId::VISIT, 0).0;
        let context = [&[meta][..], &self.addresses].concat();
        plain::fill(state, bytes(&context), Rights::Read);
        // struct bpf_iter_meta
        let meta = bytes(&[SEQUENCE_OBJECT.0, self.session, self.number]);
        if let Some(region) = state.memory.region_mut(RegionId::VISIT) {
            let end = meta.len();
            region.bytes = meta;
            region.set_window(0, end);
        }
        state.context = Fields::Visit(Box::default());
    }

    fn leave(&mut self, state: &mut State) {
        if let Fields::Visit(written) = core::mem::replace(&mut state.context, Fields::None) {
            self.written = *written;
        }
        if let Some(region) = state.memory.region_mut(RegionId::VISIT) {
            region.set_window(0, 0);
        }
        plain::close(state);
    }
}
