//! Reading BTF: every kind, both byte orders, both headers, split, and the running kernel's.

mod common;

use std::sync::Arc;

use bpfld_btf::{Btf, Builder, Endian, ErrorKind, Field, Import, IntEncoding, Kind, TypeId};

#[test]
fn every_kind_in_both_byte_orders() {
    let builder = common::every_kind();
    for endian in [Endian::Little, Endian::Big] {
        let btf = Btf::parse(builder.to_bytes_in(endian)).unwrap();
        assert_eq!(btf.endian(), endian);
        btf.validate().unwrap();
        common::exercise(&btf);
        for kind in Kind::ALL.iter().filter(|kind| **kind != Kind::VOID) {
            assert!(btf.types().any(|ty| ty.kind() == *kind), "{kind}");
        }
        let outer = btf.find("outer", Kind::STRUCT).unwrap();
        assert_eq!(btf.resolve_size(outer), Ok(56));
        assert_eq!(btf.align_of(outer), Ok(8));
        let b2 = btf.ty(outer).unwrap().members().get(4).unwrap();
        assert_eq!((b2.name(), b2.bit_offset, b2.bitfield_size), (Ok("b2"), 259, 29));
        let color = btf.ty(btf.find("color", Kind::ENUM).unwrap()).unwrap();
        let values: Vec<i128> = color.enum_values().map(|value| value.value()).collect();
        assert_eq!(values, [-1, 2]);
        let wide = btf.ty(btf.find("wide", Kind::ENUM64).unwrap()).unwrap();
        assert_eq!(wide.enum_values().next().unwrap().value(), u64::MAX.into());
        assert_eq!(btf.flavors(b"outer").count(), 2);
        assert_eq!(btf.find_all("outer").count(), 1);
        assert_eq!(btf.find("outer", Kind::UNION), None);
        assert_eq!(btf.find("", Kind::UNION), None);

        let mut again = Builder::new();
        again.append(&btf).unwrap();
        let mut twice = Builder::new();
        twice.append(&again.finish().unwrap()).unwrap();
        assert_eq!(again.to_bytes(), twice.to_bytes());
        assert_eq!(again.to_bytes().len(), builder.to_bytes().len());
    }
}

#[test]
fn layout_section_lets_unknown_kinds_pass() {
    let plain = common::every_kind();
    let mut bytes = plain.clone().with_layout().to_bytes_in(Endian::Little);
    let btf = Btf::parse(bytes.clone()).unwrap();
    assert!(btf.has_layout());
    assert_eq!(btf.len(), plain.len());

    // Turn the first type, an integer of one extra word, into kind 20 and describe that kind.
    let types = 32;
    bytes[types + 7] = 20;
    let unknown = Btf::parse(bytes.clone()).unwrap_err();
    assert_eq!(unknown.kind(), &ErrorKind::UnknownKind(Kind(20)));
    let strings = 32 + u32::from_le_bytes(bytes[16..20].try_into().unwrap()) as usize;
    bytes.splice(strings..strings, [4, 0, 0, 0]);
    for at in [16, 28] {
        bytes[at] += 4;
    }
    let btf = Btf::parse(bytes).unwrap();
    assert_eq!(btf.ty(TypeId(1)).unwrap().kind(), Kind(20));
    assert_eq!(btf.find("outer", Kind::STRUCT), Some(TypeId(8)));
    common::exercise(&btf);
}

#[test]
fn split_continues_its_base() {
    let base = Arc::new(common::every_kind().finish().unwrap());
    let mut builder = Builder::split(base.clone());
    let outer = base.find("outer", Kind::STRUCT).unwrap();
    let module = builder.typedef("module_outer", outer).unwrap();
    let split = Btf::parse_split(builder.to_bytes(), base.clone()).unwrap();
    assert_eq!(module.0, base.len());
    assert_eq!(split.find("module_outer", Kind::TYPEDEF), Some(module));
    assert_eq!(split.find("outer", Kind::STRUCT), Some(outer));
    assert_eq!(split.find_own("outer", Kind::STRUCT), None);
    assert_eq!(split.resolve_size(module), Ok(56));
    assert_eq!(split.pointer_size(), 8);
    assert_eq!(split.ty(TypeId::VOID).unwrap().kind(), Kind::VOID);
    assert!(split.ty(TypeId(split.len())).is_err());
    split.validate().unwrap();
    assert!(matches!(
        Btf::parse(builder.to_bytes()).unwrap_err().kind(),
        ErrorKind::Strings
    ));
}

#[test]
fn import_takes_what_is_needed() {
    let all = common::every_kind().finish().unwrap();
    let outer = all.find("outer", Kind::STRUCT).unwrap();
    let mut builder = Builder::new();
    let mut import = Import::new(&all);
    let id = import.add(&mut builder, outer).unwrap();
    assert_eq!(import.add(&mut builder, outer).unwrap(), id);
    let small = builder.finish().unwrap();
    small.validate().unwrap();
    assert_eq!(small.resolve_size(id), Ok(56));
    assert!(small.find("color", Kind::ENUM).is_none());

    let mut builder = Builder::new();
    let proto = all.types().find(|ty| ty.kind() == Kind::FUNC_PROTO).unwrap();
    Import::new(&all)
        .forward_behind_pointers()
        .add(&mut builder, proto.id())
        .unwrap();
    let small = builder.finish().unwrap();
    small.validate().unwrap();
    assert!(small.find("outer", Kind::FWD).is_some());
    assert!(small.find("outer", Kind::STRUCT).is_none());
}

#[test]
fn endless_chains_end() {
    let mut builder = Builder::new();
    let a = builder.next_id();
    builder.typedef("a", TypeId(a.0 + 1)).unwrap();
    builder.constant(a).unwrap();
    let array = builder.next_id();
    builder.array(array, array, 1).unwrap();
    let s = builder.next_id();
    builder
        .structure("s", 8, &[bpfld_btf::Field::new("s", s, 0)])
        .unwrap();
    let btf = builder.finish().unwrap();
    for id in [a, array, s] {
        assert!(btf.align_of(id).is_err());
    }
    assert!(btf.resolve_size(a).is_err());
    assert!(btf.resolve(a).is_err());
    common::exercise(&btf);
}

#[test]
fn nesting_that_doubles_at_each_level_is_looked_at_once() {
    let mut builder = Builder::new();
    let mut inner = builder.int("int", 4, IntEncoding::SIGNED).unwrap();
    for _ in 0..31 {
        let fields = [
            bpfld_btf::Field::new("a", inner, 0),
            bpfld_btf::Field::new("b", inner, 4),
        ];
        inner = builder.structure("s", 8, &fields).unwrap();
    }
    let btf = builder.finish().unwrap();
    assert!(btf.align_of(inner).is_ok());
}

#[test]
fn many_types_of_one_name() {
    let mut builder = Builder::new();
    for _ in 0..200_000 {
        builder.int("same", 4, IntEncoding::SIGNED).unwrap();
    }
    let btf = builder.finish().unwrap();
    assert_eq!(btf.find("same", Kind::INT), Some(TypeId(1)));
    assert_eq!(btf.find_all("same").count(), 200_000);
}

#[test]
fn running_kernel() {
    // Absent on kernels without BTF; nothing to read then.
    let Ok(bytes) = std::fs::read("/sys/kernel/btf/vmlinux") else {
        return;
    };
    let btf = Btf::parse(bytes).unwrap();
    btf.validate().unwrap();
    let task = btf.find("task_struct", Kind::STRUCT).unwrap();
    assert!(btf.resolve_size(task).unwrap() > 1000);
    assert!(
        btf.ty(task)
            .unwrap()
            .members()
            .any(|member| member.name() == Ok("pid"))
    );
    for ty in btf.types().filter(|ty| !ty.is_anonymous()) {
        let name = ty.name().unwrap();
        assert!(btf.find_all(name).any(|found| found.id() == ty.id()), "{name}");
    }
    assert!(btf.index_memory() < 2 << 20, "{}", btf.index_memory());
}

/// Members as C has them by name: those of structs without a name within are the outer one's.
#[test]
fn members_by_name() {
    let mut b = Builder::new();
    let int = b.int("int", 4, IntEncoding::SIGNED).unwrap();
    let low = b
        .structure("", 4, &[Field::bits("bit", int, 3, 2), Field::new("", int, 0)])
        .unwrap();
    let alias = b.typedef("alias", low).unwrap();
    let middle = b
        .union("", 4, &[Field::new("raw", int, 0), Field::new("", alias, 0)])
        .unwrap();
    let named = b.structure("named", 4, &[Field::new("hidden", int, 0)]).unwrap();
    let fields = [
        Field::new("first", int, 0),
        Field::new("", middle, 4),
        Field::new("inner", named, 8),
    ];
    let outer = b.structure("outer", 12, &fields).unwrap();
    let broken = b
        .structure("broken", 4, &[Field::new("", TypeId(99), 0)])
        .unwrap();
    let btf = b.finish().unwrap();
    let ty = btf.ty(outer).unwrap();
    let found: Vec<_> = ty
        .named_members()
        .map(|member| {
            member
                .map(|member| (member.name().unwrap(), member.bit_offset))
                .unwrap()
        })
        .collect();
    assert_eq!(found, [("first", 0), ("raw", 32), ("bit", 35), ("inner", 64)]);
    let bit = ty.member("bit").unwrap().unwrap();
    assert_eq!((bit.bit_offset, bit.bitfield_size, bit.type_id), (35, 2, int));
    assert!(ty.member("hidden").unwrap().is_none() && ty.member("").unwrap().is_none());
    assert!(btf.ty(int).unwrap().member("first").unwrap().is_none());
    let broken = btf.ty(broken).unwrap();
    assert_eq!(
        broken.member("a").unwrap_err().kind(),
        &ErrorKind::TypeId(TypeId(99))
    );
    assert_eq!(broken.named_members().count(), 1);
}
