//! From an object to a machine.

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use bpfld_btf::Targets;
use bpfld_object::{ExternKind, MapDef, MapIndex, MapKind, Object, ProgramIndex, SlotValue, ring_size};
use bpfld_sys::{MapType, ProgramType};

use super::bind::{Addresses, Externs, bind};
use super::{Builder, Error, Vm, kconfig};
use crate::code::{effects, is_doubtful, translate};
use crate::map::{Contents, MapSpec, PAGE, Special, number_key};
use crate::memory::Rights;
use crate::program::Code;
use crate::state::add_memory;

/// Pages as the kernel counts them for ring buffers.
const PAGE_BYTES: u32 = PAGE as u32;

pub(super) fn load(builder: &Builder, object: &Object) -> Result<Vm, Error> {
    check_names(builder, object)?;
    let mut vm = Vm::new(builder, object.endian());
    make_maps(&mut vm, builder, object)?;
    fill_globals(&mut vm, builder, object)?;
    fill_maps_of_maps(&mut vm, object)?;
    vm.variables = object.variables().to_vec();
    let externs = find_externs(&mut vm, builder, object);
    let numbers = load_programs(&mut vm, builder, object, &externs);
    vm.link_kfuncs();
    fill_program_arrays(&mut vm, object, &numbers)?;
    Ok(vm)
}

fn check_names(builder: &Builder, object: &Object) -> Result<(), Error> {
    for name in builder.max_entries.keys() {
        object.map(name).ok_or_else(|| Error::not_found("map", name))?;
    }
    for name in builder.program_types.keys() {
        object
            .program(name)
            .ok_or_else(|| Error::not_found("program", name))?;
    }
    Ok(())
}

fn make_maps(vm: &mut Vm, builder: &Builder, object: &Object) -> Result<(), Error> {
    for def in object.maps() {
        let mut spec = MapSpec::of(def);
        if let Some(entries) = builder.max_entries.get(&*def.name) {
            spec.max_entries = *entries;
        }
        if matches!(spec.map_type, MapType::RINGBUF | MapType::USER_RINGBUF) {
            spec.max_entries = ring_size(spec.max_entries, PAGE_BYTES);
        }
        // what is no map of this machine keeps its number all the same
        if def.kind == MapKind::StructOps {
            spec.map_type = MapType::STRUCT_OPS;
        }
        let number = vm.add_map(spec)?;
        if let (Some(btf), Some(value), Some(map)) =
            (object.btf(), def.value_type, vm.state.maps.get_mut(number))
        {
            map.special = Some(Special::of(btf, value));
        }
    }
    Ok(())
}

fn fill_globals(vm: &mut Vm, builder: &Builder, object: &Object) -> Result<(), Error> {
    let mut contents: BTreeMap<MapIndex, Vec<u8>> = BTreeMap::new();
    for (index, def) in object.maps().iter().enumerate() {
        let value: Cow<'_, [u8]> = match def.kind {
            MapKind::Kconfig => kconfig::values(builder, object, def.value_size as usize)?.into(),
            _ if def.is_global_data() || def.map_type == MapType::ARENA => object.initial_value(def).into(),
            _ => continue,
        };
        contents.insert(MapIndex(index as u32), value.into_owned());
    }
    for (name, value) in &builder.globals {
        let variable = object
            .variable(name)
            .ok_or_else(|| Error::not_found("global variable", name))?;
        if variable.size as usize != value.len() {
            let problem = format!(
                "it has {} bytes, but the value has {}",
                variable.size,
                value.len()
            );
            return Err(Error::new("global variable", name.as_str(), problem));
        }
        let bytes = contents.entry(variable.map).or_default();
        let start = variable.offset as usize;
        let end = start + value.len();
        if end
            > object
                .maps()
                .get(variable.map.index())
                .map_or(0, |def: &MapDef| def.value_size as usize)
        {
            return Err(Error::new(
                "global variable",
                name.as_str(),
                "it lies outside of its map",
            ));
        }
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        if let Some(place) = bytes.get_mut(start..end) {
            place.copy_from_slice(value);
        }
    }
    for (index, value) in contents {
        let Some(map) = vm.state.maps.get(index.index()) else {
            continue;
        };
        let before = match map.contents {
            Contents::Arena { .. } => PAGE,
            _ => 0,
        };
        let Some(region) = vm.state.memory.region_mut(map.region) else {
            continue;
        };
        let room = region.bytes.len().saturating_sub(before);
        if value.len() > room.max(map.spec.value_size as usize) {
            return Err(Error::new(
                "map",
                map.spec.name.as_str(),
                "its contents are larger than it is",
            ));
        }
        if let Some(place) = region.bytes.get_mut(before..before + value.len().min(room)) {
            place.copy_from_slice(value.get(..place.len()).unwrap_or_default());
        }
        let name = map.spec.name.clone();
        if let Some(Contents::Arena { pages }) =
            vm.state.maps.get_mut(index.index()).map(|map| &mut map.contents)
        {
            let used = value.len().div_ceil(PAGE);
            if used > pages.len() {
                return Err(Error::new("map", name, "its contents are larger than it is"));
            }
            pages.iter_mut().take(used).for_each(|page| *page = true);
        }
    }
    Ok(())
}

fn fill_maps_of_maps(vm: &mut Vm, object: &Object) -> Result<(), Error> {
    let endian = object.endian();
    for (index, def) in object.maps().iter().enumerate() {
        for (slot, value) in &def.slots {
            let SlotValue::Map(inner) = value else { continue };
            let Some(map) = vm.state.maps.get_mut(index) else {
                continue;
            };
            map.set_number(&number_key(*slot, endian), inner.index(), endian)
                .map_err(|error| {
                    Error::new("map", &*def.name, format!("cannot set element {slot}: {error}"))
                })?;
        }
    }
    Ok(())
}

fn fill_program_arrays(
    vm: &mut Vm,
    object: &Object,
    numbers: &BTreeMap<ProgramIndex, usize>,
) -> Result<(), Error> {
    let endian = object.endian();
    for (index, def) in object.maps().iter().enumerate() {
        if def.map_type != MapType::PROG_ARRAY {
            continue;
        }
        for (slot, value) in &def.slots {
            let SlotValue::Program(program) = value else {
                continue;
            };
            let (Some(map), Some(number)) = (vm.state.maps.get_mut(index), numbers.get(program)) else {
                continue;
            };
            map.set_number(&number_key(*slot, endian), *number, endian)
                .map_err(|error| {
                    Error::new("map", &*def.name, format!("cannot set element {slot}: {error}"))
                })?;
        }
    }
    Ok(())
}

/// Variables of the kernel are where the host put them; those it did not give get an address where nothing is.
fn find_externs(vm: &mut Vm, builder: &Builder, object: &Object) -> Externs {
    let mut addresses = Vec::with_capacity(object.externs().len());
    for item in object.externs() {
        let given = builder.variables.get(&*item.name);
        let address = match (item.kind, given) {
            (ExternKind::Ksym { .. }, Some(bytes)) => {
                add_memory(&mut vm.state, &item.name, bytes.clone(), Rights::ReadWrite)
            }
            (ExternKind::Ksym { .. } | ExternKind::Kfunc { .. }, _) if !item.weak => {
                let name = format!("kernel symbol {}, which was not given", item.name);
                add_memory(&mut vm.state, &name, Vec::new(), Rights::None)
            }
            _ => 0,
        };
        addresses.push(address);
    }
    Externs { addresses }
}

fn load_programs(
    vm: &mut Vm,
    builder: &Builder,
    object: &Object,
    externs: &Externs,
) -> BTreeMap<ProgramIndex, usize> {
    let types = builder.target.clone().or_else(|| object.btf().cloned());
    let targets = types.map(Targets::new);
    let mut numbers = BTreeMap::new();
    for (index, program) in object.programs().iter().enumerate() {
        let name = program.name.to_string();
        let result = load_program(vm, builder, object, program, targets.as_ref(), externs);
        if let Ok(number) = &result {
            numbers.insert(ProgramIndex(index as u32), *number);
        }
        let result = result.map_err(|problem| Error::new("program", name.as_str(), problem));
        vm.programs.insert(name, result);
    }
    numbers
}

fn load_program(
    vm: &mut Vm,
    builder: &Builder,
    object: &Object,
    program: &bpfld_object::Program,
    targets: Option<&Targets>,
    externs: &Externs,
) -> Result<usize, String> {
    let mut linked = object.link(program).map_err(|error| error.to_string())?;
    if let Some(targets) = targets {
        for report in linked.apply_core(object, targets) {
            if report.outcome.is_failure() {
                return Err(format!("CO-RE relocation of {report}"));
            }
        }
    }
    let number = vm.image.programs.len();
    bind(&mut linked, object, number, externs, &mut vm.image, &mut vm.state)?;
    let addresses = Addresses {
        state: &vm.state,
        program: number,
    };
    let steps = translate(&linked.insns, &addresses).map_err(|error| error.to_string())?;
    let spec = program.spec.as_ref();
    let program_type = builder.program_types.get(&*program.name).copied();
    let functions = linked.functions.iter().map(|linked| {
        let function = object.function(linked.function);
        (
            linked.start,
            Arc::from(function.map_or("?", |function| &function.name)),
        )
    });
    vm.image.doubtful |= is_doubtful(&linked.insns, linked.exception_callback);
    vm.image.programs.push(Arc::new(Code {
        name: Arc::from(&*program.name),
        program_type: program_type
            .or(spec.map(|spec| spec.program_type))
            .unwrap_or(ProgramType::UNSPEC),
        exception_callback: linked.exception_callback,
        functions: functions.collect(),
        effects: effects(&linked.insns),
        slots: linked.insns,
        steps,
        lines: linked.line_info,
        btf: object.btf().cloned(),
    }));
    Ok(number)
}
