//! The run in the kernel.

use anyhow::{Context, Result};
use bpfld::{Loader, Map, MapType, Program, RingBuf, TestRunResult};
use bpfld_object::{Object, Pinning};

use super::Ran;
use crate::contents::{Element, Raw};
use crate::input::Takes;

pub(super) fn run(object: &Object, program: &str, data: Option<&[u8]>, repeat: u32) -> Result<Ran> {
    let loaded = load(object, program)?;
    let TestRunResult {
        return_value,
        duration,
        data,
        context,
        ..
    } = test_run(loaded.program(program)?, data, repeat)?;
    Ok(Ran {
        return_value,
        duration,
        data,
        context,
        packets: Vec::new(),
        maps: loaded.maps().map(raw).collect(),
    })
}

/// Load the object without pinning anything. Only the program asked for must load.
fn load(object: &Object, program: &str) -> Result<bpfld::Loaded> {
    let mut loader = Loader::new();
    for map in object.maps().iter().filter(|map| map.pinning != Pinning::None) {
        loader.map(&*map.name).no_pin();
    }
    let mut partial = loader.autoload(program, true).load_partial(object)?;
    match partial.failed.iter().position(|(name, _)| name == program) {
        Some(at) => Err(partial.failed.swap_remove(at).1.into()),
        None => Ok(partial.loaded),
    }
}

fn test_run(program: &Program, data: Option<&[u8]>, repeat: u32) -> Result<TestRunResult> {
    let kind = program.program_type();
    let run = program.test_run();
    let run = if repeat > 1 { run.repeat(repeat) } else { run };
    let result = match (Takes::of(kind), data) {
        (Takes::Packet, Some(data)) => run.data(data).run(),
        (Takes::Packet, None) => run.data(&[0; 64]).run(),
        (Takes::Context, Some(data)) => run.context(data).run(),
        (Takes::Context, None) => run.run(),
    };
    result.with_context(|| {
        format!(
            "cannot run a program of type {kind} in the kernel; `--on vm` runs it in the userspace machine"
        )
    })
}

fn raw(map: &Map) -> Raw {
    let (name, map_type, max_entries) = (map.name(), map.map_type(), map.max_entries());
    if map_type == MapType::RINGBUF
        && let Ok(records) = records(map)
    {
        return Raw::records(name, map_type, max_entries, records);
    }
    if !is_readable(map_type) {
        return Raw {
            name: name.to_owned(),
            map_type,
            max_entries,
            elements: Err("elements of this type of map cannot be read".to_owned()),
            left_out: 0,
            records: Vec::new(),
        };
    }
    let cpus = map.cpus();
    let size = map.spec().value_size as usize;
    let split = |(key, value): (Vec<u8>, Vec<u8>)| -> Element {
        if cpus == 1 {
            return (key, vec![value]);
        }
        let stride = (value.len() / cpus).max(1);
        let values = value
            .chunks(stride)
            .map(|value| value.get(..size).unwrap_or(value).to_vec());
        (key, values.collect())
    };
    Raw::collect(
        name,
        map_type,
        max_entries,
        map.entries().map(|entry| entry.map(split)),
    )
}

/// What is in a ring buffer, up to the first record that is still being filled.
fn records(map: &Map) -> Result<Vec<Vec<u8>>, bpfld::Error> {
    let mut ring = RingBuf::try_from(map)?;
    let mut out = Vec::new();
    while let Some(record) = ring.read()? {
        out.push(record.to_vec());
    }
    Ok(out)
}

/// Whether user space can walk the elements of a map and read them.
fn is_readable(kind: MapType) -> bool {
    matches!(
        kind,
        MapType::HASH
            | MapType::ARRAY
            | MapType::PERCPU_HASH
            | MapType::PERCPU_ARRAY
            | MapType::LRU_HASH
            | MapType::LRU_PERCPU_HASH
            | MapType::LPM_TRIE
            | MapType::STACK_TRACE
    )
}
