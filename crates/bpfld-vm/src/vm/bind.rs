//! Binding: what the names of a program are in this machine.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use bpfld_insn::{Endian, Slot, pseudo};
use bpfld_object::{ExternIndex, LinkedProgram, Object, Target};

use crate::address::{GuestAddr, code_address, map_address};
use crate::code::Names;
use crate::image::Image;
use crate::map::{Contents, PAGE};
use crate::memory::{Region, RegionKind, Rights, Shape};
use crate::state::State;

/// Addresses in the machine, for one program.
pub(super) struct Addresses<'a> {
    pub(super) state: &'a State,
    pub(super) program: usize,
}

impl Names for Addresses<'_> {
    fn map(&self, number: u32) -> Option<u64> {
        let number = number as usize;
        (number < self.state.maps.len()).then(|| map_address(number))
    }

    fn map_value(&self, number: u32, offset: u32) -> Option<u64> {
        let map = self.state.maps.get(number as usize)?;
        let before = match map.contents {
            Contents::Arena { .. } => PAGE as u64,
            _ => 0,
        };
        Some(GuestAddr::new(map.region, before + u64::from(offset)).0)
    }

    fn code(&self, slot: u32) -> u64 {
        code_address(self.program, slot)
    }

    fn arena(&self) -> u64 {
        let arena = self
            .state
            .maps
            .iter()
            .find(|map| matches!(map.contents, Contents::Arena { .. }));
        arena.map_or(0, |map| GuestAddr::new(map.region, 0).0)
    }
}

/// What stands for the externs of an object.
pub(super) struct Externs {
    /// The address of each variable that was given, or of each that was not.
    pub(super) addresses: Vec<u64>,
}

impl Externs {
    fn address(&self, index: ExternIndex) -> u64 {
        self.addresses.get(index.index()).copied().unwrap_or(0)
    }
}

/// Puts numbers of maps, addresses and numbers of kernel functions into the instructions.
pub(super) fn bind(
    linked: &mut LinkedProgram,
    object: &Object,
    program: usize,
    externs: &Externs,
    image: &mut Image,
    state: &mut State,
) -> Result<(), String> {
    let tables: Vec<u64> = linked
        .jump_tables
        .iter()
        .map(|table| add_table(&table.targets, program, image.endian, state))
        .collect();
    let LinkedProgram {
        insns, relocations, ..
    } = linked;
    let bad = || String::from("a relocation is not at a 64-bit load");
    for relocation in relocations.iter() {
        let at = relocation.at as usize;
        if let Target::Kfunc(index) = relocation.target {
            let call = insns.get_mut(at).ok_or_else(bad)?;
            let name = object.extern_at(index).map_or("?", |item| item.essential_name());
            let number = image.kfunc_number(name);
            *call = call
                .with_src(pseudo::CALL_KFUNC)
                .with_imm(number as i32)
                .with_offset(0);
            continue;
        }
        if matches!(relocation.target, Target::Core(_)) {
            continue;
        }
        let load = insns
            .get_mut(at..)
            .and_then(|rest| rest.first_chunk_mut::<2>())
            .ok_or_else(bad)?;
        match relocation.target {
            Target::Map(map) => load[0] = load[0].with_src(pseudo::LOAD_MAP).with_imm(map.0 as i32),
            Target::MapValue { map, offset } => {
                load[0] = load[0].with_src(pseudo::LOAD_MAP_VALUE).with_imm(map.0 as i32);
                load[1].imm = offset as i32;
            }
            Target::Ksym(index) | Target::KfuncAddress(index) => constant(load, externs.address(index)),
            Target::JumpTable(table) => {
                let base = tables.get(table as usize).copied().ok_or_else(bad)?;
                constant(load, base.wrapping_add(load[1].imm as u32 as u64));
            }
            _ => return Err(bad()),
        }
    }
    Ok(())
}

fn constant(load: &mut [Slot; 2], value: u64) {
    load[0] = load[0].with_src(pseudo::LOAD_VALUE).with_imm(value as i32);
    load[1].imm = (value >> 32) as i32;
}

/// A table of jump targets as memory: an address of code in each 8 bytes.
fn add_table(targets: &[u32], program: usize, endian: Endian, state: &mut State) -> u64 {
    let addresses = targets.iter().map(|slot| code_address(program, *slot));
    let bytes = addresses.flat_map(|address| match endian {
        Endian::Little => address.to_le_bytes(),
        Endian::Big => address.to_be_bytes(),
    });
    let name: Arc<str> = "jump table".into();
    let region = Region::new(
        RegionKind::Host,
        name,
        Rights::Read,
        Shape::Plain,
        bytes.collect(),
    );
    GuestAddr::new(state.memory.add(region), 0).0
}
