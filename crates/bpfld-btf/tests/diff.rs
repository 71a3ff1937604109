//! What changed between two BTFs.

#![allow(clippy::unwrap_used, reason = "tests")]

use bpfld_btf::{Btf, Builder, Diff, Field, IntEncoding, TypeId};

#[track_caller]
fn check(build: impl Fn(&mut Builder, TypeId, bool), expected: &str) {
    let make = |is_new: bool| -> Btf {
        let mut builder = Builder::new();
        let int = builder.int("int", 4, IntEncoding::SIGNED).unwrap();
        build(&mut builder, int, is_new);
        builder.finish().unwrap()
    };
    let diff = Diff::new(&make(false), &make(true));
    let changes: Vec<String> = diff.changes.iter().map(ToString::to_string).collect();
    assert_eq!(changes.join("\n"), expected);
}

/// Of several types of one name, those that are in both are no change, whatever their order.
#[test]
fn several_of_one_name() {
    let sizes = |is_new| if is_new { [8, 4, 4, 16] } else { [4, 8, 12, 4] };
    check(
        |builder, _, is_new| {
            for size in sizes(is_new) {
                builder.structure("same", size, &[]).unwrap();
            }
        },
        "struct same changed\n  size from 12 to 16 bytes",
    );
}

/// A member that moves into a struct that it stands for, with a name (`-fms-extensions`) or without, stays where it is.
#[test]
fn members_of_members_without_a_name() {
    for name in ["", "named"] {
        let added = if name.is_empty() {
            ""
        } else {
            "struct named added\n"
        };
        check(
            |builder, int, is_new| {
                let (a, b) = (Field::new("a", int, 0), Field::new("b", int, 4));
                if !is_new {
                    builder.structure("outer", 8, &[a, b]).unwrap();
                    return;
                }
                let inner = builder.structure(name, 8, &[a, Field::new("c", int, 4)]).unwrap();
                builder
                    .structure("outer", 8, &[Field::new("", inner, 0)])
                    .unwrap();
            },
            &format!(
                "{added}struct outer changed\n  member removed: b: int at byte 4\n  member added: c: int at byte 4"
            ),
        );
    }
}

/// A single parameter without a type is no `...`.
#[test]
fn parameters() {
    check(
        |builder, int, is_new| {
            let open = ("", TypeId::VOID);
            let params: &[_] = if is_new { &[("a", int), open] } else { &[open] };
            let prototype = builder.prototype(int, params).unwrap();
            builder
                .function("f", bpfld_btf::Linkage::GLOBAL, prototype)
                .unwrap();
        },
        "func f changed\n  was int (), is int (int a, ...)",
    );
}
