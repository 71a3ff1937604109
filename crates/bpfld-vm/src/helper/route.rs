//! Where packets would go: routes, neighbours, and what fits a device.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bpfld_sys::Errno;

use super::call::{Call, errno};
use crate::address::RegionId;
use crate::fault::Trap;
use crate::network::{MAIN_TABLE, RouteKind};

/// Bytes of `struct bpf_fib_lookup`.
const PARAMETERS: usize = 64;
/// Bytes of an Ethernet header.
const ETHERNET: u32 = 14;

const OUTPUT: u64 = 1 << 1;
const SKIP_NEIGHBOUR: u64 = 1 << 2;
const TABLE: u64 = 1 << 3;
const SOURCE: u64 = 1 << 4;
const KNOWN: u64 = (1 << 6) - 1;

/// Answers of the look-up.
const SUCCESS: u64 = 0;
const BLACKHOLE: u64 = 1;
const UNREACHABLE: u64 = 2;
const PROHIBIT: u64 = 3;
const NOT_FORWARDED: u64 = 4;
const FORWARDING_DISABLED: u64 = 5;
const NO_NEIGHBOUR: u64 = 7;
const TOO_LONG: u64 = 8;
const NO_SOURCE: u64 = 9;

/// `struct bpf_fib_lookup` in guest memory. Addresses are in network order, other numbers in the guest's.
struct Parameters(u64);

impl Parameters {
    const SIZE: u64 = 6;
    const IFINDEX: u64 = 8;
    const METRIC: u64 = 12;
    const SOURCE: u64 = 16;
    const DESTINATION: u64 = 32;
    const TABLE: u64 = 48;
    const LINKS: u64 = 52;

    fn word(&self, call: &Call<'_>, at: u64) -> Result<u32, Trap> {
        Ok(call.read_i32(self.0.wrapping_add(at))? as u32)
    }

    fn half(&self, call: &Call<'_>, at: u64) -> Result<u32, Trap> {
        let bytes = call.read(self.0.wrapping_add(at), 2)?;
        let bytes = bytes.first_chunk().copied().unwrap_or_default();
        Ok(match call.endian() {
            bpfld_insn::Endian::Little => u16::from_le_bytes(bytes),
            bpfld_insn::Endian::Big => u16::from_be_bytes(bytes),
        }
        .into())
    }

    fn set(&self, call: &mut Call<'_>, at: u64, value: u32, size: usize) -> Result<(), Trap> {
        call.write_number(self.0.wrapping_add(at), value.into(), size)
    }

    fn destination(&self, call: &Call<'_>) -> Result<Option<IpAddr>, Trap> {
        let family = call.read(self.0, 1)?.first().copied().unwrap_or(0);
        let bytes = call.read(self.0.wrapping_add(Self::DESTINATION), 16)?;
        Ok(match family {
            2 => bytes
                .first_chunk::<4>()
                .map(|bytes| Ipv4Addr::from(*bytes).into()),
            10 => bytes
                .first_chunk::<16>()
                .map(|bytes| Ipv6Addr::from(*bytes).into()),
            _ => None,
        })
    }

    fn set_address(&self, call: &mut Call<'_>, at: u64, address: IpAddr) -> Result<(), Trap> {
        let at = self.0.wrapping_add(at);
        match address {
            IpAddr::V4(address) => call.write(at, &address.octets()),
            IpAddr::V6(address) => call.write(at, &address.octets()),
        }
    }
}

pub(crate) fn lookup(call: &mut Call<'_>) -> Result<u64, Trap> {
    call.context(0)?;
    let [_, at, len, flags, _] = call.args;
    let parameters = Parameters(at);
    let flags = flags & 0xffff_ffff;
    if (len as i32) < PARAMETERS as i32 || flags & !KNOWN != 0 {
        return Ok(errno(Errno::EINVAL));
    }
    let Some(destination) = parameters.destination(call)? else {
        return Ok(errno(Errno::EAFNOSUPPORT));
    };
    let from = parameters.word(call, Parameters::IFINDEX)?;
    let size = parameters.half(call, Parameters::SIZE)?;
    let table = match flags & TABLE {
        0 => MAIN_TABLE,
        _ => parameters.word(call, Parameters::TABLE)?,
    };
    let network = &call.run.state.scenario.network;
    let Some(device) = network.device(from) else {
        return Ok(errno(Errno::ENODEV));
    };
    if !device.forwards && flags & OUTPUT == 0 {
        return Ok(FORWARDING_DISABLED);
    }
    let Some(route) = network.route(destination, table).cloned() else {
        return Ok(NOT_FORWARDED);
    };
    match route.kind {
        RouteKind::Unicast => {}
        RouteKind::Local => return Ok(NOT_FORWARDED),
        RouteKind::Blackhole => return Ok(BLACKHOLE),
        RouteKind::Unreachable => return Ok(UNREACHABLE),
        RouteKind::Prohibit => return Ok(PROHIBIT),
    }
    let next = route.gateway.unwrap_or(destination);
    let out = network.device(route.ifindex).cloned();
    let neighbour = network.neighbour(route.ifindex, next).cloned();
    let mtu = out.as_ref().map_or(0, |device| device.mtu);
    if size > 0 && mtu > 0 && size > mtu {
        parameters.set(call, Parameters::SIZE, mtu, 2)?;
        return Ok(TOO_LONG);
    }
    if flags & SOURCE != 0 {
        let Some(source) = route.source else {
            return Ok(NO_SOURCE);
        };
        parameters.set_address(call, Parameters::SOURCE, source)?;
    }
    parameters.set(call, Parameters::METRIC, route.metric, 4)?;
    parameters.set(call, Parameters::IFINDEX, route.ifindex, 4)?;
    if let Some(gateway) = route.gateway {
        let family = if gateway.is_ipv4() { 2 } else { 10 };
        parameters.set(call, 0, family, 1)?;
        parameters.set_address(call, Parameters::DESTINATION, gateway)?;
    }
    if flags & SKIP_NEIGHBOUR == 0 {
        let Some(neighbour) = neighbour else {
            return Ok(NO_NEIGHBOUR);
        };
        let own = out.map_or([0; 6], |device| device.address);
        let links = [own, neighbour.link].concat();
        call.write(at.wrapping_add(Parameters::LINKS), &links)?;
    }
    // the tag of a virtual network: none
    parameters.set(call, Parameters::TABLE, 0, 4)?;
    parameters.set(call, Parameters::SIZE, mtu, 2)?;
    Ok(SUCCESS)
}

/// Does the packet fit a device?
pub(crate) fn check_mtu(call: &mut Call<'_>) -> Result<u64, Trap> {
    /// Answer: it would have to be cut.
    const TOO_LONG: u64 = 1;
    const SEGMENTS: u64 = 1;
    call.context(0)?;
    let [_, ifindex, at, difference, flags] = call.args;
    let is_xdp = call.run.state.context.xdp().is_some();
    let given = call.read_i32(at)? as u32;
    let asks_segments = !is_xdp && flags & SEGMENTS != 0;
    if flags & !(if is_xdp { 0 } else { SEGMENTS }) != 0
        || (asks_segments && (difference as i32 != 0 || given != 0))
    {
        return Ok(errno(Errno::EINVAL));
    }
    let own = call.run.state.context.ifindex();
    let ifindex = if ifindex as u32 == 0 { own } else { ifindex as u32 };
    let Some(device) = call.run.state.scenario.network.device(ifindex) else {
        return Ok(errno(Errno::ENODEV));
    };
    let mtu = device.mtu;
    let state = &*call.run.state;
    let region = state.memory.region(RegionId::PACKET);
    let len = region.map_or(0, |region| {
        region.end() - state.context.packet_start(&state.memory)
    }) as u32;
    let len = if given != 0 {
        given.wrapping_add(ETHERNET)
    } else {
        len
    };
    let len = i64::from(len) + i64::from(difference as i32);
    call.write_number(at, mtu.into(), 4)?;
    Ok(if len > i64::from(mtu) + i64::from(ETHERNET) {
        TOO_LONG
    } else {
        SUCCESS
    })
}
