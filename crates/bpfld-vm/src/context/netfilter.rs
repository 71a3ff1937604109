//! Packets at the hooks of netfilter.

use bpfld_insn::Endian;
use bpfld_sys::ProgramType;

use super::{Skb, plain, sealed::Sealed};
use crate::address::{GuestAddr, PACKET_OBJECT};
use crate::memory::Rights;
use crate::state::State;

/// The context of netfilter programs (`struct bpf_nf_ctx`): a packet, and the state of the hook, which is memory that the host gave.
///
/// Programs see the packet from its network header on, by `bpf_dynptr_from_skb`. Fields of `struct sk_buff` itself are not there.
///
/// ```
/// use bpfld_btf::{Builder, Field, IntEncoding, Kind};
/// use bpfld_insn::{Endian, assemble};
/// use bpfld_vm::{Netfilter, ProgramType, Rights, Vm};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // the types are those of a kernel, or of the object: a few of them are enough
/// let mut types = Builder::new();
/// let byte = types.int("u8", 1, IntEncoding::UNSIGNED)?;
/// types.structure("nf_hook_state", 2, &[Field::new("hook", byte, 0), Field::new("pf", byte, 1)])?;
/// let types = types.finish()?;
///
/// // accepts what is on its way out: NF_INET_POST_ROUTING
/// let code = assemble("r2 = *(u64 *)(r1 + 0)\n w3 = *(u8 *)(r2 + 0)\n r0 = 0\n if w3 != 4 goto out\n r0 = 1\n out: exit")?;
/// let mut vm = Vm::builder().empty(Endian::NATIVE);
/// let id = types.find("nf_hook_state", Kind::STRUCT).unwrap();
/// let state = types.encode(id, "{hook: 4, pf: 2}", None)?;
/// let state = vm.add_memory("state of the hook", state, Rights::Read);
/// let mut program = vm.add_program("leaves", ProgramType::NETFILTER, code.slots())?;
/// assert_eq!(program.run(Netfilter::new(Default::default(), state))?.return_value(), 1); // NF_ACCEPT
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Netfilter {
    packet: Skb,
    state: GuestAddr,
}

impl Netfilter {
    /// A packet at a hook, whose state (`struct nf_hook_state`) is at this address.
    #[must_use]
    pub fn new(packet: Skb, state: GuestAddr) -> Self {
        Self { packet, state }
    }

    /// The packet.
    #[must_use]
    pub fn packet(&self) -> &Skb {
        &self.packet
    }
}

impl Sealed for Netfilter {
    fn enter(&mut self, state: &mut State, program: ProgramType, endian: Endian) {
        self.packet.enter(state, program, endian);
        let addresses = [self.state.0, PACKET_OBJECT.0].map(|address| match endian {
            Endian::Little => address.to_le_bytes(),
            Endian::Big => address.to_be_bytes(),
        });
        plain::fill(state, addresses.concat(), Rights::Read);
    }

    fn leave(&mut self, state: &mut State) {
        self.packet.leave(state);
        plain::close(state);
    }
}
