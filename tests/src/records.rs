//! What real kernels said when `bpfld features` asked them, in `tests/fixtures/kernels`: made by
//! `cargo xtask vm-test --record-features`.

use std::{fs, path::Path};

use bpfld_features::Record;

const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/kernels");

/// The record of a kernel of this line, such as `5.10`, on x86-64.
///
/// # Panics
///
/// If there is none.
#[track_caller]
pub fn record(line: &str) -> Record {
    read(&Path::new(DIRECTORY).join(format!("{line}-x86_64.json")))
}

/// All records.
///
/// # Panics
///
/// If one of them cannot be read.
#[track_caller]
pub fn records() -> Vec<Record> {
    let mut paths: Vec<_> = fs::read_dir(DIRECTORY)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

#[track_caller]
fn read(path: &Path) -> Record {
    let json = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Record::from_json(&json).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
