//! Merging types that are the same.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use bpfld_btf::{Btf, Builder, Deduplicated, ErrorKind, Field, IntEncoding, Kind, Linkage, Sign, TypeId};
use proptest::prelude::*;

/// The types that are left, one a line.
#[track_caller]
fn check(builder: &Builder, expected: &str) -> Deduplicated {
    let merged = builder.dedup().unwrap();
    let btf = merged.builder.finish().unwrap();
    btf.validate().unwrap();
    let text: Vec<String> = btf
        .types()
        .map(|ty| ty.raw().to_string().replace("\n\t", " | "))
        .collect();
    assert_eq!(text.join("\n"), expected.trim());
    let again = merged.builder.dedup().unwrap();
    assert_eq!(again.builder.to_bytes(), merged.builder.to_bytes());
    merged
}

/// `struct node { <value> value; struct node *next; struct other *other; }` of one compilation unit.
fn unit(builder: &mut Builder, value: u32, other: Option<u32>) -> TypeId {
    let value = builder.int("value", value, IntEncoding::SIGNED).unwrap();
    let other = match other {
        Some(size) => builder
            .structure("other", size, &[Field::new("value", value, 0)])
            .unwrap(),
        None => builder.forward("other", Kind::STRUCT).unwrap(),
    };
    let other = builder.pointer(other).unwrap();
    let node = builder.next_id();
    let fields = [
        Field::new("value", value, 0),
        Field::new("next", TypeId(node.0 + 1), 8),
        Field::new("other", other, 16),
    ];
    builder.structure("node", 24, &fields).unwrap();
    builder.pointer(node).unwrap();
    node
}

#[test]
fn units_that_agree_become_one() {
    let mut b = Builder::new();
    let nodes = [
        unit(&mut b, 4, None),
        unit(&mut b, 4, Some(8)),
        unit(&mut b, 4, None),
    ];
    let merged = check(
        &b,
        "\
[1] INT 'value' size=4 bits_offset=0 nr_bits=32 encoding=SIGNED
[2] PTR '(anon)' type_id=5
[3] STRUCT 'node' size=24 vlen=3 | 'value' type_id=1 bits_offset=0 | 'next' type_id=4 bits_offset=64 | 'other' type_id=2 bits_offset=128
[4] PTR '(anon)' type_id=3
[5] STRUCT 'other' size=8 vlen=1 | 'value' type_id=1 bits_offset=0",
    );
    assert_eq!(nodes.map(|id| merged.ids[id.0 as usize]), [TypeId(3); 3]);
}

#[test]
fn units_that_differ_stay_apart() {
    let mut b = Builder::new();
    unit(&mut b, 4, Some(8));
    unit(&mut b, 8, Some(8));
    let merged = b.dedup().unwrap();
    assert_eq!(merged.builder.len(), b.len());
    let mut b = Builder::new();
    unit(&mut b, 4, Some(8));
    unit(&mut b, 4, Some(16));
    // Only the integer is shared.
    assert_eq!(b.dedup().unwrap().builder.len(), b.len() - 1);
}

#[test]
fn forward_declarations() {
    let mut b = Builder::new();
    let forward = b.forward("s", Kind::STRUCT).unwrap();
    b.pointer(forward).unwrap();
    b.forward("s", Kind::UNION).unwrap();
    b.forward("t", Kind::STRUCT).unwrap();
    b.structure("s", 4, &[]).unwrap();
    for size in [4, 8] {
        b.structure("t", size, &[]).unwrap();
    }
    check(
        &b,
        "\
[1] PTR '(anon)' type_id=4
[2] FWD 's' fwd_kind=union
[3] FWD 't' fwd_kind=struct
[4] STRUCT 's' size=4 vlen=0
[5] STRUCT 't' size=4 vlen=0
[6] STRUCT 't' size=8 vlen=0",
    );
}

#[test]
fn enumerations() {
    let mut b = Builder::new();
    b.enumeration("e", 4, Sign::Unsigned, &[]).unwrap();
    b.enumeration("e", 4, Sign::Unsigned, &[("A", 1)]).unwrap();
    b.enumeration("e", 4, Sign::Unsigned, &[("A", 1)]).unwrap();
    b.enumeration("e", 4, Sign::Signed, &[("A", 1)]).unwrap();
    b.enumeration("e", 1, Sign::Unsigned, &[("A", 1)]).unwrap();
    b.enumeration64("e", 8, Sign::Unsigned, &[("A", 1)]).unwrap();
    b.enumeration("e", 4, Sign::Unsigned, &[]).unwrap();
    assert_eq!(b.dedup().unwrap().builder.len(), 5);
}

#[test]
fn tags_functions_and_variables() {
    let mut b = Builder::new();
    for name in ["a", "a", "b"] {
        let int = b.int("int", 4, IntEncoding::SIGNED).unwrap();
        let typedef = b.typedef("number", int).unwrap();
        let proto = b.prototype(typedef, &[(name, typedef)]).unwrap();
        let function = b.function("f", Linkage::GLOBAL, proto).unwrap();
        b.decl_tag("tag", function, Some(0)).unwrap();
        let variable = b.variable("v", typedef, Linkage::GLOBAL).unwrap();
        b.decl_tag("tag", variable, None).unwrap();
    }
    let kinds = |builder: &Builder, kind| {
        builder
            .finish()
            .unwrap()
            .types()
            .filter(|ty| ty.kind() == kind)
            .count()
    };
    let merged = b.dedup().unwrap().builder;
    let counts = [
        Kind::INT,
        Kind::TYPEDEF,
        Kind::FUNC_PROTO,
        Kind::FUNC,
        Kind::VAR,
        Kind::DECL_TAG,
    ];
    assert_eq!(counts.map(|kind| kinds(&merged, kind)), [1, 1, 2, 2, 3, 5]);
}

#[test]
fn circles_without_a_struct_are_refused() {
    let mut b = Builder::new();
    let next = TypeId(b.next_id().0 + 1);
    b.pointer(next).unwrap();
    b.constant(TypeId(1)).unwrap();
    assert!(matches!(b.dedup().unwrap_err().kind(), ErrorKind::Depth(_)));
    let mut b = Builder::new();
    b.pointer(TypeId(9)).unwrap();
    assert_eq!(b.dedup().unwrap_err().kind(), &ErrorKind::TypeId(TypeId(9)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn damaged(edits in prop::collection::vec((any::<prop::sample::Index>(), 0u32..40), 0..6)) {
        let mut bytes = common::every_kind().to_bytes();
        for (at, value) in edits {
            let at = at.index(bytes.len() / 4) * 4;
            bytes[at..at + 4].copy_from_slice(&value.to_ne_bytes());
        }
        let Ok(btf) = Btf::parse(bytes) else { return Ok(()) };
        let mut builder = Builder::new();
        if builder.append(&btf).is_err() || builder.append(&btf).is_err() {
            return Ok(());
        }
        if let Ok(merged) = builder.dedup() {
            prop_assert!(merged.builder.len() <= builder.len());
            let again = merged.builder.dedup().unwrap().builder;
            prop_assert!(again.len() <= merged.builder.len());
            common::exercise(&merged.builder.finish().unwrap());
        }
    }
}
