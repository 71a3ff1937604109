//! The text of declarations, and what stands after each.

use alloc::{borrow::ToOwned, format, string::String, vec::Vec};
use core::fmt::Write;

use hashbrown::{HashMap, HashSet};

use super::{bits, names::Scope, plan::Planner};
use crate::{Btf, DeclareError, TypeId};

pub(super) const ALLOW: &str =
    "#[allow(nonstandard_style, dead_code, missing_docs, unreachable_pub, clippy::all)]\n";
pub(super) const DERIVE: &str = "#[derive(Clone, Copy, Debug, ::zerocopy::FromBytes, ::zerocopy::Immutable, ::zerocopy::IntoBytes, ::zerocopy::KnownLayout)]\n";
/// How many characters count as much as a member.
pub(super) const UNIT: usize = 64;
/// How many times a declaration names itself, at most, besides its assertions.
pub(super) const NAMED: usize = 8;
/// Offsets in one assertion.
const MAX_ASSERTED: usize = 16;

/// Prints declarations of the types of one BTF, each once and after what it contains.
pub(super) struct Printer<'a> {
    pub(super) btf: &'a Btf,
    pub(super) planner: Planner<'a>,
    pub(super) scope: Scope,
    pub(super) names: HashMap<TypeId, String>,
    pub(super) done: HashSet<TypeId>,
    pub(super) out: String,
    pub(super) needs_bits: bool,
    pub(super) needs_part: bool,
    pub(super) depth: usize,
    /// How many more members and values may be printed.
    budget: usize,
}

impl<'a> Printer<'a> {
    pub(super) fn new(btf: &'a Btf) -> Self {
        let len = btf.bytes().as_slice().len();
        Self {
            btf,
            planner: Planner::new(btf),
            scope: Scope::items(),
            names: HashMap::new(),
            done: HashSet::new(),
            out: String::new(),
            needs_bits: false,
            needs_part: false,
            depth: 0,
            budget: len.saturating_mul(2).saturating_add(1 << 16),
        }
    }

    /// All declarations, with what they need.
    pub(super) fn finish(self) -> String {
        let bits = if self.needs_bits {
            bits::helpers(self.btf.endian())
        } else {
            ""
        };
        let part = if self.needs_part { bits::PART } else { "" };
        format!("{bits}{part}{}", self.out)
    }

    pub(super) fn spend(&mut self, much: usize) -> Result<(), DeclareError> {
        self.budget = self.budget.checked_sub(much).ok_or(DeclareError::TooLarge)?;
        Ok(())
    }

    /// The value of all zeros, and methods.
    pub(super) fn finish_struct(&mut self, name: &str, methods: &str) {
        let _ = writeln!(
            self.out,
            "impl ::core::default::Default for {name} {{\n    fn default() -> Self {{\n        ::zerocopy::FromZeros::new_zeroed()\n    }}\n}}\n"
        );
        if !methods.is_empty() {
            let _ = writeln!(
                self.out,
                "{ALLOW}impl {name} {{\n{}}}\n",
                methods.trim_end_matches('\n').to_owned() + "\n"
            );
        }
    }

    pub(super) fn assertions(&mut self, name: &str, size: u32, offsets: &[(String, u32)]) {
        let _ = writeln!(
            self.out,
            "const _: () = assert!(::core::mem::size_of::<{name}>() == {size});"
        );
        for some in offsets.chunks(MAX_ASSERTED) {
            let one = |(field, offset): &(String, u32)| {
                format!("::core::mem::offset_of!({name}, {field}) == {offset}")
            };
            let all: Vec<String> = some.iter().map(one).collect();
            let _ = writeln!(self.out, "const _: () = assert!({});", all.join(" && "));
        }
        self.out.push('\n');
    }
}
