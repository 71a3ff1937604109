//! What maps there are.

use anyhow::Result;
use bpfld::{Map, Owners};
use comfy_table::Cell;
use serde::Serialize;

use crate::exit::ExitStatus;
use crate::output::{Format, Holder, Output, holders, owners_cell};

/// A map; its JSON form.
#[derive(Serialize)]
struct Row {
    id: u32,
    name: String,
    #[serde(rename = "type")]
    map_type: String,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    flags: String,
    /// Type-specific number.
    #[serde(skip_serializing_if = "is_zero")]
    map_extra: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    btf_id: Option<u32>,
    /// Processes that hold it.
    owners: Vec<Holder>,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Row {
    fn of(map: &Map, owners: &Owners) -> Result<Row> {
        let info = map.info()?;
        Ok(Row {
            id: info.id(),
            name: info.name(),
            map_type: info.map_type().to_string(),
            key_size: info.key_size(),
            value_size: info.value_size(),
            max_entries: info.max_entries(),
            flags: info.flags().to_string(),
            map_extra: info.map_extra(),
            btf_id: info.btf_id(),
            owners: holders(owners.of_map(info.id())),
        })
    }
}

pub(super) fn all(format: Format, output: &mut Output) -> Result<ExitStatus> {
    let owners = Owners::read()?;
    let mut rows = Vec::new();
    for map in Map::all() {
        rows.push(Row::of(&map?, &owners)?);
    }
    print(&rows, format, output)
}

pub(super) fn one(map: &Map, format: Format, output: &mut Output) -> Result<ExitStatus> {
    print(&[Row::of(map, &Owners::read()?)?], format, output)
}

fn print(rows: &[Row], format: Format, output: &mut Output) -> Result<ExitStatus> {
    if format == Format::Json {
        rows.iter().try_for_each(|row| output.json(row))?;
        return Ok(ExitStatus::Ok);
    }
    let cells = rows.iter().map(|row| {
        vec![
            Cell::new(row.id),
            Cell::new(&row.name),
            Cell::new(&row.map_type),
            Cell::new(row.key_size),
            Cell::new(row.value_size),
            Cell::new(row.max_entries),
            Cell::new(&row.flags),
            owners_cell(&row.owners),
        ]
    });
    let heading = [
        "id", "name", "type", "key", "value", "entries", "flags", "held by",
    ];
    output.table(&heading, &[0, 3, 4, 5], cells.collect())?;
    Ok(ExitStatus::Ok)
}
