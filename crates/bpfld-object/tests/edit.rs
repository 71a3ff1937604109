//! Edited programs keep what is known of them.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use bpfld_insn::{Insn, Slot, decode, flow::EditError};
use bpfld_object::{LinkedProgram, Object};

const NOTHING: Insn = Insn::Jump { offset: 0 };

fn fixtures() -> impl Iterator<Item = PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures");
    let files = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|end| end == "o"))
}

fn each_program(mut check: impl FnMut(&LinkedProgram)) {
    for path in fixtures() {
        let Ok(object) = Object::parse(std::fs::read(path).unwrap()) else {
            continue; // some are broken on purpose
        };
        for program in object.programs() {
            if let Ok(linked) = object.link(program) {
                check(&linked);
            }
        }
    }
}

/// The first slots of all instructions.
fn starts(insns: &[Slot]) -> Vec<usize> {
    decode(insns).map(|(at, _)| at).collect()
}

fn show(program: &LinkedProgram) -> String {
    format!("{program:#?}")
}

#[test]
fn padding_and_its_removal_change_nothing() {
    let (mut programs, mut lines, mut relocations) = (0, 0, 0);
    each_program(|linked| {
        let mut edited = linked.clone();
        edited
            .edit(|edit| {
                for at in starts(&linked.insns) {
                    edit.insert(at, &NOTHING.encode());
                }
            })
            .unwrap();
        // each line and function begins at the padding of the instruction at which it began
        let old = starts(&linked.insns);
        let place = |slot: u32| slot as usize + old.partition_point(|at| *at < slot as usize);
        for (line, before) in edited.line_info.iter().zip(&linked.line_info) {
            assert_eq!(line.slot as usize, place(before.slot), "{}", linked.name);
            assert_eq!(edited.insns[line.slot as usize], NOTHING.encode()[0]);
            lines += 1;
        }
        for (function, before) in edited.functions.iter().zip(&linked.functions) {
            assert_eq!(function.start as usize, place(before.start), "{}", linked.name);
        }
        for (relocation, before) in edited.relocations.iter().zip(&linked.relocations) {
            assert_eq!(relocation.at as usize, place(before.at) + 1, "{}", linked.name);
            assert_eq!(relocation.target, before.target);
            assert_eq!(
                edited.insns[relocation.at as usize],
                linked.insns[before.at as usize]
            );
            relocations += 1;
        }

        let padding: Vec<usize> = starts(&edited.insns).into_iter().step_by(2).collect();
        edited
            .edit(|edit| {
                for at in padding {
                    edit.remove(at..at + 1);
                }
            })
            .unwrap();
        assert_eq!(show(&edited), show(linked));
        programs += 1;
    });
    assert!(
        programs > 100 && lines > 1000 && relocations > 100,
        "{programs} {lines} {relocations}"
    );
}

#[test]
fn what_is_removed_takes_along_what_is_known_of_it() {
    each_program(|linked| {
        let Some(last) = linked.functions.last().filter(|_| linked.functions.len() > 1) else {
            return;
        };
        let (start, end) = (last.start as usize, linked.insns.len());
        let mut edited = linked.clone();
        edited
            .edit(|edit| {
                edit.remove(start..end);
            })
            .unwrap();
        assert_eq!(edited.functions.len(), linked.functions.len() - 1);
        assert!(edited.func_info.iter().all(|info| (info.slot as usize) < start));
        assert!(edited.line_info.iter().all(|line| (line.slot as usize) < start));
        assert!(
            edited
                .relocations
                .iter()
                .all(|relocation| (relocation.at as usize) < start)
        );
    });
}

#[test]
fn an_impossible_edit_leaves_the_program_alone() {
    each_program(|linked| {
        let mut edited = linked.clone();
        let end = linked.insns.len();
        let result = edited.edit(|edit| {
            edit.insert(end + 1, &NOTHING.encode());
        });
        assert_eq!(result, Err(EditError::OutOfRange { at: end + 1 }));
        assert_eq!(show(&edited), show(linked));
    });
}
