//! Loads and stores that need a closer look: fields of contexts, values of maps, and everything that is a fault.

use super::Run;
use crate::address::{GuestAddr, RegionId};
use crate::fault::{Access, Problem, Trap};
use crate::memory::{Shape, bytes_of, value_of};

impl Run<'_> {
    fn is_field(&self, address: u64) -> bool {
        let region = GuestAddr(address).region();
        matches!(region, RegionId::CONTEXT | RegionId::SOCKET)
            && self
                .state
                .memory
                .region(region)
                .is_some_and(|region| region.shape == Shape::Fields)
    }

    #[inline(never)]
    pub(super) fn load_slow<const N: usize, const BIG: bool>(&mut self, address: u64) -> Result<u64, Trap> {
        if self.is_field(address) {
            let state = &*self.state;
            let offset = GuestAddr(address).offset();
            let value = match GuestAddr(address).region() {
                RegionId::SOCKET => state.context.load_socket(offset, N, self.image.endian),
                _ => state.context.load(&state.memory, offset, N, self.image.endian),
            };
            let fault = || {
                let address = GuestAddr(address);
                state
                    .memory
                    .fault(address, N, Access::Read, Problem::Field)
                    .into()
            };
            return value.ok_or_else(fault);
        }
        let bytes = self.state.memory.load_slow::<N>(address, Access::Read)?;
        Ok(value_of::<N, BIG>(bytes))
    }

    #[inline(never)]
    pub(super) fn store_slow<const N: usize, const BIG: bool>(
        &mut self,
        address: u64,
        value: u64,
    ) -> Result<(), Trap> {
        if self.is_field(address) {
            let state = &mut *self.state;
            let offset = GuestAddr(address).offset();
            let is_context = GuestAddr(address).region() == RegionId::CONTEXT;
            if is_context && state.context.store(offset, N, value, self.image.endian) {
                return Ok(());
            }
            let address = GuestAddr(address);
            return Err(state
                .memory
                .fault(address, N, Access::Write, Problem::Field)
                .into());
        }
        self.state
            .memory
            .store_slow::<N>(address, bytes_of::<N, BIG>(value))
    }
}
