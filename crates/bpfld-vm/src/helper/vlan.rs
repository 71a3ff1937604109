//! VLAN tags of socket buffers: the outermost is kept beside the packet, others are in it.

use bpfld_insn::Endian;
use bpfld_sys::Errno;

use super::call::{Call, errno};
use super::room::{protocol, set_protocol, take};
use super::skb::{LONGEST, bytes, bytes_mut, insert};
use crate::fault::Trap;

/// Where a tag is in the packet: behind the two addresses.
const AT: usize = 12;
const BYTES: usize = 4;
const CUSTOMER: u16 = 0x8100;
const PROVIDER: u16 = 0x88a8;
/// From here on the field is a protocol and no length.
const FIRST_PROTOCOL: u16 = 0x600;
const RAW_IPX: u16 = 1;
const LENGTH: u16 = 4;

/// A tag: protocol and identifier.
#[derive(Clone, Copy, Debug)]
struct Tag {
    protocol: u16,
    identifier: u16,
}

/// Takes the tag that is beside the packet.
fn taken(call: &mut Call<'_>) -> Option<Tag> {
    let fields = call.state().context.skb_mut()?;
    let tag = Tag {
        protocol: u16::from_be(fields.vlan_proto as u16),
        identifier: fields.vlan_tci as u16,
    };
    let is_there = fields.vlan_present != 0;
    (fields.vlan_present, fields.vlan_proto, fields.vlan_tci) = (0, 0, 0);
    is_there.then_some(tag)
}

fn put(call: &mut Call<'_>, tag: Tag) {
    if let Some(fields) = call.state().context.skb_mut() {
        fields.vlan_present = 1;
        fields.vlan_proto = tag.protocol.to_be().into();
        fields.vlan_tci = tag.identifier.into();
    }
}

/// The tag that was there goes into the packet.
pub(crate) fn push(call: &mut Call<'_>) -> Result<u64, Trap> {
    call.context(0)?;
    let [_, wanted, identifier, ..] = call.args;
    // the number is in network order; what is no such protocol becomes the usual one
    let wanted = match call.endian() {
        Endian::Little => (wanted as u16).swap_bytes(),
        Endian::Big => wanted as u16,
    };
    let wanted = Tag {
        protocol: if wanted == PROVIDER { PROVIDER } else { CUSTOMER },
        identifier: identifier as u16,
    };
    if let Some(old) = taken(call) {
        let len = call.state().context.skb_mut().map_or(0, |fields| fields.len);
        if len as usize + BYTES > LONGEST {
            put(call, old);
            return Ok(errno(Errno::ENOMEM));
        }
        insert(call, AT, BYTES);
        let tag = [old.protocol.to_be_bytes(), old.identifier.to_be_bytes()].concat();
        if let Some(place) = bytes_mut(call, AT as u64, BYTES) {
            place.copy_from_slice(&tag);
        }
        set_protocol(call, old.protocol);
    }
    put(call, wanted);
    Ok(0)
}

/// The next tag that is in the packet comes beside it.
pub(crate) fn pop(call: &mut Call<'_>) -> Result<u64, Trap> {
    call.context(0)?;
    if taken(call).is_none() && out_of_packet(call).is_none() {
        return Ok(0);
    }
    if let Some(next) = out_of_packet(call) {
        put(call, next);
    }
    Ok(0)
}

/// Takes the first tag out of the packet, if its protocol says that there is one.
fn out_of_packet(call: &mut Call<'_>) -> Option<Tag> {
    let tag_protocol = protocol(call);
    if !matches!(tag_protocol, CUSTOMER | PROVIDER) {
        return None;
    }
    let [a, b, c, d] = *bytes(call, AT as u64 + 2, 4)?.first_chunk()?;
    let behind = bytes(call, AT as u64 + 6, 2).map(<[u8]>::to_vec);
    take(call, AT, BYTES).ok()?;
    call.state().context.network_from(AT + 2);
    set_protocol(
        call,
        match (u16::from_be_bytes([c, d]), behind.as_deref()) {
            (found @ FIRST_PROTOCOL.., _) => found,
            (_, Some([0xff, 0xff])) => RAW_IPX,
            _ => LENGTH,
        },
    );
    Some(Tag {
        protocol: tag_protocol,
        identifier: u16::from_be_bytes([a, b]),
    })
}
