//! CO-RE: each relocation kind, and the corners where types differ.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::sync::Arc;

use bpfld_btf::{
    Btf, Builder, CoreError, CoreKind, CoreRelocation, Endian, Field, IntEncoding, Kind, Module, Outcome,
    Poison, Resolver, Sign, Targets, TypeId,
};
use proptest::prelude::*;

/// Builds one side. The access strings are put into the names of typedefs, so that they have an offset.
struct Side {
    builder: Builder,
    int: TypeId,
}

impl Side {
    fn new() -> Self {
        let mut builder = Builder::new();
        let int = builder.int("int", 4, IntEncoding::SIGNED).unwrap();
        Self { builder, int }
    }

    fn uint(&mut self, size: u32) -> TypeId {
        self.builder.int("u", size, IntEncoding::UNSIGNED).unwrap()
    }
}

/// What became of relocation `kind` of `access` from `root`.
#[track_caller]
fn check(local: &Side, target: &Side, root: TypeId, access: &str, kind: CoreKind, expected: &str) {
    let mut local = local.builder.clone();
    let access = local.string(access).unwrap();
    // Bit fields lie elsewhere in the other order.
    let little = |builder: &Builder| Btf::parse(builder.to_bytes_in(Endian::Little)).unwrap();
    let local = little(&local);
    let targets = Targets::new(Arc::new(little(&target.builder)));
    let relocation = CoreRelocation {
        insn_offset: 0,
        type_id: root,
        access,
        kind,
    };
    let text = match Resolver::new(&local, &targets).resolve(&relocation) {
        Ok(resolution) => {
            let check = if resolution.validate { "=" } else { "?" };
            let outcome = match resolution.outcome {
                Outcome::Value(value) => format!("{value}"),
                Outcome::Poison(Poison::NoType) => "no type".into(),
                Outcome::Poison(_) => "no match".into(),
            };
            let width = resolution.width;
            let width = match (width.local == width.target, width.may_adjust) {
                (true, _) => String::new(),
                (false, true) => format!(" width {} -> {}", width.local, width.target),
                (false, false) => format!(" width {} -> {} refused", width.local, width.target),
            };
            format!("{check}{} -> {outcome}{width}", resolution.original)
        }
        Err(error) => format!("error: {error}"),
    };
    assert_eq!(text, expected);
}

#[test]
fn fields_move() {
    let mut a = Side::new();
    let pad = a.builder.array(a.int, a.int, 2).unwrap();
    let root = a
        .builder
        .structure(
            "s___mine",
            16,
            &[Field::new("x", a.int, 0), Field::new("y", pad, 4)],
        )
        .unwrap();
    let mut b = Side::new();
    let inner = b.builder.union("", 8, &[Field::new("x", b.int, 4)]).unwrap();
    let pad = b.builder.array(b.int, b.int, 4).unwrap();
    b.builder
        .structure("s", 32, &[Field::new("y", pad, 0), Field::new("", inner, 16)])
        .unwrap();
    use CoreKind as K;
    check(&a, &b, root, "0:0", K::FIELD_BYTE_OFFSET, "=0 -> 20");
    check(&a, &b, root, "0:1", K::FIELD_BYTE_OFFSET, "=4 -> 0");
    check(&a, &b, root, "0:1:1", K::FIELD_BYTE_OFFSET, "=8 -> 4");
    check(&a, &b, root, "2:1:1", K::FIELD_BYTE_OFFSET, "=40 -> 68");
    check(&a, &b, root, "0:1", K::FIELD_BYTE_SIZE, "=8 -> 16");
    check(&a, &b, root, "0:1:1", K::FIELD_BYTE_SIZE, "=4 -> 4");
    check(&a, &b, root, "0:0", K::FIELD_EXISTS, "=1 -> 1");
    check(&a, &b, root, "0:0", K::FIELD_SIGNED, "=1 -> 1");
    check(&a, &b, root, "0:0", K::FIELD_LSHIFT_U64, "=32 -> 32");
    check(&a, &b, root, "0:0", K::FIELD_RSHIFT_U64, "=32 -> 32");
    check(&a, &b, root, "0", K::TYPE_ID_LOCAL, &format!("?{root} -> {root}"));
    check(&a, &b, root, "0", K::TYPE_ID_TARGET, &format!("?{root} -> 4"));
    check(&a, &b, root, "0", K::TYPE_EXISTS, "=1 -> 1");
    check(&a, &b, root, "0", K::TYPE_SIZE, "=16 -> 32");
    check(&a, &b, root, "0", K::TYPE_MATCHES, "=1 -> 0");
    check(
        &a,
        &b,
        root,
        "0:1:1",
        K::FIELD_SIGNED,
        "error: relocation signed cannot be applied to an array element",
    );
    for path in [
        "",
        ":",
        "0:",
        "0:9",
        "0:1:2",
        "0:x",
        "-1",
        "0:0:0",
        "99999999999",
        "0 :1",
    ] {
        let error = format!("error: access path '{path}' does not fit type 3");
        check(&a, &b, root, path, K::FIELD_BYTE_OFFSET, &error);
    }
    check(
        &a,
        &b,
        root,
        "0:0",
        CoreKind(13),
        "error: unknown CO-RE relocation kind 13",
    );
    check(
        &a,
        &b,
        root,
        "1",
        K::TYPE_SIZE,
        "error: access path '1' does not fit type 3",
    );
    let deep = ["0"; 65].join(":");
    check(
        &a,
        &b,
        root,
        &deep,
        K::FIELD_EXISTS,
        "error: types along the access path are nested too deeply",
    );
}

#[test]
fn what_is_missing() {
    let mut a = Side::new();
    let root = a.builder.structure("s", 4, &[Field::new("x", a.int, 0)]).unwrap();
    let color = a
        .builder
        .enumeration("color", 4, Sign::Unsigned, &[("RED", 7)])
        .unwrap();
    let none = Side::new();
    let mut other = Side::new();
    let float = other.builder.float("float", 4).unwrap();
    other
        .builder
        .structure("s", 8, &[Field::new("x", float, 0)])
        .unwrap();
    other.builder.union("s", 4, &[Field::new("x", float, 0)]).unwrap();
    use CoreKind as K;
    check(&a, &none, root, "0:0", K::FIELD_BYTE_OFFSET, "=0 -> no type");
    check(&a, &other, root, "0:0", K::FIELD_BYTE_OFFSET, "=0 -> no match");
    check(&a, &none, root, "0:0", K::FIELD_EXISTS, "=1 -> 0");
    check(&a, &none, root, "0", K::TYPE_EXISTS, "=1 -> 0");
    check(&a, &none, root, "0", K::TYPE_SIZE, "=4 -> 0");
    check(&a, &none, root, "0", K::TYPE_ID_TARGET, &format!("?{root} -> 0"));
    check(&a, &none, root, "0", K::TYPE_MATCHES, "=1 -> 0");
    check(&a, &none, color, "0", K::ENUMVAL_EXISTS, "=1 -> 0");
    check(&a, &none, color, "0", K::ENUMVAL_VALUE, "=7 -> no type");
    check(&a, &none, a.int, "0", K::TYPE_EXISTS, "=1 -> 1");
    let mut anonymous = Side::new();
    let root = anonymous.builder.structure("", 4, &[]).unwrap();
    let error = "error: type 2 has no name, so that it cannot be found in the kernel";
    check(&anonymous, &none, root, "0", K::TYPE_EXISTS, error);
}

#[test]
fn enumeration_values() {
    let mut a = Side::new();
    let root = a
        .builder
        .enumeration("e", 4, Sign::Signed, &[("A", -3), ("B", 2), ("C___v1", 5)])
        .unwrap();
    let mut b = Side::new();
    b.builder
        .enumeration64("e", 8, Sign::Unsigned, &[("B", 1 << 40), ("C___v2", 9)])
        .unwrap();
    use CoreKind as K;
    check(&a, &b, root, "1", K::ENUMVAL_VALUE, "=2 -> 1099511627776");
    check(&a, &b, root, "2", K::ENUMVAL_VALUE, "=5 -> 9");
    check(&a, &b, root, "2", K::ENUMVAL_EXISTS, "=1 -> 1");
    check(&a, &b, root, "0", K::ENUMVAL_EXISTS, "=1 -> 0");
    check(
        &a,
        &b,
        root,
        "0",
        K::ENUMVAL_VALUE,
        &format!("={} -> no match", -3i64 as u64),
    );
    check(
        &a,
        &b,
        root,
        "3",
        K::ENUMVAL_VALUE,
        "error: access path '3' does not fit type 2",
    );
}

#[test]
fn bit_fields() {
    let mut a = Side::new();
    let u = a.uint(4);
    let fields = [
        Field::bits("x", u, 5, 3),
        Field::bits("y", u, 40, 20),
        Field::new("z", u, 8),
    ];
    let root = a.builder.structure("s", 12, &fields).unwrap();
    let mut b = Side::new();
    let u = b.uint(4);
    let fields = [
        Field::bits("y", u, 20, 20),
        Field::new("x", u, 8),
        Field::bits("z", u, 96, 7),
    ];
    b.builder.structure("s", 16, &fields).unwrap();
    use CoreKind as K;
    check(
        &a,
        &b,
        root,
        "0:0",
        K::FIELD_BYTE_OFFSET,
        "?0 -> 8 width 0 -> 4 refused",
    );
    check(&a, &b, root, "0:0", K::FIELD_BYTE_SIZE, "?4 -> 4");
    check(&a, &b, root, "0:0", K::FIELD_LSHIFT_U64, "?56 -> 32");
    check(&a, &b, root, "0:0", K::FIELD_RSHIFT_U64, "=61 -> 32");
    check(&a, &b, root, "0:1", K::FIELD_BYTE_OFFSET, "?4 -> 0");
    check(&a, &b, root, "0:1", K::FIELD_BYTE_SIZE, "?4 -> 8");
    check(&a, &b, root, "0:1", K::FIELD_LSHIFT_U64, "?36 -> 24");
    check(
        &a,
        &b,
        root,
        "0:2",
        K::FIELD_BYTE_OFFSET,
        "=8 -> 12 width 4 -> 0 refused",
    );
    let mut wide = Side::new();
    let u = wide.uint(8);
    wide.builder
        .structure("s", 16, &[Field::bits("x", u, 60, 8)])
        .unwrap();
    let error = "error: bit field cannot be read with one 64-bit load";
    check(&a, &wide, root, "0:0", K::FIELD_BYTE_OFFSET, error);
}

#[test]
fn widths() {
    let mut a = Side::new();
    let (u, p) = (a.uint(8), a.builder.pointer(TypeId::VOID).unwrap());
    let fields = [
        Field::new("i", a.int, 0),
        Field::new("u", u, 8),
        Field::new("p", p, 16),
    ];
    let root = a.builder.structure("s", 24, &fields).unwrap();
    let mut b = Side::new();
    let (long, u) = (b.builder.int("long", 4, IntEncoding::SIGNED).unwrap(), b.uint(2));
    let wide = b.builder.int("long long", 8, IntEncoding::SIGNED).unwrap();
    let p = b.builder.pointer(long).unwrap();
    let fields = [
        Field::new("i", wide, 0),
        Field::new("u", u, 8),
        Field::new("p", p, 12),
    ];
    b.builder.structure("s", 24, &fields).unwrap();
    use CoreKind as K;
    check(
        &a,
        &b,
        root,
        "0:0",
        K::FIELD_BYTE_OFFSET,
        "=0 -> 0 width 4 -> 8 refused",
    );
    check(&a, &b, root, "0:1", K::FIELD_BYTE_OFFSET, "=8 -> 8 width 8 -> 2");
    check(
        &a,
        &b,
        root,
        "0:2",
        K::FIELD_BYTE_OFFSET,
        "=16 -> 12 width 8 -> 4",
    );
}

#[test]
fn ambiguity() {
    let mut a = Side::new();
    let fields = [Field::new("x", a.int, 0), Field::new("y", a.int, 4)];
    let root = a.builder.structure("s", 8, &fields).unwrap();
    let mut b = Side::new();
    let i = b.int;
    b.builder
        .structure("s", 12, &[Field::new("x", i, 0), Field::new("y", i, 8)])
        .unwrap();
    b.builder
        .structure("s___2", 8, &[Field::new("x", i, 0), Field::new("y", i, 4)])
        .unwrap();
    b.builder.structure("s___3", 4, &[Field::new("x", i, 0)]).unwrap();
    use CoreKind as K;
    check(&a, &b, root, "0:0", K::FIELD_BYTE_OFFSET, "=0 -> 0");
    let error = "error: field is ambiguous: at bit 64 in type 2, at bit 32 in type 3 of the kernel";
    check(&a, &b, root, "0:1", K::FIELD_BYTE_OFFSET, error);
    let error = "error: answer is ambiguous: 12 for type 2, 8 for type 3 of the kernel";
    check(&a, &b, root, "0", K::TYPE_SIZE, error);
    check(&a, &b, root, "0", K::TYPE_EXISTS, "=1 -> 1");
}

#[test]
fn candidates_that_lack_a_field_are_dropped() {
    let mut a = Side::new();
    let fields = [Field::new("x", a.int, 0), Field::new("y", a.int, 4)];
    let root = a.builder.structure("s", 8, &fields).unwrap();
    let access = [a.builder.string("0:0").unwrap(), a.builder.string("0:1").unwrap()];
    let mut b = Side::new();
    let i = b.int;
    b.builder.structure("s", 4, &[Field::new("x", i, 0)]).unwrap();
    b.builder
        .structure("s___2", 12, &[Field::new("x", i, 8), Field::new("y", i, 4)])
        .unwrap();
    let local = a.builder.finish().unwrap();
    let targets = Targets::new(Arc::new(b.builder.finish().unwrap()));
    let relocation = |access| CoreRelocation {
        insn_offset: 0,
        type_id: root,
        access,
        kind: CoreKind::FIELD_BYTE_OFFSET,
    };
    let mut resolver = Resolver::new(&local, &targets);
    let ambiguous = resolver.resolve(&relocation(access[0])).unwrap_err();
    assert!(matches!(ambiguous, CoreError::AmbiguousOffset { .. }));
    let y = resolver.resolve(&relocation(access[1])).unwrap();
    assert_eq!(
        (y.candidates.len(), y.matching, y.outcome),
        (2, 1, Outcome::Value(4))
    );
    let x = resolver.resolve(&relocation(access[0])).unwrap();
    assert_eq!(
        (x.candidates.len(), x.matching, x.outcome),
        (1, 1, Outcome::Value(8))
    );
    let text = "<byte_off> [2] struct s.x (0:0 @ offset 0) is \
                <byte_off> [3] struct s___2.x (0:0 @ offset 8) in vmlinux: 0 becomes 8";
    assert_eq!(x.to_string(), text);
}

#[test]
fn modules_are_asked_only_if_needed() {
    let mut a = Side::new();
    let one = a.builder.structure("in_vmlinux", 4, &[]).unwrap();
    let two = a.builder.structure("in_module", 4, &[]).unwrap();
    let access = a.builder.string("0").unwrap();
    let local = a.builder.finish().unwrap();
    let mut b = Side::new();
    b.builder.structure("in_vmlinux", 8, &[]).unwrap();
    let vmlinux = Arc::new(b.builder.finish().unwrap());
    let mut module = Builder::split(vmlinux.clone());
    module.structure("in_vmlinux", 99, &[]).unwrap();
    let id = module.structure("in_module", 16, &[]).unwrap();
    let module = Arc::new(module.finish().unwrap());
    let asked = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let counter = asked.clone();
    let targets = Targets::new(vmlinux).with_modules(move || {
        counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        vec![Module {
            name: "m".into(),
            btf: module.clone(),
        }]
    });
    let mut resolver = Resolver::new(&local, &targets);
    let relocation = |type_id| CoreRelocation {
        insn_offset: 0,
        type_id,
        access,
        kind: CoreKind::TYPE_SIZE,
    };
    let found = resolver.resolve(&relocation(one)).unwrap();
    assert_eq!(
        (found.outcome, found.chosen.unwrap().module),
        (Outcome::Value(8), None)
    );
    assert_eq!(asked.load(std::sync::atomic::Ordering::Relaxed), 0);
    let found = resolver.resolve(&relocation(two)).unwrap();
    let chosen = found.chosen.unwrap();
    assert_eq!(
        (found.outcome, chosen.module, chosen.id),
        (Outcome::Value(16), Some("m"), id)
    );
    resolver.resolve(&relocation(two)).unwrap();
    assert_eq!(asked.load(std::sync::atomic::Ordering::Relaxed), 1);
}

#[test]
fn flexible_arrays_and_typedef_roots() {
    let mut a = Side::new();
    let flex = a.builder.array(a.int, a.int, 0).unwrap();
    let s = a
        .builder
        .structure("s", 4, &[Field::new("n", a.int, 0), Field::new("f", flex, 4)])
        .unwrap();
    let root = a.builder.typedef("t", s).unwrap();
    let mut b = Side::new();
    let flex = b.builder.array(b.int, b.int, 0).unwrap();
    let s = b.builder.structure("", 8, &[Field::new("f", flex, 8)]).unwrap();
    b.builder.typedef("t", s).unwrap();
    use CoreKind as K;
    check(&a, &b, root, "0:1:3", K::FIELD_BYTE_OFFSET, "=16 -> 20");
    let mut b = Side::new();
    let fixed = b.builder.array(b.int, b.int, 3).unwrap();
    let s = b.builder.structure("", 8, &[Field::new("f", fixed, 8)]).unwrap();
    b.builder.typedef("t", s).unwrap();
    check(&a, &b, root, "0:1:2", K::FIELD_BYTE_OFFSET, "=12 -> 16");
    check(&a, &b, root, "0:1:3", K::FIELD_BYTE_OFFSET, "=16 -> no match");
}

#[test]
fn shapes_match() {
    let side = |member: u32, forward: bool, len: u32| {
        let mut side = Side::new();
        let u = side.uint(member);
        let named = if forward {
            side.builder.forward("other", Kind::STRUCT).unwrap()
        } else {
            side.builder.structure("other", 4, &[]).unwrap()
        };
        let p = side.builder.pointer(named).unwrap();
        let array = side.builder.array(side.int, side.int, len).unwrap();
        let callback = side.builder.prototype(side.int, &[("a", p)]).unwrap();
        let callback = side.builder.pointer(callback).unwrap();
        let e = side
            .builder
            .enumeration("e", 4, Sign::Unsigned, &[("A", u64::from(len) as i64)])
            .unwrap();
        let fields = ["u", "p", "a", "c", "e"]
            .into_iter()
            .zip([u, p, array, callback, e]);
        let fields: Vec<_> = fields.map(|(name, ty)| Field::new(name, ty, 0)).collect();
        let root = side.builder.structure("s", 64, &fields).unwrap();
        (side, root)
    };
    let (a, root) = side(8, false, 4);
    let matches = |target: (Side, TypeId), expected| {
        check(&a, &target.0, root, "0", CoreKind::TYPE_MATCHES, expected);
    };
    matches(side(8, false, 4), "=1 -> 1");
    matches(side(8, true, 4), "=1 -> 1");
    matches(side(4, false, 4), "=1 -> 0");
    matches(side(8, false, 5), "=1 -> 0");
}

#[test]
fn nesting_without_end() {
    let mut a = Side::new();
    let root = a.builder.structure("s", 4, &[Field::new("x", a.int, 0)]).unwrap();
    let mut b = Side::new();
    // Every level holds the next one twice, without a name.
    let first = b.builder.next_id();
    for level in 0..60 {
        let next = TypeId(first.0 + level + 1);
        let name = if level == 0 { "s" } else { "" };
        b.builder
            .structure(name, 4, &[Field::new("", next, 0), Field::new("", next, 0)])
            .unwrap();
    }
    b.builder.structure("", 4, &[]).unwrap();
    check(
        &a,
        &b,
        root,
        "0:0",
        CoreKind::FIELD_EXISTS,
        "error: types are nested beyond reason",
    );
    let mut b = Side::new();
    let id = b.builder.next_id();
    b.builder.structure("s", 4, &[Field::new("", id, 0)]).unwrap();
    let error = "error: types along the access path are nested too deeply";
    check(&a, &b, root, "0:0", CoreKind::FIELD_EXISTS, error);
}

fn resolve_everything(local: &Btf, targets: &Targets, access: u32) {
    let mut resolver = Resolver::new(local, targets);
    for ty in local.types() {
        for kind in 0..14 {
            let relocation = CoreRelocation {
                insn_offset: 0,
                type_id: ty.id(),
                access,
                kind: CoreKind(kind),
            };
            match resolver.resolve(&relocation) {
                Ok(resolution) => drop(resolution.to_string()),
                Err(error) => drop(error.to_string()),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn damaged_on_either_side(
        local_edits in prop::collection::vec((any::<prop::sample::Index>(), 0u32..30), 0..4),
        target_edits in prop::collection::vec((any::<prop::sample::Index>(), 0u32..30), 0..4),
        path in prop::sample::select(vec!["0", "0:0", "0:1:2", "0:3", "0:2:0", "1", "0:7:0:0:0:0"]),
    ) {
        let damaged = |edits: &[(prop::sample::Index, u32)]| {
            let mut builder = common::every_kind();
            let access = builder.string(path).unwrap();
            let mut bytes = builder.to_bytes();
            for (at, value) in edits {
                let at = at.index(bytes.len() / 4) * 4;
                bytes[at..at + 4].copy_from_slice(&value.to_ne_bytes());
            }
            Btf::parse(bytes).map(|btf| (btf, access))
        };
        if let (Ok((local, access)), Ok((target, _))) = (damaged(&local_edits), damaged(&target_edits)) {
            resolve_everything(&local, &Targets::new(Arc::new(target)), access);
        }
    }
}
