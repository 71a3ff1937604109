//! No file can make this crate panic, hang or eat memory: damaged copies of all fixtures.
//!
//! `PROPTEST_CASES=100000 cargo test --release -p bpfld-object --test mutations` for a long run.

#![expect(clippy::unwrap_used, reason = "a failed assumption is a failed test")]

use std::sync::{Arc, OnceLock};

use bpfld_btf::Targets;
use bpfld_object::{Executable, Object};
use proptest::prelude::*;

/// The little- and big-endian fixtures.
fn fixtures() -> &'static [Vec<u8>] {
    static FIXTURES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    FIXTURES.get_or_init(|| {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures");
        let mut paths: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        paths.sort();
        let objects = paths
            .iter()
            .filter(|path| path.extension().is_some_and(|extension| extension == "o"));
        objects.map(|path| std::fs::read(path).unwrap()).collect()
    })
}

/// Does with an object all that can be done with it here.
fn use_everything(bytes: Vec<u8>) {
    if let Ok(file) = Executable::parse(&bytes) {
        let names: Vec<_> = file.functions().map(|function| function.name).take(8).collect();
        for name in names {
            let _ = file.function(name);
        }
        let _ = (file.build_id(), file.debug_link());
        for probe in file.usdt_probes().unwrap_or_default() {
            let _ = probe.parse_arguments();
        }
    }
    let Ok(object) = Object::options().allow_undefined().parse(bytes) else {
        return;
    };
    for map in object.maps() {
        let _ = object.initial_value(map);
    }
    for section in object.sections() {
        let _ = object.section_data(section.index);
    }
    #[cfg(feature = "asm")]
    let _ = object.to_assembly().lines().raw().to_string();
    let _ = object.context_arguments();
    let _ = object
        .btf_draft()
        .map(|draft| draft.map(|draft| draft.to_bytes()));
    let targets = object.btf().map(|btf| Targets::new(Arc::clone(btf)));
    for program in object.programs() {
        let Ok(mut linked) = object.link(program) else {
            continue;
        };
        let _ = object.insns(object.function(program.function).unwrap());
        if let Some(targets) = &targets {
            for report in linked.apply_core(&object, targets) {
                let _ = report.to_string();
            }
        }
    }
}

/// A change of a file.
#[derive(Clone, Debug)]
enum Change {
    Byte {
        at: usize,
        value: u8,
    },
    Word {
        at: usize,
        value: u32,
    },
    Cut {
        at: usize,
    },
    /// Changes a word of a table that matters: one of the header, section headers, symbols or relocations.
    Table {
        table: usize,
        at: usize,
        value: u32,
    },
}

fn change() -> impl Strategy<Value = Change> {
    let value = prop_oneof![
        any::<u32>(),
        0..64u32,
        Just(u32::MAX),
        Just(i32::MAX as u32),
        Just(0xff00_0000),
        Just(0xfff1),
        (0..32u32).prop_map(|shift| 1 << shift),
    ];
    let at = any::<usize>();
    prop_oneof![
        3 => (at, any::<u8>()).prop_map(|(at, value)| Change::Byte { at, value }),
        3 => (at, value.clone()).prop_map(|(at, value)| Change::Word { at, value }),
        1 => at.prop_map(|at| Change::Cut { at }),
        6 => (any::<usize>(), at, value).prop_map(|(table, at, value)| Change::Table { table, at, value }),
    ]
}

/// Where in the file tables are, by the file's own account.
fn tables(bytes: &[u8]) -> Vec<(usize, usize)> {
    let Ok(file) = Executable::parse(bytes) else {
        return Vec::new();
    };
    let mut tables = vec![(0, 64), (bytes.len().saturating_sub(64 * 40), bytes.len())];
    for section in file.sections() {
        let matters = [".symtab", ".rel", ".BTF", ".maps", "maps", ".struct_ops"];
        if matters.iter().any(|name| section.name.starts_with(name)) {
            let start = section.file_offset as usize;
            tables.push((start, start + section.data.len()));
        }
    }
    tables.retain(|(start, end)| start < end && *end <= bytes.len());
    tables
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    let put = |bytes: &mut [u8], at: usize, value: u32| {
        for (place, byte) in bytes.iter_mut().skip(at).zip(value.to_le_bytes()) {
            *place = byte;
        }
    };
    let len = bytes.len().max(1);
    match *change {
        Change::Byte { at, value } => put(bytes, at % len, u32::from(value) | 0x100),
        Change::Word { at, value } => put(bytes, (at % len) & !3, value),
        Change::Cut { at } => bytes.truncate(at % len),
        Change::Table { table, at, value } => {
            let tables = tables(bytes);
            if let Some((start, end)) = tables.get(table % tables.len().max(1)) {
                put(bytes, start + at % (end - start) / 4 * 4, value);
            }
        }
    }
}

proptest! {
    #[test]
    fn damaged_objects(
        fixture in any::<prop::sample::Index>(),
        changes in prop::collection::vec(change(), 1..6),
    ) {
        let mut bytes = fixture.get(fixtures()).clone();
        for change in &changes {
            apply(&mut bytes, change);
        }
        use_everything(bytes);
    }

    #[test]
    fn noise(bytes in prop::collection::vec(any::<u8>(), 0..2048)) {
        let mut elf = vec![0x7f, b'E', b'L', b'F', 2, 1, 1];
        elf.extend(&bytes);
        use_everything(bytes);
        use_everything(elf);
    }
}

#[test]
fn whole_objects() {
    assert!(fixtures().len() > 20);
    for bytes in fixtures() {
        use_everything(bytes.clone());
    }
}
