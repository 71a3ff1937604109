//! Contexts: what programs get as their argument.

mod fields;
mod flow;
mod layout;
mod netfilter;
mod plain;
mod registers;
mod skb;
mod structure;
mod visit;
mod xdp;

pub use flow::Flow;
pub use netfilter::Netfilter;
pub use plain::{Arguments, Bytes};
pub use registers::Registers;
pub use skb::Skb;
pub use structure::{NoField, Structure};
pub use visit::Visit;
pub use xdp::Xdp;

pub(crate) use fields::{Fields, Headers};
pub(crate) use flow::FlowFields;
pub(crate) use skb::SkbFields;
pub(crate) use structure::{Message, StructureFields, Sysctl};
pub(crate) use visit::Written;
pub(crate) use xdp::XdpFields;

pub(crate) mod sealed {
    use bpfld_insn::Endian;
    use bpfld_sys::ProgramType;

    use crate::state::State;

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
pub trait Context: sealed::Sealed {}

impl<C: sealed::Sealed> Context for C {}

impl sealed::Sealed for () {
    fn enter(&mut self, state: &mut crate::state::State, _: bpfld_sys::ProgramType, _: bpfld_insn::Endian) {
        plain::open(state, alloc::vec::Vec::new(), crate::memory::Rights::None);
    }

    fn leave(&mut self, _: &mut crate::state::State) {}
}
