//! Contexts that are plain memory.

use alloc::vec::Vec;

use bpfld_insn::Endian;
use bpfld_sys::ProgramType;

use super::{Fields, sealed::Sealed};
use crate::address::RegionId;
use crate::memory::{Rights, Shape};
use crate::state::State;

/// Any context, byte by byte as the program sees it: the argument of a `syscall` program, the record of a tracepoint, or a
/// structure such as `struct bpf_sock_addr`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bytes {
    bytes: Vec<u8>,
    rights: Rights,
}

impl Bytes {
    /// Bytes that the program may read and write.
    #[must_use]
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            bytes: bytes.into(),
            rights: Rights::ReadWrite,
        }
    }

    /// Bytes that the program may only read.
    #[must_use]
    pub fn read_only(bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            bytes: bytes.into(),
            rights: Rights::Read,
        }
    }

    /// The bytes: as they went in, or as the program left them.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Puts plain bytes into the place of the context, which is nothing else.
pub(super) fn open(state: &mut State, bytes: Vec<u8>, rights: Rights) {
    fill(state, bytes, rights);
    state.context.clear();
}

/// Puts plain bytes into the place of the context.
pub(super) fn fill(state: &mut State, bytes: Vec<u8>, rights: Rights) {
    if let Some(region) = state.memory.region_mut(RegionId::CONTEXT) {
        region.shape = Shape::Plain;
        region.rights = rights;
        region.bytes = bytes;
        let end = region.bytes.len();
        region.set_window(0, end);
    }
}

/// Takes them out again.
pub(super) fn close(state: &mut State) -> Vec<u8> {
    state.context.clear();
    let region = state.memory.region_mut(RegionId::CONTEXT);
    region.map_or_else(Vec::new, |region| {
        let bytes = core::mem::take(&mut region.bytes);
        region.set_window(0, 0);
        bytes
    })
}

impl Sealed for Bytes {
    fn enter(&mut self, state: &mut State, _: ProgramType, _: Endian) {
        open(state, core::mem::take(&mut self.bytes), self.rights);
    }

    fn leave(&mut self, state: &mut State) {
        self.bytes = close(state);
    }
}

/// The arguments of a raw tracepoint, of a traced function, of an operation that a program implements (`struct_ops`) or decides
/// about (LSM): numbers of 64 bits. What they point to is given by [`Vm::add_memory`](crate::Vm::add_memory), made from types by
/// [`Btf::encode`](bpfld_btf::Btf::encode).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arguments {
    arguments: Vec<u64>,
    result: Option<u64>,
}

impl Arguments {
    /// These arguments.
    #[must_use]
    pub fn new(arguments: &[u64]) -> Self {
        Self {
            arguments: arguments.to_vec(),
            result: None,
        }
    }

    /// With what the function returned, for programs that run after it.
    #[must_use]
    pub fn returning(self, result: u64) -> Self {
        Self {
            result: Some(result),
            ..self
        }
    }
}

impl Sealed for Arguments {
    fn enter(&mut self, state: &mut State, _: ProgramType, endian: Endian) {
        let numbers = self.arguments.iter().chain(&self.result);
        let bytes = numbers.flat_map(|number| match endian {
            Endian::Little => number.to_le_bytes(),
            Endian::Big => number.to_be_bytes(),
        });
        open(state, bytes.collect(), Rights::Read);
        state.context = Fields::Arguments {
            count: self.arguments.len() as u64,
            has_result: self.result.is_some(),
        };
    }

    fn leave(&mut self, state: &mut State) {
        close(state);
    }
}
