//! Maps as they were defined before BTF: records in section `maps`, one symbol for each.

use alloc::boxed::Box;
use alloc::vec::Vec;

use bpfld_sys::{MapFlags, MapType};

use crate::elf::{Elf, Section, Symbol};
use crate::map::{MAX_MAPS, MAX_NAME};
use crate::{Error, ErrorKind, MapDef, MapKind, Pinning};

/// The section's name.
pub(crate) const LEGACY_MAPS: &str = "maps";

/// Words of a record. The first four or five are what every loader agrees on; iproute2 and aya continue alike.
const TYPE: usize = 0;
const KEY_SIZE: usize = 1;
const VALUE_SIZE: usize = 2;
const MAX_ENTRIES: usize = 3;
const FLAGS: usize = 4;
const ID: usize = 5;
const PINNING: usize = 6;
const INNER_ID: usize = 7;
/// The shortest record, in words.
const SHORTEST: usize = 4;
/// The longest record, in bytes; the longest known, with a path in it, has 280.
const LONGEST: usize = 512;

/// Reads the records. Each begins at a symbol and ends where the symbol's size says, or else at the next symbol.
pub(crate) fn read_maps(elf: &Elf<'_>, section: &Section) -> Result<Vec<MapDef>, Error> {
    let data = elf.section_data(section)?;
    let is_record = |symbol: &&Symbol<'_>| {
        symbol.is_in(section.index) && !symbol.name.is_empty() && (symbol.is_object() || !symbol.is_local())
    };
    let mut symbols: Vec<&Symbol<'_>> = elf.symbols.iter().filter(is_record).collect();
    symbols.sort_by_key(|symbol| symbol.value);
    symbols.dedup_by_key(|symbol| symbol.value);
    let limit = |detail: &'static str| Error::new(ErrorKind::Limit, detail).section(&section.name);
    if symbols.len() > MAX_MAPS {
        return Err(limit("too many maps"));
    }
    if symbols.iter().any(|symbol| symbol.name.len() > MAX_NAME) {
        return Err(limit("a map's name is too long"));
    }
    let mut maps = Vec::with_capacity(symbols.len());
    for (index, symbol) in symbols.iter().enumerate() {
        let next = symbols
            .get(index + 1)
            .map_or(data.len() as u64, |next| next.value);
        let end = match symbol.size {
            0 => Some(next),
            size => symbol.value.checked_add(size),
        };
        let record = usize::try_from(symbol.value)
            .ok()
            .zip(end.and_then(|end| usize::try_from(end).ok()));
        let record = record.and_then(|(start, end)| data.get(start..end));
        let error = |detail: &'static str| {
            Error::new(ErrorKind::Map, detail)
                .section(&section.name)
                .symbol(symbol.name)
                .at(symbol.value)
        };
        let record = record.ok_or_else(|| error("the record reaches beyond the end of the section"))?;
        if record.len() > LONGEST {
            return Err(error("the record is longer than any loader's"));
        }
        let words: Vec<u32> = record
            .as_chunks::<4>()
            .0
            .iter()
            .map(|word| elf.u32(*word))
            .collect();
        if words.len() < SHORTEST {
            return Err(error(
                "the record is shorter than type, key size, value size and number of entries",
            ));
        }
        maps.push((definition(symbol, section, &words, record), words));
    }
    Ok(with_inner_maps(maps))
}

fn definition(symbol: &Symbol<'_>, section: &Section, words: &[u32], record: &[u8]) -> MapDef {
    let word = |index: usize| words.get(index).copied().unwrap_or(0);
    let mut def = MapDef::new(symbol.name, MapKind::Legacy);
    def.map_type = MapType(word(TYPE));
    def.key_size = word(KEY_SIZE);
    def.value_size = word(VALUE_SIZE);
    def.max_entries = word(MAX_ENTRIES);
    def.flags = MapFlags::from_bits_retain(word(FLAGS));
    def.pinning = if word(PINNING) == 0 {
        Pinning::None
    } else {
        Pinning::ByName
    };
    def.section = Some(section.index);
    def.offset = symbol.value;
    def.legacy_tail = record.get((FLAGS + 1) * 4..).unwrap_or_default().to_vec();
    def
}

/// Gives maps of maps the definition of the map that has the id they ask for.
fn with_inner_maps(maps: Vec<(MapDef, Vec<u32>)>) -> Vec<MapDef> {
    let inner_of = |words: &[u32]| {
        let wanted = words.get(INNER_ID).copied().filter(|&id| id != 0)?;
        let (inner, _) = maps.iter().find(|(_, words)| words.get(ID) == Some(&wanted))?;
        let is_plain = !inner.is_map_of_maps();
        is_plain.then(|| {
            Box::new(MapDef {
                kind: MapKind::Inner,
                pinning: Pinning::None,
                ..inner.clone()
            })
        })
    };
    let inner: Vec<_> = maps
        .iter()
        .map(|(def, words)| {
            if def.is_map_of_maps() {
                inner_of(words)
            } else {
                None
            }
        })
        .collect();
    maps.into_iter()
        .zip(inner)
        .map(|((def, _), inner)| MapDef { inner, ..def })
        .collect()
}
