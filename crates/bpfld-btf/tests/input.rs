//! Values from text.

#![allow(clippy::unwrap_used, reason = "tests")]

use bpfld_btf::{Btf, Builder, Endian, Field, IntEncoding, Sign, Style, TypeId};
use proptest::prelude::*;

/// A struct with one of everything, and its type.
fn sample() -> (Btf, TypeId) {
    let mut b = Builder::new();
    let int = b.int("int", 4, IntEncoding::SIGNED).unwrap();
    let byte = b.int("unsigned char", 1, IntEncoding::UNSIGNED).unwrap();
    let char = b.int("char", 1, IntEncoding::SIGNED).unwrap();
    let bool = b.int("_Bool", 1, IntEncoding::BOOL).unwrap();
    let wide = b.int("unsigned __int128", 16, IntEncoding::UNSIGNED).unwrap();
    let double = b.float("double", 8).unwrap();
    let state = b
        .enumeration("state", 4, Sign::Signed, &[("RUNNING", 1), ("DEAD", -1)])
        .unwrap();
    let pointer = b.pointer(TypeId::VOID).unwrap();
    let comm = b.array(char, int, 8).unwrap();
    let numbers = b.array(int, int, 3).unwrap();
    let address = b.array(byte, int, 4).unwrap();
    let inner = b
        .union(
            "",
            4,
            &[Field::new("raw", int, 0), Field::new("bytes", address, 0)],
        )
        .unwrap();
    let id = b
        .structure(
            "sample",
            96,
            &[
                Field::new("number", int, 0),
                Field::new("", inner, 4),
                Field::new("comm", comm, 8),
                Field::new("numbers", numbers, 16),
                Field::new("state", state, 28),
                Field::new("pointer", pointer, 32),
                Field::new("double", double, 40),
                Field::new("wide", wide, 48),
                Field::new("flag", bool, 64),
                Field::bits("low", int, 68 * 8, 3),
                Field::bits("high", int, 68 * 8 + 3, 29),
            ],
        )
        .unwrap();
    (Btf::parse(b.to_bytes_in(Endian::Little)).unwrap(), id)
}

fn render(btf: &Btf, id: TypeId, bytes: &[u8], style: Style) -> String {
    let mut text = String::new();
    btf.render(id, bytes, &style, &mut text).unwrap();
    text
}

#[track_caller]
fn check(text: &str, expected: &str) {
    let (btf, id) = sample();
    match btf.encode(id, text, None) {
        Ok(bytes) => assert_eq!(render(&btf, id, &bytes, Style::text().without_zeroes()), expected),
        Err(error) => assert_eq!(format!("error {error}"), expected),
    }
}

#[test]
fn what_is_written_is_read() {
    check("{}", "{}");
    check(
        "{number: -5, raw: 0x01020304}",
        "{number: -5, raw: 16909060, bytes: [4, 3, 2, 1]}",
    );
    check("{bytes: [10, 0, 0, 1],}", "{raw: 16777226, bytes: [10, 0, 0, 1]}");
    check("{comm: \"init\\n\"}", "{comm: \"init\\n\"}");
    check("{\"comm\": \"exactly8\"}", "{comm: \"exactly8\"}");
    check("{ numbers : [ 1 , 2 ] }", "{numbers: [1, 2, 0]}");
    check("{state: DEAD, pointer: 0xffff}", "{state: DEAD, pointer: 0xffff}");
    check("{state: 7, pointer: NULL}", "{state: 7}");
    check("{\"state\": \"RUNNING\"}", "{state: RUNNING}");
    check("{double: -0.5, flag: true}", "{double: -0.5, flag: true}");
    check("{number: 'a'}", "{number: 97}");
    check(
        "{wide: 340282366920938463463374607431768211455}",
        "{wide: 340282366920938463463374607431768211455}",
    );
    check("{low: -1, high: 5}", "{low: -1, high: 5}");
}

#[test]
fn mistakes_are_pointed_at() {
    check(
        "{numbr: 1}",
        "error at character 2: there is no 'numbr' here; there are number, raw, bytes, comm, numbers, state, pointer, double, wide, flag, low, high",
    );
    check(
        "{state: ASLEEP}",
        "error at character 9: there is no 'ASLEEP' here; there are RUNNING, DEAD",
    );
    check(
        "{number: 5000000000}",
        "error at character 10: number does not fit into 32 bits (signed)",
    );
    check(
        "{low: 8}",
        "error at character 7: number does not fit into 3 bits (signed)",
    );
    check(
        "{numbers: [1, 2, 3, 4]}",
        "error at character 21: more than the 3 elements there is room for",
    );
    check(
        "{comm: \"nine char\"}",
        "error at character 8: more than the 8 elements there is room for",
    );
    check(
        "{comm: \"open",
        "error at character 13: expected the closing quote",
    );
    check("{number: }", "error at character 10: expected a number");
    check("{number 1}", "error at character 9: expected : and a value");
    check("{number: 1 raw: 2}", "error at character 12: expected , or }");
    check("{numbers: [1 2]}", "error at character 14: expected , or ]");
    check("{numbers: 1}", "error at character 11: expected [");
    check("7", "error at character 1: expected {");
    check("{} 1", "error at character 4: expected the end");
    check("", "error at character 1: expected {");
    check("{number: ☃}", "error at character 10: expected a value");
}

#[test]
fn no_value_is_unbounded() {
    let mut b = Builder::new();
    let byte = b.int("u8", 1, IntEncoding::UNSIGNED).unwrap();
    let array = b.array(byte, byte, u32::MAX).unwrap();
    let btf = b.finish().unwrap();
    let error = btf.encode(array, "[]", None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "at character 1: values of this type are too large"
    );
    let error = btf.encode(TypeId::VOID, "1", None).unwrap_err();
    assert!(error.to_string().contains("has no size"), "{error}");
}

proptest! {
    /// Every value that can be printed is read back as the same bytes, but for what is no part of any member.
    #[test]
    fn printing_and_reading(bytes in proptest::collection::vec(any::<u8>(), 72), big in any::<bool>()) {
        let (btf, id) = sample();
        let endian = if big { Endian::Big } else { Endian::Little };
        for style in [Style::text(), Style::json()] {
            let mut padded = bytes.clone();
            padded.resize(96, 0);
            // Not every bit pattern of a double has a text of its own.
            padded[40..48].fill(0);
            let text = render(&btf, id, &padded, style.endian(endian));
            let read = btf.encode(id, &text, Some(endian)).unwrap();
            prop_assert_eq!(render(&btf, id, &read, style.endian(endian)), text);
        }
    }

    #[test]
    fn any_text_is_answered(text in "[{}\\[\\]:, a-z0-9\"'\\\\x.-]{0,40}") {
        let (btf, id) = sample();
        let _ = btf.encode(id, &text, None);
    }
}

/// Wider than any number that is read or written.
#[test]
fn bit_fields_beyond_reason() {
    let mut b = Builder::new();
    let wide = b.int_bits("wide", 64, IntEncoding::UNSIGNED, 0, 200).unwrap();
    let root = b.structure("s", 64, &[Field::bits("a", wide, 0, 200)]).unwrap();
    let btf = b.finish().unwrap();
    assert!(btf.encode(wide, "1", None).is_err());
    assert!(btf.encode(root, "{a: 1}", None).is_err());
    assert!(
        btf.render(root, &[0; 64], &Style::text(), &mut String::new())
            .is_err()
    );
}
