//! Elements of maps: single look-ups and updates, all of them, and those of an array in memory.

use std::hint::black_box;

use anyhow::{Context as _, Result, bail, ensure};
use bpfld::{Array, ElemFlags, Hash, Map, MapFlags, MapType};

use crate::{each, raw, report, theirs_aya, theirs_libbpf};

/// Elements of every map here.
pub(crate) const ELEMENTS: u32 = 100_000;

/// Runs the benchmark of this name; `false` if there is none.
pub(crate) fn run(case: &str, implementation: &str) -> Result<bool> {
    match case {
        "lookup" => lookup(implementation)?,
        "update" => update(implementation)?,
        "dump" => dump(implementation)?,
        "mapped" => mapped(implementation)?,
        _ => return Ok(false),
    }
    Ok(true)
}

/// A hash map of u32 to u64, the same for all.
fn map() -> Result<raw::Map> {
    raw::Map::new(ELEMENTS).context("cannot make the map")
}

fn ours(map: raw::Map) -> Result<Hash<u32, u64>> {
    Ok(Map::from_fd(map.fd)?.try_into()?)
}

/// Every implementation asks for the same keys.
fn lookup(implementation: &str) -> Result<()> {
    let map = map()?;
    match implementation {
        "bpfld" => {
            let map = ours(map)?;
            each(|key| check(map.get(&key)?.context("missing")?, key))
        }
        "libbpf" => each(|key| check(theirs_libbpf::get(&map.fd, key)?, key)),
        "aya" => {
            let map = theirs_aya::hash(map)?;
            each(|key| check(map.get(&key, 0)?, key))
        }
        "raw" => each(|key| check(map.get(key)?, key)),
        other => bail!("{other} looks nothing up"),
    }
}

#[inline]
fn check(value: u64, key: u32) -> Result<()> {
    ensure!(value == u64::from(key), "a wrong value");
    Ok(())
}

fn update(implementation: &str) -> Result<()> {
    let map = map()?;
    match implementation {
        "bpfld" => {
            let map = ours(map)?;
            each(|key| Ok(map.update(&key, &u64::from(key), ElemFlags::empty())?))
        }
        "libbpf" => each(|key| theirs_libbpf::set(&map.fd, key, u64::from(key))),
        "aya" => {
            let mut map = theirs_aya::hash(map)?;
            each(|key| Ok(map.insert(key, u64::from(key), 0)?))
        }
        "raw" => each(|key| map.set(key, u64::from(key))),
        other => bail!("{other} sets nothing"),
    }
}

/// Keys and values of all elements, added up.
fn dump(implementation: &str) -> Result<()> {
    let map = map()?;
    let all = |sum: u64| {
        let expected = u64::from(ELEMENTS) * u64::from(ELEMENTS - 1);
        ensure!(sum == expected, "{sum} instead of {expected}");
        Ok(())
    };
    match implementation {
        "bpfld" => {
            let map = ours(map)?;
            report(|| {
                let mut sum = 0;
                for element in &map {
                    let (key, value) = element?;
                    sum += u64::from(key) + value;
                }
                all(sum)
            })
        }
        "libbpf" => report(|| all(theirs_libbpf::dump(&map.fd)?)),
        "aya" => {
            let map = theirs_aya::hash(map)?;
            report(|| {
                let mut sum = 0;
                for element in map.iter() {
                    let (key, value) = element?;
                    sum += u64::from(key) + value;
                }
                all(sum)
            })
        }
        other => bail!("{other} does not walk"),
    }
}

/// All elements of an array that is mapped, one after the other, against a vector whose elements must be read just so.
fn mapped(implementation: &str) -> Result<()> {
    match implementation {
        "bpfld" => {
            let map = Map::builder(MapType::ARRAY, "mapped")
                .key_size(4)
                .value_size(8)
                .max_entries(ELEMENTS);
            let array: Array<u64> = map.flags(MapFlags::MMAPABLE).create()?.try_into()?;
            let array = array.mapped()?;
            for index in 0..ELEMENTS {
                array.set(index, &u64::from(index))?;
            }
            report(|| Ok(array.iter().sum::<u64>()))
        }
        "memory" => {
            let memory: Vec<u64> = black_box((0..u64::from(ELEMENTS)).collect());
            // SAFETY: the reference is to a number that nobody changes.
            let get = |number: &u64| unsafe { std::ptr::read_volatile(number) };
            report(|| Ok(memory.iter().map(get).sum::<u64>()))
        }
        other => bail!("{other} maps no arrays"),
    }
}
