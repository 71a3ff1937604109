//! Split BTF: merging it with its base, putting it on another base; and new numbers for types.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::sync::Arc;

use bpfld_btf::{Btf, Builder, Endian, ErrorKind, Field, IntEncoding, Kind, Linkage, Sign, TypeId};

/// The own types, one a line.
fn text(btf: &Btf) -> String {
    btf.validate().unwrap();
    let lines: Vec<String> = btf
        .own_types()
        .map(|ty| ty.raw().to_string().replace("\n\t", " | "))
        .collect();
    lines.join("\n")
}

#[track_caller]
fn check(builder: &Builder, expected: &str) -> Btf {
    let btf = builder.finish().unwrap();
    assert_eq!(text(&btf), expected.trim());
    btf
}

/// `int`, `struct list { struct list *next; struct hidden *of; }`, `struct hidden;`
fn base() -> Builder {
    let mut b = Builder::new();
    b.int("int", 4, IntEncoding::SIGNED).unwrap();
    list(&mut b);
    b
}

fn list(b: &mut Builder) -> TypeId {
    let hidden = b.forward("hidden", Kind::STRUCT).unwrap();
    let to_hidden = b.pointer(hidden).unwrap();
    let list = b.next_id();
    let next = TypeId(list.0 + 1);
    let fields = [Field::new("next", next, 0), Field::new("of", to_hidden, 8)];
    b.structure("list", 16, &fields).unwrap();
    b.pointer(list).unwrap();
    list
}

#[test]
fn what_the_base_has_is_left_out() {
    let mut split = Builder::split(Arc::new(base().finish().unwrap()));
    let int = split.int("int", 4, IntEncoding::SIGNED).unwrap();
    let list = list(&mut split);
    let new = split
        .structure(
            "new",
            24,
            &[Field::new("list", list, 0), Field::new("n", int, 16)],
        )
        .unwrap();
    let merged = split.dedup().unwrap();
    check(
        &merged.builder,
        "[6] STRUCT 'new' size=24 vlen=2 | 'list' type_id=4 bits_offset=0 | 'n' type_id=1 bits_offset=128",
    );
    let new_ids = [int, list, new].map(|id| *merged.ids.get(id.0 as usize).unwrap());
    assert_eq!(new_ids, [1, 4, 6].map(TypeId));
}

#[test]
fn a_declaration_of_the_base_is_defined_in_the_split() {
    let mut split = Builder::split(Arc::new(base().finish().unwrap()));
    let int = split.int("int", 4, IntEncoding::SIGNED).unwrap();
    let hidden = split.structure("hidden", 4, &[Field::new("n", int, 0)]).unwrap();
    let to_hidden = split.pointer(hidden).unwrap();
    let next = TypeId(split.next_id().0 + 1);
    let fields = [Field::new("next", next, 0), Field::new("of", to_hidden, 8)];
    let list = split.structure("list", 16, &fields).unwrap();
    split.pointer(list).unwrap();
    // The base cannot be made to refer to the definition, so that the list is kept.
    check(
        &split.dedup().unwrap().builder,
        "\
[6] STRUCT 'hidden' size=4 vlen=1 | 'n' type_id=1 bits_offset=0
[7] PTR '(anon)' type_id=6
[8] STRUCT 'list' size=16 vlen=2 | 'next' type_id=9 bits_offset=0 | 'of' type_id=7 bits_offset=64
[9] PTR '(anon)' type_id=8",
    );
}

/// A module that uses a kernel: `char`, `int`, an enumeration, a struct embedded and one pointed to, an anonymous union.
fn kernel(first: &[&str], embedded_size: u32) -> Arc<Btf> {
    let mut b = Builder::new();
    for name in first {
        b.int(name, 1, IntEncoding::CHAR).unwrap();
    }
    let int = b.int("int", 4, IntEncoding::SIGNED).unwrap();
    b.enumeration("mode", 4, Sign::Unsigned, &[("OFF", 0), ("ON", 1)])
        .unwrap();
    let fields = [Field::new("a", int, 0)];
    b.structure("embedded", embedded_size, &fields).unwrap();
    let pointed = b.structure("pointed", 8, &fields).unwrap();
    b.pointer(pointed).unwrap();
    b.union("", 4, &fields).unwrap();
    Arc::new(b.finish().unwrap())
}

fn module(kernel: &Arc<Btf>) -> Btf {
    let mut b = Builder::split(kernel.clone());
    let find = |name, kind| kernel.find(name, kind).unwrap();
    let pointed = find("pointed", Kind::STRUCT);
    let of_kind = |kind: Kind| kernel.types().find(|ty| ty.kind() == kind).unwrap().id();
    let fields = [
        Field::new("mode", find("mode", Kind::ENUM), 0),
        Field::new("u", of_kind(Kind::UNION), 4),
        Field::new("in", find("embedded", Kind::STRUCT), 8),
        Field::new("to", of_kind(Kind::PTR), 16),
    ];
    b.structure("of_module", 24, &fields).unwrap();
    b.typedef("pointed_t", pointed).unwrap();
    b.finish().unwrap()
}

#[test]
fn distilled_and_put_on_another_kernel() {
    let module = module(&kernel(&["char", "unused"], 4));
    let distilled = module.distill().unwrap();
    assert_eq!(
        text(&distilled.base),
        "\
[1] INT 'int' size=4 bits_offset=0 nr_bits=32 encoding=SIGNED
[2] ENUM 'mode' encoding=UNSIGNED size=4 vlen=0
[3] STRUCT 'embedded' size=4 vlen=0
[4] STRUCT 'pointed' size=8 vlen=0"
    );
    let split = check(
        &distilled.split,
        "\
[5] STRUCT 'of_module' size=24 vlen=4 | 'mode' type_id=2 bits_offset=0 | 'u' type_id=8 bits_offset=32 | 'in' type_id=3 bits_offset=64 | 'to' type_id=7 bits_offset=128
[6] TYPEDEF 'pointed_t' type_id=4
[7] PTR '(anon)' type_id=4
[8] UNION '(anon)' size=4 vlen=1 | 'a' type_id=1 bits_offset=0",
    );
    let other = kernel(&[], 4);
    let relocated = split.relocate(&other).unwrap();
    check(
        &relocated,
        "\
[7] STRUCT 'of_module' size=24 vlen=4 | 'mode' type_id=2 bits_offset=0 | 'u' type_id=10 bits_offset=32 | 'in' type_id=3 bits_offset=64 | 'to' type_id=9 bits_offset=128
[8] TYPEDEF 'pointed_t' type_id=4
[9] PTR '(anon)' type_id=4
[10] UNION '(anon)' size=4 vlen=1 | 'a' type_id=1 bits_offset=0",
    );
    // What is embedded must have the same size; where there is no such type, it says so.
    let embedded = TypeId(3);
    let other_size = split.relocate(&kernel(&[], 8)).unwrap_err();
    assert_eq!(other_size.kind(), &ErrorKind::Unmatched(embedded));
    let nothing = Arc::new(Builder::new().finish().unwrap());
    assert_eq!(
        split.relocate(&nothing).unwrap_err().kind(),
        &ErrorKind::Unmatched(TypeId(1))
    );
    let mut twice = Builder::new();
    twice.append(&other).unwrap();
    twice.append(&other).unwrap();
    let twice = Arc::new(twice.finish().unwrap());
    assert_eq!(
        split.relocate(&twice).unwrap_err().kind(),
        &ErrorKind::Ambiguous(embedded)
    );
    assert_eq!(twice.distill().unwrap_err().kind(), &ErrorKind::NotSplit);
    assert_eq!(twice.relocate(&other).unwrap_err().kind(), &ErrorKind::NotSplit);
}

#[test]
fn what_leads_nowhere_is_not_distilled() {
    let mut split = Builder::split(kernel(&[], 4));
    split.pointer(TypeId(99)).unwrap();
    let error = split.finish().unwrap().distill().unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::TypeId(TypeId(99)));
}

#[test]
fn functions_of_the_base_cannot_be_distilled() {
    let mut b = Builder::new();
    let prototype = b.prototype(TypeId::VOID, &[]).unwrap();
    let function = b.function("f", Linkage::GLOBAL, prototype).unwrap();
    let mut split = Builder::split(Arc::new(b.finish().unwrap()));
    split.decl_tag("tag", function, None).unwrap();
    let error = split.finish().unwrap().distill().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::UnexpectedKind { id, .. } if *id == function));
}

#[test]
fn appending_needs_the_same_base_and_all_or_nothing() {
    let kernels = [kernel(&[], 4), kernel(&["char"], 4)];
    let [ours, theirs] = &kernels;
    let mut all = Builder::split(ours.clone());
    all.append(&module(ours)).unwrap();
    all.append(&module(ours)).unwrap();
    assert!(all.append(&module(theirs)).is_err());
    let btf = all.finish().unwrap();
    assert_eq!(btf.own_types().count(), 4);
    assert_eq!(
        all.dedup().unwrap().builder.finish().unwrap().own_types().count(),
        2
    );

    let mut broken = Builder::new();
    broken.pointer(TypeId::VOID).unwrap();
    broken.pointer(TypeId(99)).unwrap();
    let mut builder = base();
    let before = builder.to_bytes();
    assert!(builder.append(&broken.finish().unwrap()).is_err());
    assert_eq!(builder.to_bytes(), before);
}

#[test]
fn new_numbers() {
    let builder = common::every_kind();
    let old = builder.finish().unwrap();
    let ids = builder.ids_by_name();
    let sorted = builder.permute(&ids).unwrap().finish().unwrap();
    sorted.validate().unwrap();
    let names: Vec<_> = sorted
        .types()
        .map(|ty| ty.name_bytes().unwrap().to_vec())
        .collect();
    assert!(names.is_sorted());
    for (old, new) in old.types().zip(&ids) {
        let new = sorted.ty(*new).unwrap();
        assert_eq!(
            (new.kind(), new.name(), new.vlen()),
            (old.kind(), old.name(), old.vlen())
        );
        let renamed = old.target().map(|id| match id.0.checked_sub(1) {
            Some(own) => *ids.get(own as usize).unwrap(),
            None => id,
        });
        assert_eq!(new.target(), renamed);
    }
    // Back again.
    let mut inverse = vec![TypeId::VOID; ids.len()];
    for (old, new) in (1..).zip(&ids) {
        *inverse.get_mut(new.0 as usize - 1).unwrap() = TypeId(old);
    }
    let mut copy = Builder::new();
    copy.append(&sorted).unwrap();
    let back = copy.permute(&inverse).unwrap().finish().unwrap();
    assert_eq!(text(&back), text(&old));
    for wrong in [&[TypeId(1)][..], &[TypeId(1), TypeId(1)], &[TypeId(0), TypeId(1)]] {
        let mut two = Builder::new();
        two.pointer(TypeId::VOID).unwrap();
        two.pointer(TypeId(1)).unwrap();
        assert!(two.permute(wrong).is_err());
    }
}

#[test]
fn a_layout_section_of_the_base_serves_the_split() {
    // A kind of the future, eight bytes more for each element: only the base says so.
    let mut bytes = base().with_layout().to_bytes_in(Endian::Little);
    let word = |bytes: &[u8], at: usize| u32::from_le_bytes(*bytes.get(at..).unwrap().first_chunk().unwrap());
    let (layout_at, layout_len) = (32 + word(&bytes, 24) as usize, word(&bytes, 28) as usize);
    // Kinds 0 to 19 have a record each; one more, before the strings.
    bytes.splice(layout_at + layout_len..layout_at + layout_len, [4, 8, 0, 0]);
    for (at, more) in [(28, 4), (16, 4)] {
        let value = word(&bytes, at) + more;
        bytes
            .get_mut(at..at + 4)
            .unwrap()
            .copy_from_slice(&value.to_le_bytes());
    }
    let with_layout = Arc::new(Btf::parse(bytes).unwrap());
    let mut split = Builder::split(with_layout.clone());
    let after = split.pointer(TypeId(1)).unwrap();
    let bytes = split.to_bytes_in(Endian::Little);
    // A record of kind 20 with two elements in front of the pointer.
    let record = [0, 20 << 24 | 2, 0, 0, 0, 0, 0, 0].map(u32::to_le_bytes).concat();
    let mut unknown = bytes.clone();
    unknown.splice(24..24, record.iter().copied());
    for at in [12, 16] {
        let value = word(&unknown, at) + record.len() as u32;
        unknown
            .get_mut(at..at + 4)
            .unwrap()
            .copy_from_slice(&value.to_le_bytes());
    }
    let btf = Btf::parse_split(unknown.clone(), with_layout).unwrap();
    let kinds: Vec<Kind> = btf.own_types().map(|ty| ty.kind()).collect();
    assert_eq!(kinds, [Kind(20), Kind::PTR]);
    assert_eq!(btf.ty(TypeId(after.0 + 1)).unwrap().target(), Some(TypeId(1)));
    // Without it, the record has no known length.
    let plain = Arc::new(base().finish().unwrap());
    let error = Btf::parse_split(unknown, plain).unwrap_err();
    assert_eq!(
        (error.kind(), error.offset()),
        (&ErrorKind::UnknownKind(Kind(20)), 24)
    );
}

#[test]
fn more_members_than_sixteen_bits_can_count() {
    // Since 7.2, counts have 24 bits.
    let values: Vec<(String, i64)> = (0..70_000).map(|n| (format!("v{n}"), n)).collect();
    let values: Vec<(&str, i64)> = values
        .iter()
        .map(|(name, value)| (name.as_str(), *value))
        .collect();
    let mut b = Builder::new();
    let id = b.enumeration("many", 4, Sign::Unsigned, &values).unwrap();
    let last = b.pointer(id).unwrap();
    for endian in [Endian::Little, Endian::Big] {
        let btf = Btf::parse(b.to_bytes_in(endian)).unwrap();
        assert_eq!(btf.ty(id).unwrap().vlen(), 70_000);
        assert_eq!(
            btf.ty(id).unwrap().enum_values().last().unwrap().name(),
            Ok("v69999")
        );
        assert_eq!(btf.ty(last).unwrap().target(), Some(id));
    }
}
