//! What is in a map, printed by its types.

use std::io::{self, Write};

use bpfld::MapType;
use bpfld_insn::Endian;
use bpfld_object::{MapDef, MapIndex, Object, Variable};
use serde::Serialize;
use serde_json::Value;

use crate::bytes::hex;
use crate::output::Output;
use crate::values::{Shown, shorten, show};

/// More elements than a person reads; the rest is counted.
pub(crate) const MOST: usize = 1000;

/// What is in a map, as bytes: as the kernel or the userspace machine has it.
pub(crate) struct Raw {
    pub(crate) name: String,
    pub(crate) map_type: MapType,
    pub(crate) max_entries: u32,
    /// Keys with their values, one for each CPU that has its own; at most [`MOST`] that are to be shown, or why there are none.
    pub(crate) elements: Result<Vec<Element>, String>,
    /// How many more there are.
    pub(crate) left_out: usize,
    /// What programs put into a ring or perf buffer.
    pub(crate) records: Vec<Vec<u8>>,
}

/// A key with its values.
pub(crate) type Element = (Vec<u8>, Vec<Vec<u8>>);

impl Raw {
    /// Takes elements until there are enough, leaving out those of arrays that are zero.
    pub(crate) fn collect<E: ToString>(
        name: &str,
        map_type: MapType,
        max_entries: u32,
        elements: impl Iterator<Item = Result<Element, E>>,
    ) -> Raw {
        let is_array = matches!(map_type, MapType::ARRAY | MapType::PERCPU_ARRAY);
        // the only element of global data is shown whatever it holds
        let may_skip = is_array && max_entries > 1;
        let mut left_out = 0;
        let mut taken = Vec::new();
        let mut error = None;
        for element in elements {
            match element {
                Ok((_, values)) if may_skip && values.iter().flatten().all(|byte| *byte == 0) => {}
                Ok(_) if taken.len() >= MOST => left_out += 1,
                Ok(element) => taken.push(element),
                Err(problem) => {
                    error = Some(problem.to_string());
                    break;
                }
            }
        }
        Raw {
            name: name.to_owned(),
            map_type,
            max_entries,
            elements: error.map_or(Ok(taken), Err),
            left_out,
            records: Vec::new(),
        }
    }

    /// With records in place of elements.
    pub(crate) fn records(name: &str, map_type: MapType, max_entries: u32, mut records: Vec<Vec<u8>>) -> Raw {
        let left_out = records.len().saturating_sub(MOST);
        records.truncate(MOST);
        Raw {
            name: name.to_owned(),
            map_type,
            max_entries,
            elements: Ok(Vec::new()),
            left_out,
            records,
        }
    }
}

/// A map and its elements.
#[derive(Serialize)]
pub(crate) struct MapContents {
    name: String,
    #[serde(rename = "type")]
    map_type: String,
    max_entries: u32,
    /// Elements; of arrays those that are not zero, of global data one for each variable.
    entries: Vec<Entry>,
    /// How many more there are.
    left_out: usize,
    /// What programs put into a ring or perf buffer, in hexadecimal.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    records: Vec<String>,
    /// Why there are none to be seen.
    error: Option<String>,
}

/// A key and its value, or its value for each CPU.
#[derive(Serialize)]
struct Entry {
    key: Shown,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Shown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    values: Option<Vec<Shown>>,
}

impl MapContents {
    pub(crate) fn new(object: &Object, raw: Raw) -> MapContents {
        let Raw {
            name,
            map_type,
            max_entries,
            elements,
            left_out,
            records,
        } = raw;
        let index = object.map_index(&name);
        let def = index.and_then(|index| object.maps().get(index.index()));
        let mut contents = MapContents {
            name,
            map_type: map_type.to_string(),
            max_entries,
            entries: Vec::new(),
            left_out,
            records: records.iter().map(|record| hex(record)).collect(),
            error: None,
        };
        match (elements, index, def) {
            (Err(error), ..) => contents.error = Some(error),
            (Ok(elements), Some(index), Some(def)) if def.is_global_data() => {
                let bytes = elements.into_iter().flat_map(|(_, values)| values).next();
                contents.variables(object, index, &bytes.unwrap_or_default());
            }
            (Ok(elements), _, def) => contents.elements(object, def, map_type, elements),
        }
        contents
    }

    fn variables(&mut self, object: &Object, index: MapIndex, bytes: &[u8]) {
        for variable in object.variables().iter().filter(|variable| variable.map == index) {
            let Variable {
                name,
                offset,
                size,
                ty,
                ..
            } = variable;
            let (start, len) = (*offset as usize, *size as usize);
            let bytes = bytes
                .get(start..)
                .and_then(|rest| rest.get(..len))
                .unwrap_or_default();
            let key = Shown {
                json: Value::from(&**name),
                text: name.to_string(),
            };
            self.entries.push(Entry {
                key,
                value: Some(show(object.btf().map(AsRef::as_ref), *ty, bytes)),
                values: None,
            });
        }
    }

    fn elements(&mut self, object: &Object, def: Option<&MapDef>, map_type: MapType, elements: Vec<Element>) {
        let (key_type, value_type) = (
            def.and_then(|def| def.key_type),
            def.and_then(|def| def.value_type),
        );
        let is_array = matches!(map_type, MapType::ARRAY | MapType::PERCPU_ARRAY);
        let btf = object.btf().map(AsRef::as_ref);
        for (key, values) in elements {
            let is_zero = values.iter().flatten().all(|byte| *byte == 0);
            if is_array && is_zero {
                continue;
            }
            let key = match <[u8; 4]>::try_from(&key[..]) {
                Ok(index) if is_array => {
                    let index = match object.endian() {
                        Endian::Little => u32::from_le_bytes(index),
                        Endian::Big => u32::from_be_bytes(index),
                    };
                    Shown {
                        json: Value::from(index),
                        text: index.to_string(),
                    }
                }
                _ => show(btf, key_type, &key),
            };
            let mut shown = values.iter().map(|value| show(btf, value_type, value));
            let (value, values) = match values.len() {
                1 => (shown.next(), None),
                _ => (None, Some(shown.collect())),
            };
            self.entries.push(Entry { key, value, values });
        }
    }

    pub(crate) fn print(&self, output: &mut Output) -> io::Result<()> {
        let MapContents {
            name,
            map_type,
            max_entries,
            entries,
            left_out,
            records,
            error,
        } = self;
        let unit = match &**map_type {
            "ringbuf" | "user_ringbuf" => "bytes",
            _ => "entries",
        };
        writeln!(output, "\n{name}: {map_type}, {max_entries} {unit}")?;
        if let Some(error) = error {
            writeln!(output, "    {error}")?;
        }
        for Entry { key, value, values } in entries {
            write!(output, "    {}: ", key.text)?;
            match (value, values) {
                (Some(value), _) => writeln!(output, "{}", shorten(&value.text))?,
                (None, values) => {
                    let values: Vec<_> = values
                        .iter()
                        .flatten()
                        .map(|value| shorten(&value.text))
                        .collect();
                    writeln!(output, "[{}]", values.join(", "))?;
                }
            }
        }
        for record in records {
            writeln!(
                output,
                "    record of {} bytes: {}",
                record.len() / 2,
                shorten(record)
            )?;
        }
        match left_out {
            0 => Ok(()),
            _ => writeln!(output, "    and {left_out} more"),
        }
    }
}
