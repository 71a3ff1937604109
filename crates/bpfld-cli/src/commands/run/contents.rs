//! What is in a map, printed by its types.

use std::io::{self, Write};

use bpfld::{Map, MapType};
use bpfld_object::{MapDef, MapIndex, Object, Variable};
use serde::Serialize;
use serde_json::Value;

use crate::output::Output;
use crate::values::{Shown, shorten, show};

/// More elements than a person reads; the rest is counted.
const MOST: usize = 1000;

/// A map and its elements.
#[derive(Serialize)]
pub(super) struct MapContents {
    name: String,
    #[serde(rename = "type")]
    map_type: String,
    max_entries: u32,
    /// Elements; of arrays those that are not zero, of global data one for each variable.
    entries: Vec<Entry>,
    /// How many more there are.
    left_out: usize,
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
    pub(super) fn read(object: &Object, map: &Map) -> MapContents {
        let index = object.map_index(map.name());
        let def = index.and_then(|index| object.maps().get(index.index()));
        let mut contents = MapContents {
            name: map.name().to_owned(),
            map_type: map.map_type().to_string(),
            max_entries: map.max_entries(),
            entries: Vec::new(),
            left_out: 0,
            error: None,
        };
        let outcome = match (index, def) {
            (Some(index), Some(def)) if def.is_global_data() => contents.variables(object, index, map),
            _ if is_readable(map.map_type()) => contents.elements(object, def, map),
            _ => {
                contents.error = Some("elements of this type of map cannot be read".to_owned());
                Ok(())
            }
        };
        if let Err(error) = outcome {
            contents.error = Some(error.to_string());
        }
        contents
    }

    fn variables(&mut self, object: &Object, index: MapIndex, map: &Map) -> bpfld::Result<()> {
        let Some(bytes) = map.lookup(&[0; 4])? else {
            return Ok(());
        };
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
        Ok(())
    }

    fn elements(&mut self, object: &Object, def: Option<&MapDef>, map: &Map) -> bpfld::Result<()> {
        let (key_type, value_type) = (
            def.and_then(|def| def.key_type),
            def.and_then(|def| def.value_type),
        );
        let is_array = matches!(map.map_type(), MapType::ARRAY | MapType::PERCPU_ARRAY);
        let btf = object.btf().map(AsRef::as_ref);
        for entry in map.entries() {
            let (key, value) = entry?;
            if is_array && value.iter().all(|byte| *byte == 0) {
                continue;
            }
            if self.entries.len() >= MOST {
                self.left_out += 1;
                continue;
            }
            let key = match <[u8; 4]>::try_from(&key[..]) {
                Ok(index) if is_array => {
                    let index = u32::from_ne_bytes(index);
                    Shown {
                        json: Value::from(index),
                        text: index.to_string(),
                    }
                }
                _ => show(btf, key_type, &key),
            };
            let (value, values) = match map.cpus() {
                1 => (Some(show(btf, value_type, &value)), None),
                cpus => {
                    let stride = value.len() / cpus;
                    let size = map.spec().value_size as usize;
                    let values = value
                        .chunks(stride.max(1))
                        .map(|v| show(btf, value_type, v.get(..size).unwrap_or(v)));
                    (None, Some(values.collect()))
                }
            };
            self.entries.push(Entry { key, value, values });
        }
        Ok(())
    }

    pub(super) fn print(&self, output: &mut Output) -> io::Result<()> {
        let MapContents {
            name,
            map_type,
            max_entries,
            entries,
            left_out,
            error,
        } = self;
        writeln!(output, "\n{name}: {map_type}, {max_entries} entries")?;
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
        match left_out {
            0 => Ok(()),
            _ => writeln!(output, "    and {left_out} more"),
        }
    }
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
