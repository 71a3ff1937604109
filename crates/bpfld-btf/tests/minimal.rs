//! Minimal BTF: only what relocations need, and with the same answers.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::sync::Arc;

use bpfld_btf::{Btf, CoreKind, CoreRelocation, Kind, MinimalBtf, Resolver, Targets, TypeId};
use proptest::prelude::*;

/// Resolves relocations, cuts the kernel's BTF down to what they need, and resolves them again.
fn cut(kernel: &Arc<Btf>, local: &Btf, relocations: &[CoreRelocation]) -> Option<Btf> {
    let targets = Targets::new(kernel.clone());
    let mut minimal = MinimalBtf::new(kernel);
    let mut resolver = Resolver::new(local, &targets);
    let before: Vec<_> = relocations
        .iter()
        .map(|relocation| resolver.resolve(relocation))
        .collect();
    for resolution in before.iter().flatten() {
        minimal.add(resolution).ok()?;
    }
    let small = Arc::new(minimal.build().ok()?.finish().unwrap());
    let targets = Targets::new(small.clone());
    let mut resolver = Resolver::new(local, &targets);
    for (relocation, before) in relocations.iter().zip(before) {
        let (Ok(before), Ok(after)) = (before, resolver.resolve(relocation)) else {
            continue;
        };
        if relocation.kind != CoreKind::TYPE_ID_TARGET && before.matching > 0 {
            assert_eq!(
                (before.outcome, before.width),
                (after.outcome, after.width),
                "{before}"
            );
        }
    }
    Some(Arc::into_inner(small).unwrap_or_else(|| Btf::parse(targets.vmlinux().bytes().clone()).unwrap()))
}

#[test]
fn only_what_is_needed() {
    let mut builder = common::every_kind();
    let kernel = Arc::new(builder.finish().unwrap());
    let outer = kernel.find("outer", Kind::STRUCT).unwrap();
    let color = kernel.find("color", Kind::ENUM).unwrap();
    let mut relocation = |type_id, access: &str, kind| {
        let access = builder.string(access).unwrap();
        CoreRelocation {
            insn_offset: 0,
            type_id,
            access,
            kind,
        }
    };
    let relocations = [
        relocation(outer, "0:1:2", CoreKind::FIELD_BYTE_OFFSET),
        relocation(outer, "0:2:1", CoreKind::FIELD_BYTE_SIZE),
        relocation(outer, "0:4", CoreKind::FIELD_LSHIFT_U64),
        relocation(outer, "0:5", CoreKind::FIELD_EXISTS),
        relocation(color, "1", CoreKind::ENUMVAL_VALUE),
    ];
    let flavor = kernel.find("outer___v2", Kind::STRUCT).unwrap();
    let whole = relocation(flavor, "0", CoreKind::TYPE_MATCHES);
    let local = builder.finish().unwrap();
    let small = cut(&kernel, &local, &relocations).unwrap();
    small.validate().unwrap();
    let text: Vec<String> = small.types().map(|ty| ty.raw().to_string()).collect();
    let expected = "\
[1] INT 'int' size=4 bits_offset=0 nr_bits=32 encoding=SIGNED
[2] INT 'long unsigned int' size=8 bits_offset=0 nr_bits=64 encoding=(none)
[3] FLOAT 'double' size=8
[4] ARRAY '(anon)' type_id=1 index_type_id=2 nr_elems=4
[5] UNION '(anon)' size=8 vlen=1
\t'f' type_id=3 bits_offset=0
[6] STRUCT 'outer' size=56 vlen=4
\t'a' type_id=4 bits_offset=64
\t'(anon)' type_id=5 bits_offset=192
\t'b2' type_id=1 bits_offset=259 bitfield_size=29
\t'next' type_id=7 bits_offset=320
[7] PTR '(anon)' type_id=6
[8] ENUM 'color' encoding=SIGNED size=4 vlen=2
\t'RED' val=-1
\t'GREEN' val=2";
    assert_eq!(text.join("\n"), expected);

    let small = cut(&kernel, &local, &[whole]).unwrap();
    let flavor = small.find("outer___v2", Kind::STRUCT).unwrap();
    assert_eq!(small.ty(flavor).unwrap().vlen(), 1);
    assert!(small.find("outer", Kind::STRUCT).is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(50))]

    #[test]
    fn damaged(edits in prop::collection::vec((any::<prop::sample::Index>(), 0u32..30), 0..4)) {
        let mut builder = common::every_kind();
        let accesses: Vec<u32> = ["0", "0:0", "0:1:2", "0:2:0"].map(|path| builder.string(path).unwrap()).into();
        let local = builder.finish().unwrap();
        let mut bytes = builder.to_bytes();
        for (at, value) in edits {
            let at = at.index(bytes.len() / 4) * 4;
            bytes[at..at + 4].copy_from_slice(&value.to_ne_bytes());
        }
        let Ok(kernel) = Btf::parse(bytes) else { return Ok(()) };
        let mut relocations = Vec::new();
        for id in 1..local.len() {
            for kind in 0..13 {
                for access in &accesses {
                    let (type_id, kind) = (TypeId(id), CoreKind(kind));
                    relocations.push(CoreRelocation { insn_offset: 0, type_id, access: *access, kind });
                }
            }
        }
        cut(&Arc::new(kernel), &local, &relocations);
    }
}
