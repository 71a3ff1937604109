//! Where a C compiler would put members, and what must be written so that it puts them elsewhere.

use alloc::{string::String, vec, vec::Vec};
use core::fmt::Write;

use crate::{Btf, Error, Kind, Member, Type, TypeId, align};

/// Gaps longer than this, in bits, are filled with one named array instead of unnamed bit fields, which clang leaves
/// out of the BTF it writes.
const MAX_UNNAMED: u64 = 4096 * 8;

/// The alignments of types, each computed once: many structs are members of many others.
#[derive(Default)]
pub(super) struct Alignments {
    /// By type id, in bytes; zero where not asked for yet.
    known: Vec<u32>,
    composites: align::Alignments,
}

impl Alignments {
    fn of(&mut self, btf: &Btf, id: TypeId) -> Result<u32, Error> {
        if self.known.is_empty() {
            self.known = vec![0; btf.len() as usize];
        }
        let known = self.known.get_mut(id.0 as usize);
        if let Some(align) = known.as_deref().filter(|align| **align != 0) {
            return Ok(*align);
        }
        let align = self.composites.of(btf, id)?;
        if let Some(known) = known {
            *known = align;
        }
        Ok(align)
    }
}

/// Lays out the members of one struct or union, as a compiler would.
pub(super) struct Layout<'a> {
    btf: &'a Btf,
    is_union: bool,
    pub(super) is_packed: bool,
    /// Where the compiler is, in bits.
    at: u64,
    /// The largest alignment so far, in bits.
    align: u64,
    /// The size of the largest member so far, in bits.
    largest: u64,
    /// How many named gaps there are.
    gaps: u32,
}

impl<'a> Layout<'a> {
    pub(super) fn new(btf: &'a Btf, alignments: &mut Alignments, ty: &Type<'_>) -> Result<Self, Error> {
        let is_packed = is_packed(btf, alignments, ty)?;
        Ok(Self {
            btf,
            is_union: ty.kind() == Kind::UNION,
            is_packed,
            at: 0,
            align: 8,
            largest: 0,
            gaps: 0,
        })
    }

    /// Writes what must stand before a member, and moves behind the member.
    pub(super) fn member(
        &mut self,
        out: &mut String,
        indent: usize,
        alignments: &mut Alignments,
        member: &Member<'_>,
    ) -> Result<(), Error> {
        if self.is_union {
            self.at = 0;
        }
        let (start, width) = (u64::from(member.bit_offset), u64::from(member.bitfield_size));
        let align = match (self.is_packed, width) {
            (true, 0) => 8,
            (true, _) => 1,
            (false, _) => u64::from(alignments.of(self.btf, member.type_id)?) * 8,
        };
        let size = u64::from(self.btf.resolve_size(member.type_id)?) * 8;
        let fits = |at: u64| at.checked_div(size) == (at + width).saturating_sub(1).checked_div(size);
        let natural = match width {
            0 => self.at.next_multiple_of(align),
            _ if self.is_packed || fits(self.at) => self.at,
            _ => self.at.next_multiple_of(size.max(1)),
        };
        if natural < start {
            self.fill(out, indent, start);
        }
        self.at = start + if width == 0 { size } else { width };
        self.align = self.align.max(align);
        self.largest = self.largest.max(size);
        Ok(())
    }

    /// Writes what must stand before the closing brace.
    pub(super) fn end(&mut self, out: &mut String, indent: usize, size: u32) {
        let size = u64::from(size) * 8;
        if self.is_union {
            self.at = self.largest;
        }
        let natural = if self.is_packed {
            self.at.next_multiple_of(8)
        } else {
            self.at.next_multiple_of(self.align)
        };
        if natural < size {
            if self.is_union {
                self.array(out, indent, size / 8);
            } else {
                self.fill(out, indent, size);
            }
        }
    }

    /// Unnamed bit fields up to `end`, each as large as fits and aligned to its size.
    fn fill(&mut self, out: &mut String, indent: usize, end: u64) {
        while self.at < end {
            let gap = end - self.at;
            if gap > MAX_UNNAMED && self.at.is_multiple_of(8) {
                self.array(out, indent, gap / 8);
                self.at += gap / 8 * 8;
                continue;
            }
            let whole = [(64, "long"), (32, "int"), (16, "short"), (8, "char")];
            let is_fit = |(bits, _): &(u64, &str)| self.at.is_multiple_of(*bits) && gap >= *bits;
            let (bits, name) = match whole.into_iter().find(is_fit) {
                Some(piece) => piece,
                None => (gap.min(8 - self.at % 8), "char"),
            };
            tabs(out, indent);
            // Writing to a string does not fail.
            let _ = writeln!(out, "{name}: {bits};");
            self.at += bits;
        }
    }

    fn array(&mut self, out: &mut String, indent: usize, bytes: u64) {
        self.gaps += 1;
        tabs(out, indent);
        let _ = writeln!(out, "unsigned char __gap{}[{bytes}];", self.gaps);
    }
}

pub(super) fn tabs(out: &mut String, indent: usize) {
    out.extend(core::iter::repeat_n('\t', indent));
}

/// Whether members lie where they would not without the attribute `packed`.
fn is_packed(btf: &Btf, alignments: &mut Alignments, ty: &Type<'_>) -> Result<bool, Error> {
    let mut largest = 1;
    for member in ty.members() {
        let align = alignments.of(btf, member.type_id)?;
        largest = largest.max(align);
        let start = u64::from(member.bit_offset);
        let is_out_of_place = match u64::from(member.bitfield_size) {
            0 => !start.is_multiple_of(u64::from(align) * 8),
            width => {
                let unit = u64::from(btf.resolve_size(member.type_id)?).max(1) * 8;
                start / unit != (start + width - 1) / unit
            }
        };
        if is_out_of_place {
            return Ok(true);
        }
    }
    Ok(!ty.size_bytes().unwrap_or(0).is_multiple_of(largest))
}
