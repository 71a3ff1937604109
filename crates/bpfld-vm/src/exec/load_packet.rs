//! The packet loads of old: from the packet itself, in network order.

use super::Run;
use crate::address::{GuestAddr, RegionId};
use crate::fault::{FaultKind, Trap};

/// Positions from here on count from the network header.
const NETWORK: i32 = -0x10_0000;
/// Positions from here on count from the link layer's header.
const LINK: i32 = -0x20_0000;

impl Run<'_> {
    /// Bytes of the packet at a position; `None` beyond it.
    pub(super) fn load_packet<const N: usize>(&mut self, at: i32, context: u64) -> Result<Option<u64>, Trap> {
        let state = &*self.state;
        let headers = state.context.headers();
        let is_context = context == GuestAddr::new(RegionId::CONTEXT, 0).0;
        let Some(headers) = headers.filter(|_| is_context) else {
            return Err(FaultKind::Argument {
                function: "packet load".into(),
                number: 0,
                problem: "r6 is not the context of a packet".into(),
            }
            .into());
        };
        let Some(region) = state.memory.region(RegionId::PACKET) else {
            return Ok(None);
        };
        let (start, at) = match at {
            0.. => (region.start, at),
            NETWORK..0 => (headers.network, at - NETWORK),
            LINK..NETWORK => (headers.link, at - LINK),
            _ => return Ok(None),
        };
        let from = start + at as usize;
        let bytes = region
            .bytes
            .get(from..from + N)
            .filter(|_| from + N <= region.end())
            .and_then(|bytes| bytes.first_chunk::<N>());
        Ok(bytes.map(|bytes| crate::memory::value_of::<N, true>(*bytes)))
    }
}
