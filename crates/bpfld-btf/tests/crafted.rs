//! BTF that was made to take long or much, of a size that nobody would object to.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bpfld_btf::{Btf, Builder, Diff, Endian, ErrorKind, Field, Import, IntEncoding, Kind, Style, TypeId};

/// What would take minutes if it took time with the square of the size.
#[track_caller]
fn soon<T>(what: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = what();
    assert!(start.elapsed() < Duration::from_secs(40), "{:?}", start.elapsed());
    result
}

/// Unions without a name within each other, each with several members of the next.
fn nested(builder: &mut Builder, innermost: TypeId, layers: usize, width: usize) -> TypeId {
    let mut inner = innermost;
    for _ in 0..layers {
        inner = builder
            .union("", 4, &vec![Field::new("", inner, 0); width])
            .unwrap();
    }
    inner
}

#[test]
fn nesting_without_names() {
    let mut b = Builder::new();
    let empty = b.structure("", 0, &[]).unwrap();
    let inner = nested(&mut b, empty, 15, 100);
    let root = b.structure("root", 4, &[Field::new("", inner, 0)]).unwrap();
    let btf = b.finish().unwrap();

    assert!(btf.ty(root).unwrap().member("absent").unwrap().is_none());
    let error = btf.encode(root, "{absent: 1}", None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "at character 2: there is no 'absent' here; there are "
    );
    let _ = btf.render(root, &[0; 4], &Style::text(), &mut String::new());
    assert!(btf.write_c(&[root], &mut String::new()).is_err());
    let _ = btf.write_rust(&[root], &mut String::new());
    let other = Builder::new().finish().unwrap();
    assert_eq!(Diff::new(&btf, &other).changes.len(), 1);
}

#[test]
fn members_many_times_over() {
    let mut b = Builder::new();
    let int = b.int("int", 4, IntEncoding::SIGNED).unwrap();
    let leaf = b
        .union("", 4, &[Field::new("a", int, 0), Field::new("b", int, 0)])
        .unwrap();
    let inner = nested(&mut b, leaf, 13, 2);
    for number in 0..2000 {
        b.structure(&format!("s{number}"), 4, &[Field::new("", inner, 0)])
            .unwrap();
    }
    let btf = b.finish().unwrap();
    let other = Builder::new().finish().unwrap();
    let diff = Diff::new(&other, &btf);
    assert_eq!(diff.changes.len(), 2001);
}

#[test]
fn one_name_for_all() {
    let same = |shift: u32| {
        let mut b = Builder::new();
        for size in 0..20_000 {
            b.structure("same", size + shift, &[]).unwrap();
        }
        b.finish().unwrap()
    };
    let (old, new) = (same(0), same(20_000));
    let mut text = String::new();
    soon(|| old.write_vmlinux_h(&mut text)).unwrap();
    assert!(text.contains("struct same___20000 {"), "{}", text.len());
    let mut text = String::new();
    soon(|| old.write_rust_all(&mut text)).unwrap();
    assert!(text.contains("pub struct same___20000 {"), "{}", text.len());
    assert_eq!(soon(|| Diff::new(&old, &new)).changes.len(), 20_000);
}

#[test]
fn alignments_of_what_is_shared() {
    let mut b = Builder::new();
    let int = b.int("int", 4, IntEncoding::SIGNED).unwrap();
    let mut inner = int;
    for layer in 0..60 {
        let fields = [Field::new("a", inner, 0), Field::new("b", inner, 0)];
        inner = b.union(&format!("u{layer}"), 4, &fields).unwrap();
    }
    let btf = b.finish().unwrap();
    assert_eq!(btf.align_of(inner), Ok(4));
    btf.write_vmlinux_h(&mut String::new()).unwrap();
}

/// BTF with a long string, and typedefs of `void` that are called after its ends.
fn overlapping(types: u32) -> Vec<u8> {
    let len = types + 10;
    let mut bytes = Vec::from([0x9f, 0xeb, 1, 0]);
    let mut words = vec![24, 0, types * 12, types * 12, len];
    for number in 0..types {
        words.extend([1 + number, u32::from(Kind::TYPEDEF.0) << 24, 0]);
    }
    bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    bytes.push(0);
    bytes.resize(bytes.len() + len as usize - 2, b'a');
    bytes.push(0);
    bytes
}

#[test]
fn strings_that_are_ends_of_each_other() {
    let base = Arc::new(Btf::parse(overlapping(4000)).unwrap());
    let too_many = ErrorKind::TooMany("strings that overlap");
    assert_eq!(Builder::new().append(&base).unwrap_err().kind(), &too_many);

    let mut import = Import::new(&base);
    let mut copy = Builder::new();
    let copied = (1..base.len()).map(|id| import.add(&mut copy, TypeId(id)));
    let error = copied.collect::<Result<Vec<_>, _>>().unwrap_err();
    assert_eq!(error.kind(), &too_many);
    assert!(copy.to_bytes().len() < 3 * base.bytes().as_slice().len());

    let mut split = Builder::split(Arc::clone(&base));
    for id in 1..base.len() {
        split.pointer(TypeId(id)).unwrap();
    }
    let split = Btf::parse_split(split.to_bytes_in(Endian::Little), base).unwrap();
    assert_eq!(split.distill().unwrap_err().kind(), &too_many);
}
