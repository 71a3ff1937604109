//! Values as text and JSON.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use bpfld_btf::{
    Btf, Builder, Endian, Field, IntEncoding, Kind, Linkage, RenderError, SectionEntry, Sign, Style, TypeId,
};
use proptest::prelude::*;

#[track_caller]
fn check(btf: &Btf, id: TypeId, bytes: &[u8], style: Style, expected: &str) {
    let mut text = String::new();
    match btf.render(id, bytes, &style.endian(Endian::Little), &mut text) {
        Ok(()) => assert_eq!(text, expected),
        Err(error) => assert_eq!(format!("error: {error}"), expected),
    }
}

#[test]
fn scalars() {
    let mut b = Builder::new();
    let all =
        |id: TypeId, text: &'static str, json: &'static str, bytes: &'static [u8]| (id, text, json, bytes);
    let rows = [
        all(
            b.int("int", 4, IntEncoding::SIGNED).unwrap(),
            "-2",
            "-2",
            &[0xfe, 0xff, 0xff, 0xff],
        ),
        all(
            b.int("u64", 8, IntEncoding::UNSIGNED).unwrap(),
            "18446744073709551615",
            "18446744073709551615",
            &[0xff; 8],
        ),
        all(b.int("bool", 1, IntEncoding::BOOL).unwrap(), "true", "true", &[1]),
        all(b.int("bool", 1, IntEncoding::BOOL).unwrap(), "7", "7", &[7]),
        all(
            b.int("s128", 16, IntEncoding::SIGNED).unwrap(),
            "-1",
            "\"-1\"",
            &[0xff; 16],
        ),
        all(
            b.int("u128", 16, IntEncoding::UNSIGNED).unwrap(),
            "340282366920938463463374607431768211455",
            "\"340282366920938463463374607431768211455\"",
            &[0xff; 16],
        ),
        all(
            b.float("float", 4).unwrap(),
            "0.1",
            "0.1",
            &[0xcd, 0xcc, 0xcc, 0x3d],
        ),
        all(
            b.float("double", 8).unwrap(),
            "1.0",
            "1.0",
            &[0, 0, 0, 0, 0, 0, 0xf0, 0x3f],
        ),
        all(
            b.float("double", 8).unwrap(),
            "NaN",
            "\"NaN\"",
            &[0, 0, 0, 0, 0, 0, 0xf8, 0x7f],
        ),
        all(
            b.float("long double", 16).unwrap(),
            "0x1",
            "\"0x1\"",
            &[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        ),
        all(
            b.pointer(TypeId::VOID).unwrap(),
            "0x1000",
            "\"0x1000\"",
            &[0, 0x10, 0, 0, 0, 0, 0, 0],
        ),
        all(
            b.enumeration("e", 4, Sign::Signed, &[("MINUS", -1)]).unwrap(),
            "MINUS",
            "\"MINUS\"",
            &[0xff; 4],
        ),
        all(
            b.enumeration("e", 4, Sign::Signed, &[("MINUS", -1)]).unwrap(),
            "3",
            "3",
            &[3, 0, 0, 0],
        ),
    ];
    let btf = b.finish().unwrap();
    for (id, text, json, bytes) in rows {
        check(&btf, id, bytes, Style::text(), text);
        check(&btf, id, bytes, Style::json(), json);
    }
    check(
        &btf,
        TypeId(1),
        &[0; 3],
        Style::text(),
        "error: value ends inside the part of type 1 at byte 0",
    );
    check(
        &btf,
        TypeId::VOID,
        &[0; 3],
        Style::text(),
        "error: type 0 has no size",
    );
    let mut text = String::new();
    btf.render(
        TypeId(1),
        &[0, 0, 0, 5],
        &Style::text().endian(Endian::Big),
        &mut text,
    )
    .unwrap();
    assert_eq!(text, "5");
}

#[test]
fn structures() {
    let btf = common::every_kind().finish().unwrap();
    let outer = btf.find("outer_t", Kind::TYPEDEF).unwrap();
    let mut bytes = [0; 56];
    bytes[8] = 1;
    bytes[20] = 4;
    bytes[31] = 0x40;
    bytes[32] = 0b0000_1101;
    check(
        &btf,
        outer,
        &bytes,
        Style::text(),
        "{p: 0x0, a: [1, 0, 0, 4], u: 4611686018427387904, f: 2.0, b1: -3, b2: 1, next: 0x0, d: 0.0}",
    );
    check(
        &btf,
        outer,
        &bytes,
        Style::json().without_zeroes(),
        r#"{"a": [1, 0, 0, 4], "u": 4611686018427387904, "f": 2.0, "b1": -3, "b2": 1}"#,
    );
    let indented = "{\n  a: [\n    1,\n    0,\n    0,\n    4\n  ],\n  b1: -3,\n  b2: 1\n}";
    bytes[31] = 0;
    check(
        &btf,
        outer,
        &bytes,
        Style::text().without_zeroes().indented(),
        indented,
    );
    check(
        &btf,
        outer,
        &[0; 56],
        Style::json().without_zeroes().indented(),
        "{}",
    );
    let data = btf.find(".data", Kind::DATASEC).unwrap();
    check(&btf, data, &[2, 0, 0, 0], Style::json(), r#"{"global": "GREEN"}"#);
}

#[test]
fn text_in_arrays() {
    let mut b = Builder::new();
    let char = b.int("char", 1, IntEncoding::SIGNED).unwrap();
    let name = b.array(char, char, 8).unwrap();
    let names = b.array(name, char, 2).unwrap();
    let var = b.variable("names", names, Linkage::GLOBAL).unwrap();
    b.section(
        ".bss",
        16,
        &[SectionEntry {
            type_id: var,
            offset: 0,
            size: 16,
        }],
    )
    .unwrap();
    let btf = b.finish().unwrap();
    check(
        &btf,
        names,
        b"init\0\0\0\0a\"\\\n\0\0\0\0",
        Style::json(),
        r#"["init", "a\"\\\n"]"#,
    );
    check(&btf, name, b"full text", Style::text(), r#""full tex""#);
    check(
        &btf,
        name,
        b"a\0b\0\0\0\0\0",
        Style::text(),
        "[97, 0, 98, 0, 0, 0, 0, 0]",
    );
    check(
        &btf,
        name,
        b"\xff\0\0\0\0\0\0\0",
        Style::text(),
        "[-1, 0, 0, 0, 0, 0, 0, 0]",
    );
    check(&btf, name, &[0; 8], Style::text(), r#""""#);
    check(
        &btf,
        var,
        b"a\0\0\0\0\0\0\0b\0\0\0\0\0\0\0",
        Style::text(),
        r#"["a", "b"]"#,
    );
}

#[test]
fn values_without_end() {
    let mut b = Builder::new();
    let empty = b.structure("", 0, &[]).unwrap();
    let array = b.array(empty, empty, u32::MAX).unwrap();
    let mut inner = b.int("int", 4, IntEncoding::SIGNED).unwrap();
    for _ in 0..40 {
        inner = b
            .union("u", 4, &[Field::new("a", inner, 0), Field::new("b", inner, 0)])
            .unwrap();
    }
    let own = b.next_id();
    b.structure("own", 4, &[Field::new("own", own, 0)]).unwrap();
    let btf = b.finish().unwrap();
    for id in [array, inner, own] {
        let error = btf.render(id, &[0; 64], &Style::text(), &mut String::new());
        assert_eq!(error, Err(RenderError::TooLarge));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn damaged(
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0u32..40), 0..6),
        value in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let mut bytes = common::every_kind().to_bytes();
        for (at, value) in edits {
            let at = at.index(bytes.len() / 4) * 4;
            bytes[at..at + 4].copy_from_slice(&value.to_ne_bytes());
        }
        let Ok(btf) = Btf::parse(bytes) else { return Ok(()) };
        for id in 0..btf.len() {
            for style in [Style::text(), Style::json().indented().without_zeroes()] {
                let _ = btf.render(TypeId(id), &value, &style, &mut String::new());
            }
        }
    }
}

/// Before 2019, compilers gave each bit field an integer type of its own.
#[test]
fn bit_fields_of_old_compilers() {
    let mut b = Builder::new();
    let two = b.int_bits("int", 4, IntEncoding::SIGNED, 0, 2).unwrap();
    let five = b
        .int_bits("unsigned int", 4, IntEncoding::UNSIGNED, 0, 5)
        .unwrap();
    let shifted = b
        .int_bits("unsigned int", 4, IntEncoding::UNSIGNED, 3, 4)
        .unwrap();
    let fields = [
        Field {
            name: "a",
            type_id: two,
            bit_offset: 0,
            bitfield_size: 0,
        },
        Field {
            name: "b",
            type_id: five,
            bit_offset: 2,
            bitfield_size: 0,
        },
        Field {
            name: "c",
            type_id: shifted,
            bit_offset: 6,
            bitfield_size: 0,
        },
    ];
    let old = b.structure("old", 4, &fields).unwrap();
    let (one, far) = (
        b.array(five, two, 1).unwrap(),
        b.int_bits("far", 1, IntEncoding::UNSIGNED, 8, 4).unwrap(),
    );
    let btf = b.finish().unwrap();
    // a = -2, b = 0b10011, c = 0b0110 from bit 9 on
    let bytes = [0b0100_1110, 0b0000_1100, 0, 0];
    check(&btf, old, &bytes, Style::text(), "{a: -2, b: 19, c: 6}");
    let text = |style| {
        let mut text = String::new();
        btf.render(old, &[0b10, 0, 0, 0], &style, &mut text).unwrap();
        text
    };
    assert_eq!(
        text(Style::text().endian(Endian::Little).without_zeroes()),
        "{a: -2}"
    );
    assert_eq!(text(Style::text().endian(Endian::Big)), "{a: 0, b: 1, c: 0}");
    check(&btf, one, &[0xff, 0, 0, 0], Style::text(), "[31]");
    check(
        &btf,
        far,
        &[0xff],
        Style::text(),
        "error: value ends inside the part of type 6 at byte 1",
    );
    let bytes = btf
        .encode(old, "{a: -2, b: 19, c: 6}", Some(Endian::Little))
        .unwrap();
    check(&btf, old, &bytes, Style::text(), "{a: -2, b: 19, c: 6}");
}

/// No compiler writes such names, but JSON has to be JSON.
#[test]
fn names_of_values_in_json() {
    let mut b = Builder::new();
    let state = b
        .enumeration("state", 1, Sign::Unsigned, &[("a\"b\n", 1)])
        .unwrap();
    let root = b.structure("s", 1, &[Field::new("\\", state, 0)]).unwrap();
    let btf = b.finish().unwrap();
    check(&btf, root, &[1], Style::json(), r#"{"\\": "a\"b\n"}"#);
}
