//! What the tests of this crate share: a BTF with every kind in it, mutations of it.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "tests: each uses a part, and a failure is a failure"
)]

use bpfld_btf::{Btf, Builder, Field, IntEncoding, Kind, Linkage, SectionEntry, Sign, TypeId};

/// A BTF with every kind in it.
pub(crate) fn every_kind() -> Builder {
    let mut b = Builder::new();
    let int = b.int("int", 4, IntEncoding::SIGNED).unwrap();
    let long = b.int("long unsigned int", 8, IntEncoding::UNSIGNED).unwrap();
    let char = b.int("char", 1, IntEncoding::CHAR).unwrap();
    let float = b.float("double", 8).unwrap();
    let pointer = b.pointer(char).unwrap();
    let array = b.array(int, long, 4).unwrap();
    let inner = b
        .union("", 8, &[Field::new("u", long, 0), Field::new("f", float, 0)])
        .unwrap();
    let next = TypeId(b.next_id().0 + 1);
    let outer = b
        .structure(
            "outer",
            56,
            &[
                Field::new("p", pointer, 0),
                Field::new("a", array, 8),
                Field::new("", inner, 24),
                Field::bits("b1", int, 256, 3),
                Field::bits("b2", int, 259, 29),
                Field::new("next", next, 40),
                Field::new("d", float, 48),
            ],
        )
        .unwrap();
    assert_eq!(b.pointer(outer).unwrap(), next);
    let e = b
        .enumeration("color", 4, Sign::Signed, &[("RED", -1), ("GREEN", 2)])
        .unwrap();
    b.enumeration64(
        "wide",
        8,
        Sign::Unsigned,
        &[("BIG", u64::MAX.into()), ("SMALL", 1)],
    )
    .unwrap();
    b.forward("opaque", Kind::UNION).unwrap();
    let td = b.typedef("outer_t", outer).unwrap();
    let c = b.constant(td).unwrap();
    let v = b.volatile(c).unwrap();
    b.restrict(next).unwrap();
    b.type_tag("rcu", v).unwrap();
    let proto = b.prototype(int, &[("x", next), ("", TypeId::VOID)]).unwrap();
    let func = b.function("f", Linkage::GLOBAL, proto).unwrap();
    let var = b.variable("global", e, Linkage::GLOBAL).unwrap();
    b.section(
        ".data",
        4,
        &[SectionEntry {
            type_id: var,
            offset: 0,
            size: 4,
        }],
    )
    .unwrap();
    b.decl_tag("tag", outer, Some(1)).unwrap();
    b.decl_tag("tag", func, None).unwrap();
    b.structure("outer___v2", 4, &[Field::new("a", int, 0)]).unwrap();
    b
}

/// Asks a BTF everything.
pub(crate) fn exercise(btf: &Btf) {
    let mut names = 0;
    for ty in btf.types() {
        names += ty.name().map_or(0, str::len);
        let _ = (
            btf.resolve_size(ty.id()),
            btf.align_of(ty.id()),
            btf.resolve(ty.id()).map(|ty| ty.kind()),
        );
        let _ = (
            ty.int(),
            ty.array(),
            ty.linkage(),
            ty.component(),
            ty.size_bytes(),
            ty.target(),
        );
        names += ty.members().filter_map(|member| member.name().ok()).count();
        names += ty.enum_values().filter_map(|value| value.name().ok()).count();
        names += ty.params().filter_map(|param| param.name().ok()).count();
        names += ty.variables().filter_map(|variable| variable.name().ok()).count();
        let _ = std::format!("{ty:?} {:?} {:?} {}", ty.members(), ty.enum_values(), ty.raw());
        if let Ok(name) = ty.name() {
            let found = btf.find(name, ty.kind());
            assert!(name.is_empty() || found.is_some_and(|id| id <= ty.id()), "{name}");
        }
    }
    let _ = btf.validate();
    std::hint::black_box(names);
}
