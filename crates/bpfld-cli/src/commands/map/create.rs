//! Making maps.

use std::path::PathBuf;

use anyhow::Result;
use bpfld::{Map, MapFlags, MapType};

use crate::exit::{ExitStatus, Usage};
use crate::select::Selector;

/// What to make, and where to pin it.
#[derive(clap::Args)]
pub(super) struct Create {
    /// Where to pin it, in a BPF file system
    path: PathBuf,
    /// Type of the map, as `bpfld map list` shows it: hash, array, ringbuf …
    #[arg(long = "type", value_name = "TYPE")]
    map_type: String,
    /// Bytes of a key
    #[arg(long, default_value_t = 0)]
    key: u32,
    /// Bytes of a value
    #[arg(long, default_value_t = 0)]
    value: u32,
    /// Most elements; of a ring buffer its bytes
    #[arg(long, default_value_t = 0)]
    entries: u32,
    /// Name; that of the pin if none is given
    #[arg(long)]
    name: Option<String>,
    /// Flags, by name with | between them or by number
    #[arg(long, default_value = "")]
    flags: String,
    /// Type-specific number, as the count of hash functions of a Bloom filter
    #[arg(long, default_value_t = 0)]
    extra: u64,
    /// For maps of maps: a map like those that it will hold
    #[arg(long, value_name = "MAP")]
    inner: Option<Selector>,
}

pub(super) fn create(args: &Create) -> Result<ExitStatus> {
    let map_type: MapType = args
        .map_type
        .parse()
        .map_err(|_| Usage(format!("--type {}: there is no such type of maps", args.map_type)))?;
    let flags = flags(&args.flags)
        .ok_or_else(|| Usage(format!("--flags {}: there are no such flags", args.flags)))?;
    let file_name = args
        .path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    let name = args.name.clone().or(file_name).unwrap_or_default();
    // Kernels take letters, digits, `_` and `.`.
    let name: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || matches!(c, '_' | '.') {
                c
            } else {
                '_'
            }
        })
        .take(15)
        .collect();
    let inner = args.inner.as_ref().map(Selector::map).transpose()?;
    let mut builder = Map::builder(map_type, &name)
        .key_size(args.key)
        .value_size(args.value)
        .max_entries(args.entries)
        .map_extra(args.extra)
        .flags(flags);
    if let Some(inner) = &inner {
        builder = builder.inner(inner);
    }
    builder.create()?.pin(&args.path)?;
    Ok(ExitStatus::Ok)
}

/// Flags as they are printed: names with `|` between them, or a number.
fn flags(text: &str) -> Option<MapFlags> {
    let mut flags = MapFlags::empty();
    for word in text
        .split(['|', ','])
        .map(str::trim)
        .filter(|word| !word.is_empty())
    {
        let number = word.strip_prefix("0x").map_or_else(
            || word.parse().ok(),
            |digits| u32::from_str_radix(digits, 16).ok(),
        );
        flags |= match number {
            Some(bits) => MapFlags::from_bits_retain(bits),
            None => MapFlags::from_name(&word.to_ascii_uppercase())?,
        };
    }
    Some(flags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_by_name_and_number() {
        assert_eq!(flags(""), Some(MapFlags::empty()));
        assert_eq!(
            flags("no_prealloc | 0x400"),
            Some(MapFlags::NO_PREALLOC | MapFlags::MMAPABLE)
        );
        assert_eq!(flags("1"), Some(MapFlags::NO_PREALLOC));
        assert_eq!(flags("nonsense"), None);
    }
}
