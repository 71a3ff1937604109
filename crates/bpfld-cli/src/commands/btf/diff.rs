//! `bpfld btf diff`: what changed between two kernels' types.

use std::io::Write;

use anyhow::Result;
use bpfld_btf::{Change, Detail, Diff, Place};
use serde::Serialize;

use super::source::Source;
use crate::exit::ExitStatus;
use crate::output::{Format, Output};

/// Show what changed between the types of two kernels, or of two other sources
///
/// Structs and unions with each member that came, went, moved or has another type; enumerations with their values;
/// typedefs, functions and variables. Exit status 1 if anything changed.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Types before
    #[arg(value_name = "A")]
    old: Source,
    /// Types after
    #[arg(value_name = "B")]
    new: Source,
    /// Only types of this name; several for several names
    #[arg(long = "type", value_name = "NAME")]
    types: Vec<String>,
    /// Text for people, or one JSON object for each type that changed
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

/// Compare and print.
pub(crate) fn run(args: &Args, output: &mut Output) -> Result<ExitStatus> {
    let (old, new) = (args.old.read(None)?, args.new.read(None)?);
    let mut diff = Diff::new(&old, &new);
    if !args.types.is_empty() {
        diff.changes.retain(|change| args.types.contains(&change.name));
    }
    let (mut added, mut removed) = (0usize, 0usize);
    for change in &diff.changes {
        added += usize::from(change.old.is_none());
        removed += usize::from(change.new.is_none());
        match args.output {
            Format::Json => output.json(&ChangeRow::new(change))?,
            Format::Text => writeln!(output, "{change}")?,
        }
    }
    if args.output == Format::Text {
        let changed = diff.changes.len() - added - removed;
        writeln!(output, "{added} added, {removed} removed, {changed} changed")?;
    }
    Ok(if diff.changes.is_empty() {
        ExitStatus::Ok
    } else {
        ExitStatus::Negative
    })
}

#[derive(Serialize)]
struct ChangeRow<'a> {
    kind: String,
    name: &'a str,
    change: &'static str,
    old_id: Option<u32>,
    new_id: Option<u32>,
    details: Vec<DetailRow<'a>>,
}

/// A difference, with the part before and after; what is new has nothing before.
#[derive(Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
enum DetailRow<'a> {
    Size {
        old: u32,
        new: u32,
    },
    Type {
        old: &'a str,
        new: &'a str,
    },
    Signed {
        old: bool,
        new: bool,
    },
    Member {
        old: Option<PlaceRow<'a>>,
        new: Option<PlaceRow<'a>>,
    },
    Value {
        name: &'a str,
        old: Option<i128>,
        new: Option<i128>,
    },
    /// Something that this command does not know yet, in words.
    Other {
        text: String,
    },
}

#[derive(Serialize)]
struct PlaceRow<'a> {
    name: &'a str,
    #[serde(rename = "type")]
    type_name: &'a str,
    bit_offset: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    bitfield_size: Option<u8>,
}

impl<'a> ChangeRow<'a> {
    fn new(change: &'a Change) -> Self {
        Self {
            kind: change.kind.to_string(),
            name: &change.name,
            change: match (change.old, change.new) {
                (None, _) => "added",
                (_, None) => "removed",
                _ => "changed",
            },
            old_id: change.old.map(|id| id.0),
            new_id: change.new.map(|id| id.0),
            details: change.details.iter().map(DetailRow::new).collect(),
        }
    }
}

impl<'a> DetailRow<'a> {
    fn new(detail: &'a Detail) -> Self {
        let (old, new) = match detail {
            Detail::Size { old, new } => return Self::Size { old: *old, new: *new },
            Detail::Type { old, new } => return Self::Type { old, new },
            Detail::Sign { signed } => {
                return Self::Signed {
                    old: !signed,
                    new: *signed,
                };
            }
            Detail::MemberAdded(new) => (None, Some(new)),
            Detail::MemberRemoved(old) => (Some(old), None),
            Detail::MemberChanged { old, new } => (Some(old), Some(new)),
            Detail::ValueAdded { name, value } => return Self::value(name, None, Some(*value)),
            Detail::ValueRemoved { name, value } => return Self::value(name, Some(*value), None),
            Detail::ValueChanged { name, old, new } => return Self::value(name, Some(*old), Some(*new)),
            other => {
                return Self::Other {
                    text: other.to_string(),
                };
            }
        };
        Self::Member {
            old: old.map(PlaceRow::new),
            new: new.map(PlaceRow::new),
        }
    }

    fn value(name: &'a str, old: Option<i128>, new: Option<i128>) -> Self {
        Self::Value { name, old, new }
    }
}

impl<'a> PlaceRow<'a> {
    fn new(place: &'a Place) -> Self {
        Self {
            name: &place.name,
            type_name: &place.type_name,
            bit_offset: place.bit_offset,
            bitfield_size: (place.bits != 0).then_some(place.bits),
        }
    }
}
