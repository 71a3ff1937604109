//! Records as they come, and elements as they change.

use std::collections::HashMap;
use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bpfld::{Map, MapType, PerfBuf, PerfRecord, RingBuf};
use serde::Serialize;

use super::elements::Elements;
use crate::bytes::hex;
use crate::exit::ExitStatus;
use crate::output::{Format, Output};
use crate::select::{HELP, Selector};

/// What to watch, and for how long.
#[derive(clap::Args)]
pub(super) struct Watch {
    #[arg(help = HELP)]
    map: Selector,
    /// Stop after so many records or changes
    #[arg(long)]
    count: Option<u64>,
    /// Stop after so many seconds
    #[arg(long, value_name = "SECONDS")]
    time: Option<u64>,
    /// For maps that are no ring buffers: milliseconds between two looks
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    every: u64,
    /// A line, or a JSON object each
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

/// A record; its JSON form.
#[derive(Serialize)]
struct Record {
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu: Option<u32>,
    /// In hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<String>,
    /// Records that found no room.
    #[serde(skip_serializing_if = "Option::is_none")]
    lost: Option<u64>,
}

/// How much is left to do.
struct Left {
    count: Option<u64>,
    until: Option<Instant>,
}

impl Left {
    /// Time to wait for the next thing; nothing when it is over.
    fn time(&self) -> Option<Duration> {
        if self.count == Some(0) {
            return None;
        }
        let time = self
            .until
            .map(|until| until.saturating_duration_since(Instant::now()));
        match time {
            Some(Duration::ZERO) => None,
            time => Some(time.unwrap_or(Duration::from_secs(3600))),
        }
    }

    fn one(&mut self) {
        self.count = self.count.map(|count| count.saturating_sub(1));
    }
}

pub(super) fn watch(args: &Watch, output: &mut Output) -> Result<ExitStatus> {
    let map = args.map.map()?;
    let mut left = Left {
        count: args.count,
        until: args
            .time
            .and_then(|seconds| Instant::now().checked_add(Duration::from_secs(seconds))),
    };
    match map.map_type() {
        MapType::RINGBUF => ring(map, &mut left, args.output, output)?,
        MapType::PERF_EVENT_ARRAY => perf(&map, &mut left, args.output, output)?,
        _ => changes(map, &mut left, args, output)?,
    }
    Ok(ExitStatus::Ok)
}

fn ring(map: Map, left: &mut Left, format: Format, output: &mut Output) -> Result<()> {
    let mut ring = RingBuf::try_from(map)?;
    while let Some(time) = left.time() {
        let Some(record) = ring.read_within(time)? else {
            continue;
        };
        let record = Record {
            cpu: None,
            data: Some(hex(&record)),
            lost: None,
        };
        print(&record, format, output)?;
        left.one();
    }
    Ok(())
}

fn perf(map: &Map, left: &mut Left, format: Format, output: &mut Output) -> Result<()> {
    let mut events = PerfBuf::builder().open(map)?;
    while let Some(time) = left.time() {
        let record = match events.read_within(time)? {
            None => continue,
            Some(PerfRecord::Sample { cpu, data }) => Record {
                cpu: Some(cpu),
                data: Some(hex(data)),
                lost: None,
            },
            Some(PerfRecord::Lost { cpu, count }) => Record {
                cpu: Some(cpu),
                data: None,
                lost: Some(count),
            },
        };
        print(&record, format, output)?;
        left.one();
    }
    Ok(())
}

fn print(record: &Record, format: Format, output: &mut Output) -> Result<()> {
    match format {
        Format::Json => output.json(record)?,
        Format::Text => {
            if let Some(cpu) = record.cpu {
                write!(output, "CPU {cpu}: ")?;
            }
            match (&record.data, record.lost) {
                (Some(data), _) => writeln!(output, "{data}")?,
                (None, lost) => writeln!(output, "{} lost", lost.unwrap_or(0))?,
            }
        }
    }
    Ok(output.flush()?)
}

/// Elements that are new or other than they were at the last look; the first look shows all.
fn changes(map: Map, left: &mut Left, args: &Watch, output: &mut Output) -> Result<()> {
    let elements = Elements::with_keys(map)?;
    let mut known: HashMap<Vec<u8>, Vec<u8>> = HashMap::new();
    loop {
        let mut seen = HashMap::with_capacity(known.len());
        for entry in elements.map.entries() {
            let (key, value) = entry.context("cannot read the elements of this map")?;
            if known.get(&key[..]) != Some(&value.to_vec()) && left.count != Some(0) {
                elements.element(&key, &value).print(args.output, output)?;
                left.one();
            }
            seen.insert(key.to_vec(), value.to_vec());
        }
        known = seen;
        output.flush()?;
        match left.time() {
            None => return Ok(()),
            Some(time) => std::thread::sleep(time.min(Duration::from_millis(args.every))),
        }
    }
}
