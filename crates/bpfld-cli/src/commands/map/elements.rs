//! Elements of a map: read, set, removed.

use std::io::Write;

use anyhow::{Context, Result};
use bpfld::{ElemFlags, Map, MapType, MapTypes};
use bpfld_btf::{Btf, TypeId};
use clap::ValueEnum;
use serde::Serialize;
use serde_json::Value;

use crate::bytes::{hex, unhex};
use crate::exit::{ExitStatus, Usage};
use crate::output::{Format, Output};
use crate::select::{HELP, Selector};
use crate::values::{Shown, typed};

/// What to set, and how.
#[derive(clap::Args)]
pub(super) struct Set {
    #[arg(help = HELP)]
    map: Selector,
    /// By its type, a number, or hexadecimal digits; `-` in queues, stacks and Bloom filters, which have no keys
    #[arg(allow_negative_numbers = true)]
    key: String,
    /// By its type, a number, or hexadecimal digits; in maps of programs or maps `prog:` or `map:` and an id, pin or name
    #[arg(allow_negative_numbers = true)]
    value: String,
    /// Whether the key must be there
    #[arg(long, value_enum, default_value_t)]
    when: When,
}

#[derive(Copy, Clone, Debug, Default, ValueEnum)]
enum When {
    /// Whether or not it is there
    #[default]
    Any,
    /// Only if it is not there yet
    New,
    /// Only if it is there
    Exists,
}

/// A map and the types of what is in it.
pub(super) struct Elements {
    pub(super) map: Map,
    types: Option<MapTypes>,
}

/// An element; its JSON form.
#[derive(Serialize)]
pub(super) struct Element {
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<Shown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Shown>,
    /// Of a per-CPU map, one for each CPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    values: Option<Vec<Shown>>,
}

impl Elements {
    pub(super) fn of(map: Map) -> Result<Elements> {
        let types = map.types()?;
        Ok(Elements { map, types })
    }

    /// Of a map whose elements have keys.
    pub(super) fn with_keys(map: Map) -> Result<Elements> {
        if map.key_size() == 0 {
            let message = format!(
                "map '{}' is of type {}, whose elements have no keys to go by: \
                 take `map watch` for the records of a ring buffer, `map get` for the next element of a queue or stack",
                map.name(),
                map.map_type()
            );
            return Err(Usage(message).into());
        }
        Elements::of(map)
    }

    /// Bytes of a key from text; `-` is none.
    fn key(&self, text: &str) -> Result<Vec<u8>> {
        let ty = self.types.as_ref().and_then(MapTypes::key);
        match (text, self.map.key_size()) {
            ("-", 0) => Ok(Vec::new()),
            (_, 0) => Err(Usage(format!("map '{}' has no keys: take `-`", self.map.name())).into()),
            (text, size) => self.bytes("key", text, ty, size),
        }
    }

    /// Bytes of a value from text, for all CPUs alike.
    fn value(&self, text: &str) -> Result<Vec<u8>> {
        let ty = self.types.as_ref().and_then(MapTypes::value);
        let one = self.bytes("value", text, ty, self.map.spec().value_size as usize)?;
        let mut padded = one;
        padded.resize(self.map.value_size() / self.map.cpus().max(1), 0);
        Ok(padded.repeat(self.map.cpus()))
    }

    fn bytes(&self, part: &str, text: &str, ty: Option<TypeId>, size: usize) -> Result<Vec<u8>> {
        let bytes = match (text.strip_prefix("hex:"), &self.types, ty) {
            (Some(digits), _, _) => unhex(digits),
            (None, Some(types), Some(ty)) => {
                let encoded = types.btf().encode(ty, text, None);
                Some(encoded.map_err(|error| Usage(format!("{part} {text:?}: {error}")))?)
            }
            _ => number(text, size).or_else(|| unhex(text)),
        };
        let bytes = bytes.ok_or_else(|| {
            Usage(format!(
                "{part} {text:?}: neither a number nor hexadecimal digits"
            ))
        })?;
        if bytes.len() != size {
            let message = format!("{part} {text:?}: {} bytes, where the map has {size}", bytes.len());
            return Err(Usage(message).into());
        }
        Ok(bytes)
    }

    pub(super) fn element(&self, key: &[u8], value: &[u8]) -> Element {
        let types = self.types.as_ref();
        let key = (!key.is_empty()).then(|| self.show(types.and_then(MapTypes::key), key));
        let ty = types.and_then(MapTypes::value);
        let cpus = self.map.cpus();
        if cpus == 1 {
            return Element {
                key,
                value: Some(self.show(ty, value)),
                values: None,
            };
        }
        let size = self.map.spec().value_size as usize;
        let values = value
            .chunks((value.len() / cpus).max(1))
            .map(|value| self.show(ty, value.get(..size).unwrap_or(value)));
        Element {
            key,
            value: None,
            values: Some(values.collect()),
        }
    }

    /// By its type, else as a number where it is an index or an id, else as digits; as text in a form that is taken back.
    fn show(&self, ty: Option<TypeId>, bytes: &[u8]) -> Shown {
        let is_number = matches!(
            self.map.map_type(),
            MapType::PROG_ARRAY
                | MapType::ARRAY_OF_MAPS
                | MapType::HASH_OF_MAPS
                | MapType::ARRAY
                | MapType::PERCPU_ARRAY
                | MapType::DEVMAP
                | MapType::DEVMAP_HASH
                | MapType::CPUMAP
                | MapType::STACK_TRACE
        );
        match (ty, <[u8; 4]>::try_from(bytes)) {
            (None, Ok(word)) if is_number => {
                let number = u32::from_ne_bytes(word);
                Shown {
                    json: Value::from(number),
                    text: number.to_string(),
                }
            }
            _ => {
                let btf: Option<&Btf> = self.types.as_ref().map(MapTypes::btf);
                typed(btf, ty, bytes).unwrap_or_else(|| {
                    let digits = hex(bytes);
                    Shown {
                        text: format!("hex:{digits}"),
                        json: Value::from(digits),
                    }
                })
            }
        }
    }
}

impl Element {
    pub(super) fn print(&self, format: Format, output: &mut Output) -> Result<()> {
        if format == Format::Json {
            return Ok(output.json(self)?);
        }
        if let Some(key) = &self.key {
            write!(output, "{}: ", key.text)?;
        }
        match (&self.value, &self.values) {
            (Some(value), _) => writeln!(output, "{}", value.text)?,
            (None, values) => {
                let values: Vec<&str> = values.iter().flatten().map(|value| value.text.as_str()).collect();
                writeln!(output, "[{}]", values.join(", "))?;
            }
        }
        Ok(())
    }
}

pub(super) fn dump(map: Map, format: Format, output: &mut Output) -> Result<ExitStatus> {
    let elements = Elements::with_keys(map)?;
    for entry in elements.map.entries() {
        let (key, value) = entry.context("cannot read the elements of this map")?;
        elements.element(&key, &value).print(format, output)?;
    }
    Ok(ExitStatus::Ok)
}

pub(super) fn get(map: Map, key: &str, format: Format, output: &mut Output) -> Result<ExitStatus> {
    let elements = Elements::of(map)?;
    let key = elements.key(key)?;
    let Some(value) = elements.map.lookup(&key)? else {
        return Ok(ExitStatus::Negative);
    };
    elements.element(&key, &value).print(format, output)?;
    Ok(ExitStatus::Ok)
}

pub(super) fn set(set: &Set) -> Result<ExitStatus> {
    let elements = Elements::of(set.map.map()?)?;
    let key = elements.key(&set.key)?;
    let flags = match set.when {
        When::Any => ElemFlags::empty(),
        When::New => ElemFlags::NOEXIST,
        When::Exists => ElemFlags::EXIST,
    };
    // The kernel takes descriptors and gives ids back.
    let descriptor = |fd: &dyn std::os::fd::AsFd| {
        let fd = std::os::fd::AsRawFd::as_raw_fd(&fd.as_fd());
        elements.map.update(&key, &fd.to_ne_bytes(), flags)
    };
    match (elements.map.map_type(), set.value.split_once(':')) {
        (MapType::PROG_ARRAY, Some(("prog", name))) => {
            let Ok(selector) = name.parse::<Selector>();
            descriptor(&selector.program()?)?;
        }
        (MapType::ARRAY_OF_MAPS | MapType::HASH_OF_MAPS, Some(("map", name))) => {
            let Ok(selector) = name.parse::<Selector>();
            descriptor(&selector.map()?)?;
        }
        (MapType::PROG_ARRAY | MapType::ARRAY_OF_MAPS | MapType::HASH_OF_MAPS, _) => {
            let message = "what it holds is named `prog:` or `map:` and an id, pin or name";
            return Err(Usage(message.into()).into());
        }
        _ => elements.map.update(&key, &elements.value(&set.value)?, flags)?,
    }
    Ok(ExitStatus::Ok)
}

pub(super) fn delete(map: Map, key: &str) -> Result<ExitStatus> {
    let elements = Elements::with_keys(map)?;
    let key = elements.key(key)?;
    Ok(match elements.map.delete(&key)? {
        true => ExitStatus::Ok,
        false => ExitStatus::Negative,
    })
}

/// A number of so many bytes, in this machine's byte order.
fn number(text: &str, size: usize) -> Option<Vec<u8>> {
    let number = match text.strip_prefix("0x") {
        Some(digits) => u128::from_str_radix(digits, 16).ok()?,
        None => text.parse().ok()?,
    };
    let bytes = number.to_le_bytes();
    let (low, high) = bytes.split_at_checked(size)?;
    if high.iter().any(|byte| *byte != 0) {
        return None;
    }
    let mut low = low.to_vec();
    if cfg!(target_endian = "big") {
        low.reverse();
    }
    Some(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_size_of_what_they_are_for() {
        assert_eq!(number("258", 4), Some(258u32.to_ne_bytes().to_vec()));
        assert_eq!(number("0x1ff", 2), Some(0x1ffu16.to_ne_bytes().to_vec()));
        assert_eq!(number("256", 1), None);
        assert_eq!(number("-1", 4), None);
        assert_eq!(number("1", 17), None);
    }
}
