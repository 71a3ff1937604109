//! Object BTF made fit for kernels: fix-ups and downgrades.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use bpfld_btf::{
    Btf, BtfFeature, BtfFeatures, Builder, Draft, ErrorKind, IntEncoding, Kind, Linkage, Placement,
    SectionEntry, TypeId, sanitize,
};
use proptest::prelude::*;

/// One line for each type that differs.
fn differences(before: &Btf, after: &Btf) -> Vec<String> {
    let show = |btf: &Btf, id: TypeId| -> String {
        let Ok(ty) = btf.ty(id) else {
            return "nothing".into();
        };
        let name = ty.name().unwrap();
        let mut text = format!("{} '{name}' {}", ty.kind(), u8::from(ty.kind_flag()));
        for part in [
            ty.size_bytes(),
            ty.target().map(|id| id.0),
            ty.linkage().map(|l| l.0),
        ] {
            text += &part.map_or(String::new(), |part| format!(" {part}"));
        }
        for member in ty.members() {
            text += &format!(
                " {}:{}@{}",
                member.name().unwrap(),
                member.type_id,
                member.bit_offset
            );
        }
        text += &ty
            .enum_values()
            .map(|value| format!(" {value:?}"))
            .collect::<String>();
        text += &ty.params().map(|param| format!(" {param:?}")).collect::<String>();
        text += &ty
            .variables()
            .map(|v| format!(" {}@{}+{}", v.type_id, v.offset, v.size))
            .collect::<String>();
        text
    };
    let len = before.len().max(after.len());
    (1..len)
        .map(|id| (id, show(before, TypeId(id)), show(after, TypeId(id))))
        .filter(|(_, a, b)| a != b)
        .map(|(id, a, b)| format!("[{id}] {a} => {b}"))
        .collect()
}

#[test]
fn nothing_changes_for_a_new_kernel() {
    let btf = common::every_kind().finish().unwrap();
    let same = sanitize(&btf, BtfFeatures::ALL).unwrap();
    assert_eq!(same, common::every_kind().to_bytes());
    let mut layout = Draft::new(&common::every_kind().with_layout().finish().unwrap()).unwrap();
    assert_eq!(layout.to_bytes(), common::every_kind().with_layout().to_bytes());
    assert_eq!(
        layout.downgrade(BtfFeatures::ALL.without(BtfFeature::Layout)),
        Ok(vec![BtfFeature::Layout])
    );
    assert_eq!(layout.to_bytes(), common::every_kind().to_bytes());
}

#[test]
fn each_missing_feature_by_itself() {
    let btf = common::every_kind().finish().unwrap();
    for (feature, expected) in [
        (
            BtfFeature::Func,
            "[18] FUNC_PROTO '' 0 1 x: 9 : 0 => ENUM '' 0 4 x = 9  = 0\n[19] FUNC 'f' 0 18 1 => TYPEDEF 'f' 0 18",
        ),
        (
            BtfFeature::Datasec,
            "[20] VAR 'global' 0 10 1 => INT 'global' 0 1\n\
             [21] DATASEC '.data' 0 4 20@0+4 => STRUCT '_data' 0 4 global:20@0",
        ),
        (BtfFeature::GlobalFunc, "[19] FUNC 'f' 0 18 1 => FUNC 'f' 0 18 0"),
        (BtfFeature::Float, "[4] FLOAT 'double' 0 8 => STRUCT '' 0 8"),
        (
            BtfFeature::DeclTag,
            "[22] DECL_TAG 'tag' 0 8 => INT 'tag' 0 1\n[23] DECL_TAG 'tag' 0 19 => INT 'tag' 0 1",
        ),
        (BtfFeature::TypeTag, "[17] TYPE_TAG 'rcu' 0 15 => CONST '' 0 15"),
        (
            BtfFeature::Enum64,
            "[10] ENUM 'color' 1 4 RED = -1 GREEN = 2 => ENUM 'color' 0 4 RED = 4294967295 GREEN = 2\n\
             [11] ENUM64 'wide' 0 8 BIG = 18446744073709551615 SMALL = 1 => UNION 'wide' 0 8 BIG:25@0 SMALL:25@0\n\
             [25] nothing => INT 'enum64_placeholder' 0 1",
        ),
        (BtfFeature::QuestionMark, ""),
        (BtfFeature::Layout, ""),
    ] {
        let after = Btf::parse(sanitize(&btf, BtfFeatures::ALL.without(feature)).unwrap()).unwrap();
        after.validate().unwrap();
        assert_eq!(differences(&btf, &after).join("\n"), expected, "{feature}");
    }
    let oldest = Btf::parse(sanitize(&btf, BtfFeatures::NONE).unwrap()).unwrap();
    oldest.validate().unwrap();
    assert!(oldest.types().all(|ty| ty.kind() <= Kind::RESTRICT));
}

#[test]
fn question_marks() {
    let mut builder = Builder::new();
    builder.section("?.struct_ops", 0, &[]).unwrap();
    let btf = builder.finish().unwrap();
    let without = BtfFeatures::ALL.without(BtfFeature::QuestionMark);
    let after = Btf::parse(sanitize(&btf, without).unwrap()).unwrap();
    assert_eq!(after.ty(TypeId(1)).unwrap().name(), Ok("_.struct_ops"));
}

#[test]
fn variables_are_placed() {
    let mut b = Builder::new();
    let int = b.int("int", 4, IntEncoding::SIGNED).unwrap();
    let vars = [
        ("a", Linkage::GLOBAL),
        ("b", Linkage::GLOBAL),
        ("c", Linkage::STATIC),
    ];
    let vars = vars.map(|(name, linkage)| b.variable(name, int, linkage).unwrap());
    let entry = |type_id| SectionEntry {
        type_id,
        offset: 0,
        size: 4,
    };
    b.section(".data", 0, &vars.map(entry)).unwrap();
    let btf = b.finish().unwrap();
    let mut draft = Draft::new(&btf).unwrap();
    let symbol = |name: &str| match name {
        "a" => Some(Placement {
            offset: 8,
            is_hidden: false,
        }),
        "b" => Some(Placement {
            offset: 4,
            is_hidden: true,
        }),
        _ => None,
    };
    draft
        .place_variables(|name| (name == ".data").then_some(12), symbol)
        .unwrap();
    let expected = "[3] VAR 'b' 0 1 1 => VAR 'b' 0 1 0\n\
                    [5] DATASEC '.data' 0 0 2@0+4 3@0+4 4@0+4 => DATASEC '.data' 0 12 4@0+4 3@4+4 2@8+4";
    assert_eq!(differences(&btf, &draft.finish().unwrap()).join("\n"), expected);
    let error = Draft::new(&btf)
        .unwrap()
        .place_variables(|_| None, symbol)
        .unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Unplaced(TypeId(5)));
    let error = Draft::new(&btf)
        .unwrap()
        .place_variables(|_| Some(4), |_| None)
        .unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Unplaced(TypeId(2)));
}

#[test]
fn externs_become_acceptable() {
    let mut b = Builder::new();
    let long = b.int("long", 8, IntEncoding::SIGNED).unwrap();
    let proto = b
        .prototype(long, &[("", long), ("y", long), ("", TypeId::VOID)])
        .unwrap();
    let func = b.function("kfunc", Linkage::EXTERN, proto).unwrap();
    let var = b.variable("ksym", long, Linkage::EXTERN).unwrap();
    let config = b.variable("CONFIG_HZ", long, Linkage::EXTERN).unwrap();
    let entry = |type_id| SectionEntry {
        type_id,
        offset: 0,
        size: 0,
    };
    b.section(".ksyms", 0, &[entry(func), entry(var)]).unwrap();
    b.section(".kconfig", 0, &[entry(config)]).unwrap();
    let btf = b.finish().unwrap();
    let mut draft = Draft::new(&btf).unwrap();
    draft.allocate_ksyms().unwrap();
    draft
        .allocate_kconfig(24, |name| (name == "CONFIG_HZ").then_some(16))
        .unwrap();
    draft.place_variables(|_| None, |_| None).unwrap();
    let expected = "[2] FUNC_PROTO '' 0 1 : 1 y: 1 : 0 => FUNC_PROTO '' 0 1 dummy_ksym: 1 y: 1 : 0\n\
                    [3] FUNC 'kfunc' 0 2 2 => FUNC 'kfunc' 0 2 1\n\
                    [4] VAR 'ksym' 0 1 2 => VAR 'ksym' 0 8 1\n\
                    [5] VAR 'CONFIG_HZ' 0 1 2 => VAR 'CONFIG_HZ' 0 1 1\n\
                    [6] DATASEC '.ksyms' 0 0 3@0+0 4@0+0 => DATASEC '.ksyms' 0 8 9@0+4 4@4+4\n\
                    [7] DATASEC '.kconfig' 0 0 5@0+0 => DATASEC '.kconfig' 0 24 5@16+0\n\
                    [8] nothing => INT 'int' 0 4\n\
                    [9] nothing => VAR 'dummy_ksym' 0 8 1";
    assert_eq!(differences(&btf, &draft.finish().unwrap()).join("\n"), expected);
}

#[test]
fn hidden_functions_become_static() {
    let mut draft = Draft::new(&common::every_kind().finish().unwrap()).unwrap();
    draft.make_static(|name| name == "f");
    let after = draft.finish().unwrap();
    let f = after.find("f", Kind::FUNC).unwrap();
    assert_eq!(after.ty(f).unwrap().linkage(), Some(Linkage::STATIC));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn damaged(edits in prop::collection::vec((any::<prop::sample::Index>(), 0u32..40), 1..8)) {
        let mut builder = common::every_kind();
        let int = TypeId(1);
        let var = builder.variable("v", int, Linkage::EXTERN).unwrap();
        let entry = SectionEntry { type_id: var, offset: 0, size: 4 };
        builder.section(".ksyms", 0, &[entry, SectionEntry { type_id: TypeId(19), ..entry }]).unwrap();
        let mut bytes = builder.to_bytes();
        for (at, value) in edits {
            let at = at.index(bytes.len() / 4) * 4;
            bytes[at..at + 4].copy_from_slice(&value.to_ne_bytes());
        }
        if let Ok(mut draft) = Btf::parse(bytes).and_then(|btf| Draft::new(&btf)) {
            let _ = draft.allocate_ksyms();
            let _ = draft.place_variables(|_| Some(8), |_| Some(Placement { offset: 4, is_hidden: true }));
            draft.make_static(|_| true);
            let _ = draft.downgrade(BtfFeatures::NONE);
            let _ = draft.finish();
        }
    }
}
