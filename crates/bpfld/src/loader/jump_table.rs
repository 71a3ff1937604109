//! Tables of jump targets, each a map of its own (Linux 6.19).

use std::os::fd::BorrowedFd;

use bpfld_object::LinkedProgram;
use bpfld_sys::{self as sys, ElemFlags, MapType};

use crate::map::{Map, MapSpec};

/// Key: the number of the entry. Value: the instruction, before and after verification, and in machine code.
const KEY: u32 = 4;
const VALUE: u32 = 16;
const NAME: &str = "jt";

/// Makes the maps of a program's tables, in their order.
pub(crate) fn create(linked: &LinkedProgram, token: Option<BorrowedFd<'_>>) -> Result<Vec<Map>, sys::Error> {
    let tables = linked.jump_tables.iter();
    tables.map(|table| one(&table.targets, token)).collect()
}

fn one(targets: &[u32], token: Option<BorrowedFd<'_>>) -> Result<Map, sys::Error> {
    let entries = u32::try_from(targets.len()).unwrap_or(u32::MAX);
    let mut request = sys::MapCreate::new(MapType::INSN_ARRAY, KEY, VALUE, entries);
    request.name = NAME;
    request.token = token;
    let fd = sys::map_create(&request)?;
    for (number, target) in targets.iter().enumerate() {
        let mut value = [0; VALUE as usize];
        value[..4].copy_from_slice(&target.to_ne_bytes());
        sys::map_update_elem(&fd, &(number as u32).to_ne_bytes(), &value, ElemFlags::empty())?;
    }
    sys::map_freeze(&fd)?;
    let spec = MapSpec {
        name: NAME.to_owned(),
        map_type: MapType::INSN_ARRAY,
        key_size: KEY,
        value_size: VALUE,
        max_entries: entries,
        flags: request.flags,
        map_extra: 0,
    };
    Ok(Map::from_parts(fd, spec))
}
