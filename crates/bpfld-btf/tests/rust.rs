//! Rust declarations: the text is compared with a committed one, which is compiled here and used on values.
#![cfg(target_endian = "little")]
#![expect(clippy::unwrap_used, reason = "a failed assumption is a failed test")]

use bpfld_btf::{Btf, Builder, DeclareError, Field, IntEncoding, Sign, Style, TypeId};
use zerocopy::IntoBytes;

/// What `write_rust` makes of [`types`].
mod generated {
    include!("rust/generated.rs");
}

use generated::{mixed, packed, state as run_state, r#type as keyword, variant};

/// Structs with all that makes layouts difficult.
fn types() -> Btf {
    let mut b = Builder::new();
    let char = b.int("char", 1, IntEncoding::SIGNED).unwrap();
    let int = b.int("int", 4, IntEncoding::SIGNED).unwrap();
    let unsigned = b.int("unsigned int", 4, IntEncoding::UNSIGNED).unwrap();
    let long = b.int("long", 8, IntEncoding::SIGNED).unwrap();
    let bool = b.int("_Bool", 1, IntEncoding::BOOL).unwrap();
    let wide = b.int("__int128", 16, IntEncoding::SIGNED).unwrap();
    let double = b.float("double", 8).unwrap();
    let long_double = b.float("long double", 16).unwrap();
    let u32 = b.typedef("u32", unsigned).unwrap();
    let truth = b.typedef("bool", bool).unwrap();
    let name = b.array(char, int, 16).unwrap();
    let values = [("IDLE", 0), ("RUNNING", 1), ("type", 7)];
    let state = b.enumeration("state", 4, Sign::Unsigned, &values).unwrap();
    let far = b
        .enumeration64("far", 8, Sign::Signed, &[("NEAR", -1), ("FAR", 1 << 40)])
        .unwrap();
    let state_t = b.typedef("state_t", state).unwrap();
    let nothing = b.structure("nothing", 0, &[]).unwrap();

    let packed_fields = [
        Field::new("tag", char, 0),
        Field::new("value", long, 1),
        Field::new("tail", u32, 9),
    ];
    let packed = b.structure("packed", 13, &packed_fields).unwrap();
    let half = b
        .structure("", 8, &[Field::new("low", u32, 0), Field::new("high", u32, 4)])
        .unwrap();
    let flags = b.structure(
        "",
        4,
        &[Field::bits("low", unsigned, 0, 3), Field::bits("sign", int, 3, 2)],
    );
    let variant_fields = [
        Field::new("whole", long, 0),
        Field::new("", half, 0),
        Field::new("flags", flags.unwrap(), 0),
        Field::new("real", double, 0),
    ];
    let variant = b.union("variant", 8, &variant_fields).unwrap();
    let next = b.forward("unknown", bpfld_btf::Kind::STRUCT).unwrap();
    let next = b.pointer(next).unwrap();
    let flexible = b.array(u32, int, 0).unwrap();
    let anonymous = b.enumeration("", 4, Sign::Signed, &[("MINUS", -1)]).unwrap();
    let mixed = [
        Field::bits("comm", name, 0, 0),
        Field::bits("next", next, 128, 0),
        Field::bits("ready", unsigned, 192, 1),
        Field::bits("level", int, 193, 5),
        Field::bits("mode", state, 206, 3),
        Field::bits("last", state_t, 209, 3),
        Field::bits("kind", anonymous, 224, 0),
        Field::bits("variant", variant, 256, 0),
        Field::bits("packed", packed, 320, 0),
        Field::bits("alive", truth, 424, 0),
        Field::bits("far", far, 448, 0),
        Field::bits("wide", wide, 512, 0),
        Field::bits("ratio", long_double, 640, 0),
        Field::bits("nothing", nothing, 768, 0),
        Field::bits("rest", flexible, 768, 0),
    ];
    let mixed = b.structure("mixed", 112, &mixed).unwrap();
    b.structure("type", 8, &[Field::new("self", u32, 0), Field::new("fn", u32, 4)])
        .unwrap();
    // A name of another kind that is taken, and one for a struct that has no other.
    b.typedef("state", mixed).unwrap();
    let inner = b.structure("", 4, &[Field::new("only", int, 0)]).unwrap();
    b.typedef("only_t", inner).unwrap();
    b.finish().unwrap()
}

#[test]
fn the_text_is_the_committed_one() {
    let mut text = String::from("// Written by the test; BPFLD_BLESS=1 writes it anew.\n\n");
    types().write_rust_all(&mut text).unwrap();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/rust/generated.rs");
    if std::env::var_os("BPFLD_BLESS").is_some_and(|value| value == "1") {
        std::fs::write(path, &text).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap();
    assert!(
        text == committed,
        "not the committed text; BPFLD_BLESS=1 takes what was found:\n{text}"
    );
}

/// A value shows, by its BTF, what its Rust methods have written.
#[track_caller]
fn check<T: IntoBytes + zerocopy::Immutable>(name: &str, value: &T, expected: &str) {
    let btf = types();
    let id = btf
        .find_all(name)
        .find(|ty| ty.kind().is_composite())
        .unwrap()
        .id();
    let mut text = String::new();
    btf.render(id, value.as_bytes(), &Style::text().without_zeroes(), &mut text)
        .unwrap();
    assert_eq!(text, expected);
}

#[test]
fn values_are_where_the_btf_says() {
    let mut value = mixed {
        kind: generated::mixed__kind::MINUS,
        alive: 1,
        far: generated::far::FAR,
        wide: -5,
        ..Default::default()
    };
    value.comm[..4].copy_from_slice(b"init");
    value.set_ready(1);
    value.set_level(-3);
    value.set_mode(run_state::r#type);
    value.packed.value = 6;
    value
        .variant
        .set___unnamed_0(generated::variant____unnamed_0 { low: 1, high: 2 });
    assert_eq!(
        (value.ready(), value.level(), value.mode()),
        (1, -3, run_state::r#type)
    );
    value.set_last(run_state::RUNNING);
    assert_eq!(
        (value.last(), value.mode()),
        (run_state::RUNNING, run_state::r#type)
    );
    assert_eq!(value.variant.whole(), (2 << 32) + 1);
    check(
        "mixed",
        &value,
        "{comm: \"init\", ready: 1, level: -3, mode: type, last: RUNNING, kind: MINUS, variant: {whole: 8589934593, low: 1, high: 2, \
         flags: {low: 1}, real: 4.2439915824e-314}, packed: {value: 6}, alive: true, far: FAR, wide: -5}",
    );
}

#[test]
fn bit_fields_keep_their_neighbours() {
    let mut value = mixed::default();
    for level in -16..16 {
        value.set_level(level);
        value.set_ready(0);
        assert_eq!(
            (value.level(), value.ready(), value.mode()),
            (level, 0, run_state::IDLE)
        );
        value.set_ready(1);
        assert_eq!((value.level(), value.ready()), (level, 1));
    }
    let mut value = variant::default();
    let mut flags = value.flags();
    flags.set_sign(-2);
    value.set_flags(flags);
    check(
        "variant",
        &value,
        "{whole: 16, low: 16, flags: {sign: -2}, real: 8e-323}",
    );
}

#[test]
fn names_and_packing() {
    let value = keyword { self_: 1, r#fn: 2 };
    check("type", &value, "{self: 1, fn: 2}");
    let value = packed {
        tag: 0,
        value: 1,
        tail: 2,
    };
    check("packed", &value, "{value: 1, tail: 2}");
    assert_eq!(generated::only_t { only: 1 }.only, 1);
}

#[test]
fn what_is_no_struct_is_an_error() {
    let mut b = Builder::new();
    let int = b.int("int", 4, IntEncoding::SIGNED).unwrap();
    let overlapping = b
        .structure("s", 8, &[Field::new("a", int, 0), Field::new("b", int, 2)])
        .unwrap();
    // A struct that contains itself: the next id.
    let itself = TypeId(overlapping.0 + 1);
    b.structure("loop", 8, &[Field::new("again", itself, 0)]).unwrap();
    let btf = b.finish().unwrap();
    for id in [overlapping, itself] {
        let error = btf.write_rust(&[id], &mut String::new()).unwrap_err();
        assert!(matches!(error, DeclareError::Btf(_)), "{error}");
    }
}

#[test]
fn names_do_not_break_out() {
    let mut b = Builder::new();
    let int = b.int("int", 4, IntEncoding::SIGNED).unwrap();
    let bad = b
        .structure(
            "a`\nfn b() {}",
            8,
            &[Field::new("c; }\n", int, 0), Field::new("", int, 4)],
        )
        .unwrap();
    let mut text = String::new();
    b.finish().unwrap().write_rust(&[bad], &mut text).unwrap();
    assert!(
        text.starts_with("/// `struct a??fn b() {}`, 8 bytes.\n"),
        "{text}"
    );
    assert!(
        text.contains("pub struct a__fn_b_____ {\n    pub c____: i32,\n    pub __unnamed_0: i32,\n}"),
        "{text}"
    );
}

/// Structs in structs, as the selftests have them 65 deep: too deep for rustc, which does not spoil the rest.
#[test]
fn deep_types() {
    for (depth, has_size, fits) in [(40, true, true), (65, true, false), (200, false, false)] {
        let mut b = Builder::new();
        let int = b.int("int", 4, IntEncoding::SIGNED).unwrap();
        let mut inner = b.structure("", 4, &[Field::new("a", int, 0)]).unwrap();
        for _ in 0..depth {
            inner = b.structure("", 4, &[Field::new("", inner, 0)]).unwrap();
        }
        let outer = b.structure("outer", 4, &[Field::new("", inner, 0)]).unwrap();
        b.structure("flat", 4, &[Field::new("a", int, 0)]).unwrap();
        let btf = b.finish().unwrap();
        assert_eq!(btf.align_of(outer).is_ok(), has_size, "{depth}");
        assert_eq!(
            btf.write_c(&[outer], &mut String::new()).is_ok(),
            has_size,
            "{depth}"
        );
        assert_eq!(
            btf.write_rust(&[outer], &mut String::new()).is_ok(),
            fits,
            "{depth}"
        );
        let mut all = String::new();
        btf.write_rust_all(&mut all).unwrap();
        assert_eq!(all.contains("pub struct outer {"), fits, "{depth}");
        assert_eq!(all.contains("// `struct outer` is left out"), !fits, "{depth}");
        assert!(all.contains("pub struct flat {"));
    }
}

/// An enumeration that is only named, as clang writes it: no values, no size.
#[test]
fn an_enumeration_that_is_only_named() {
    let mut b = Builder::new();
    let hidden = b.enumeration("hidden", 0, Sign::Unsigned, &[]).unwrap();
    b.typedef("hidden_t", hidden).unwrap();
    let mut text = String::new();
    b.finish().unwrap().write_rust_all(&mut text).unwrap();
    assert_eq!(text, "");
}

/// What has no name and is in no struct that could lend it one.
#[test]
fn a_type_without_a_name() {
    let mut b = Builder::new();
    let int = b.int("int", 4, IntEncoding::SIGNED).unwrap();
    let root = b.structure("", 4, &[Field::new("a", int, 0)]).unwrap();
    let mut text = String::new();
    b.finish().unwrap().write_rust(&[root], &mut text).unwrap();
    assert!(
        text.contains("pub struct __unnamed {\n    pub a: i32,\n}"),
        "{text}"
    );
}
