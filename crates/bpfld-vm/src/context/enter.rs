//! How contexts get into a machine and out again.

use alloc::vec::Vec;

use bpfld_insn::Endian;
use bpfld_sys::ProgramType;

use super::plain;
use crate::memory::Rights;
use crate::state::State;

pub(crate) mod sealed {
    use super::{Endian, ProgramType, State};

    /// How a context gets into a machine and out again.
    pub trait Sealed {
        fn enter(&mut self, state: &mut State, program: ProgramType, endian: Endian);
        fn leave(&mut self, state: &mut State);
    }
}

/// What a program can be run on: [`Xdp`], [`Skb`], [`Flow`], [`Netfilter`], [`Arguments`], [`Registers`], [`Structure`], [`Visit`],
/// [`Bytes`], or nothing: `()`.
///
/// Contexts are lent to the machine for a run; afterwards they hold what the program left in them.
///
/// [`Xdp`]: crate::Xdp
/// [`Skb`]: crate::Skb
/// [`Flow`]: crate::Flow
/// [`Netfilter`]: crate::Netfilter
/// [`Arguments`]: crate::Arguments
/// [`Registers`]: crate::Registers
/// [`Structure`]: crate::Structure
/// [`Visit`]: crate::Visit
/// [`Bytes`]: crate::Bytes
pub trait Context: sealed::Sealed {}

impl<C: sealed::Sealed> Context for C {}

impl sealed::Sealed for () {
    fn enter(&mut self, state: &mut State, _: ProgramType, _: Endian) {
        plain::open(state, Vec::new(), Rights::None);
    }

    fn leave(&mut self, _: &mut State) {}
}
