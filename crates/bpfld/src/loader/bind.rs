//! Binding: the values that only a kernel can tell are put into the instructions.

use std::os::fd::AsRawFd;

use bpfld_insn::{Slot, pseudo};
use bpfld_object::poison::Missing;
use bpfld_object::{ExternIndex, LinkedProgram, MapIndex, Target};

use crate::error::{Error, Subject};
use crate::externs::Resolution;
use crate::map::Map;

/// What stands behind the names of a program.
pub(crate) trait Names {
    /// The map of this number, unless it was not made.
    fn map(&self, map: MapIndex) -> Option<&Map>;
    /// What was found for the extern of this number.
    fn resolution(&self, index: ExternIndex) -> Option<Resolution>;
    /// The map made for a table of jump targets.
    fn jump_table(&self, table: u32) -> Option<&Map>;
}

/// Puts descriptors, addresses and type numbers into the instructions. Returns the descriptors of modules that calls
/// refer to by position; the first position is never used.
pub(crate) fn bind(linked: &mut LinkedProgram, names: &impl Names) -> Result<Vec<i32>, Error> {
    let mut modules = Modules::default();
    let LinkedProgram {
        name,
        insns,
        relocations,
        ..
    } = linked;
    let bad = || {
        Error::invalid(
            Subject::Program(name.to_string()),
            "a relocation is not at a 64-bit load",
        )
    };
    for relocation in relocations.iter() {
        let at = relocation.at as usize;
        if let Target::Kfunc(index) = relocation.target {
            let call = insns.get_mut(at).ok_or_else(bad)?;
            *call = kfunc_call(*call, index, names.resolution(index).as_ref(), &mut modules)?;
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
            Target::Map(map) => map_load(load, map, names.map(map), pseudo::LOAD_MAP),
            Target::MapValue { map, offset } => {
                load[1].imm = offset as i32;
                map_load(load, map, names.map(map), pseudo::LOAD_MAP_VALUE);
            }
            Target::Ksym(index) | Target::KfuncAddress(index) => {
                address_load(load, names.resolution(index).as_ref())?;
            }
            Target::JumpTable(table) => {
                let map = names.jump_table(table).ok_or_else(bad)?;
                load[0] = load[0].with_src(pseudo::LOAD_MAP_VALUE).with_imm(raw_fd(map));
            }
            _ => return Err(bad()),
        }
    }
    Ok(modules.fds)
}

fn raw_fd(map: &Map) -> i32 {
    use std::os::fd::AsFd;
    map.as_fd().as_raw_fd()
}

fn map_load(load: &mut [Slot; 2], index: MapIndex, map: Option<&Map>, source: u8) {
    match map {
        Some(map) => load[0] = load[0].with_src(source).with_imm(raw_fd(map)),
        None => load.fill(Missing::Map(index).insn()),
    }
}

fn address_load(load: &mut [Slot; 2], resolution: Option<&Resolution>) -> Result<(), Error> {
    match resolution {
        Some(Resolution::Type(found)) => {
            load[0] = load[0]
                .with_src(pseudo::LOAD_VARIABLE)
                .with_imm(found.id.0 as i32);
            load[1].imm = found.fd()?.map_or(0, |fd| fd.as_raw_fd());
        }
        Some(Resolution::Address(address)) => {
            load[0].imm = *address as i32;
            load[1].imm = (*address >> 32) as i32;
        }
        Some(Resolution::Missing) | None => {
            load[0].imm = 0;
            load[1].imm = 0;
        }
    }
    Ok(())
}

fn kfunc_call(
    call: Slot,
    index: ExternIndex,
    resolution: Option<&Resolution>,
    modules: &mut Modules,
) -> Result<Slot, Error> {
    let Some(Resolution::Type(found)) = resolution else {
        return Ok(Missing::Kfunc(index).insn());
    };
    let position = match found.fd()? {
        Some(fd) => modules.position(fd.as_raw_fd())?,
        None => 0,
    };
    Ok(call
        .with_src(pseudo::CALL_KFUNC)
        .with_imm(found.id.0 as i32)
        .with_offset(position))
}

/// Descriptors of modules' types that calls refer to.
#[derive(Default)]
struct Modules {
    fds: Vec<i32>,
}

impl Modules {
    fn position(&mut self, fd: i32) -> Result<i16, Error> {
        if self.fds.is_empty() {
            self.fds.push(0);
        }
        let found = self
            .fds
            .iter()
            .skip(1)
            .position(|known| *known == fd)
            .map(|found| found + 1);
        let position = found.unwrap_or_else(|| {
            self.fds.push(fd);
            self.fds.len() - 1
        });
        i16::try_from(position)
            .map_err(|_| Error::invalid(Subject::Object, "functions of too many modules are called"))
    }
}
