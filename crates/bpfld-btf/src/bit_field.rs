//! Where bit fields lie, in both encodings: before 2019, compilers wrote their width into an integer type of their own.

use crate::{Btf, Member};

/// The width of a bit field; zero if the member is none. Old compilers wrote it into an integer type of the member's own.
pub(crate) fn bit_width(btf: &Btf, member: &Member<'_>) -> u32 {
    if member.bitfield_size != 0 {
        return u32::from(member.bitfield_size);
    }
    let int = btf.resolve(member.type_id).ok().and_then(|ty| ty.int());
    match int {
        Some(int) if u32::from(int.bits) < int.size.saturating_mul(8) && int.bits != 0 => u32::from(int.bits),
        // Numbers begin at bytes.
        Some(int) if !member.bit_offset.is_multiple_of(8) => u32::from(int.bits),
        _ => 0,
    }
}

/// Where a bit field begins in its struct, in bits.
pub(crate) fn bit_start(btf: &Btf, member: &Member<'_>) -> u32 {
    let int = btf.resolve(member.type_id).ok().and_then(|ty| ty.int());
    let within = int
        .filter(|_| member.bitfield_size == 0)
        .map_or(0, |int| u32::from(int.bit_offset));
    member.bit_offset.saturating_add(within)
}
