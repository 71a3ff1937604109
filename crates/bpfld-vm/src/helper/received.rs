//! What a device tells about the packet that it received.

use bpfld_sys::Errno;

use super::call::{Call, errno};
use crate::fault::Trap;

/// `bpf_xdp_metadata_rx_timestamp`
pub(crate) fn time(call: &mut Call<'_>) -> Result<u64, Trap> {
    call.context(0)?;
    let to = call.args[1];
    let Some(time) = call.scenario().network.received.time else {
        return Ok(errno(Errno::EOPNOTSUPP));
    };
    call.write_number(to, time, 8)?;
    Ok(0)
}

/// `bpf_xdp_metadata_rx_hash`
pub(crate) fn hash(call: &mut Call<'_>) -> Result<u64, Trap> {
    call.context(0)?;
    let [_, to, kind_to, ..] = call.args;
    let Some((hash, kind)) = call.scenario().network.received.hash else {
        return Ok(errno(Errno::EOPNOTSUPP));
    };
    call.write_number(to, hash.into(), 4)?;
    call.write_number(kind_to, kind.into(), 4)?;
    Ok(0)
}

/// `bpf_xdp_metadata_rx_vlan_tag`
pub(crate) fn vlan(call: &mut Call<'_>) -> Result<u64, Trap> {
    call.context(0)?;
    let [_, protocol_to, tag_to, ..] = call.args;
    let Some((protocol, tag)) = call.scenario().network.received.vlan else {
        return Ok(errno(Errno::EOPNOTSUPP));
    };
    // the protocol is in network order
    call.write(protocol_to, &protocol.to_be_bytes())?;
    call.write_number(tag_to, tag.into(), 2)?;
    Ok(0)
}
