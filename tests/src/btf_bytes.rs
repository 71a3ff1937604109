//! Bytes as BTF and as BTF.ext: read, rewritten, merged, put on another base. For the mutation ring and the fuzz targets.

use std::{
    fmt::{self, Write as _},
    sync::{Arc, LazyLock},
};

use bpfld_btf::{
    Btf, BtfExt, BtfFeatures, Builder, Deduplicated, Diff, Endian, ErrorKind, Field, Import, IntEncoding,
    Kind, Resolver, Style, Targets, TypeId, sanitize,
};

/// Takes text and forgets it.
struct Nowhere;

impl fmt::Write for Nowhere {
    fn write_str(&mut self, _: &str) -> fmt::Result {
        Ok(())
    }
}

/// A little kernel, for split BTF and for relocations.
static KERNEL: LazyLock<Arc<Btf>> = LazyLock::new(|| {
    Arc::new(kernel().unwrap_or_else(|error| panic!("the made-up kernel is broken: {error}")))
});

fn kernel() -> Result<Btf, bpfld_btf::Error> {
    let mut builder = Builder::new();
    let int = builder.int("int", 4, IntEncoding::SIGNED)?;
    let long = builder.int("unsigned long", 8, IntEncoding::UNSIGNED)?;
    let list = TypeId(builder.next_id().0 + 1);
    let next = builder.pointer(list)?;
    let fields = [Field::new("next", next, 0), Field::new("n", int, 8)];
    builder.structure("list", 16, &fields)?;
    builder.typedef("size_t", long)?;
    builder.array(int, long, 4)?;
    builder.forward("hidden", Kind::STRUCT)?;
    builder.finish()
}

/// Makes what all inputs share.
pub fn prepare() {
    LazyLock::force(&KERNEL);
}

/// What is asked of bytes as BTF. Each of these panics if whatever can be read cannot be rewritten, or what is rewritten not be read.
pub const QUESTIONS: [fn(&[u8]); 5] = [read, rewritten, made_fit, on_a_base, printed];

/// Bytes as BTF, by itself and on a base; all questions but what is [`printed`].
///
/// # Panics
///
/// If one of the [`QUESTIONS`] does.
pub fn types(bytes: &[u8]) {
    let [questions @ .., _] = QUESTIONS;
    questions.into_iter().for_each(|question| question(bytes));
}

/// Bytes as BTF, printed in all ways, with values of its types.
///
/// # Panics
///
/// If what should be JSON is none.
pub fn printed(bytes: &[u8]) {
    let Ok(btf) = Btf::parse(bytes.to_vec()) else {
        return;
    };
    let _ = btf.write_vmlinux_h(&mut Nowhere);
    let _ = btf.write_rust_all(&mut Nowhere);
    let _ = Diff::new(&KERNEL, &btf).changes.len();
    let value: Vec<u8> = (0..=255).collect();
    for ty in btf.types().take(64) {
        let id = ty.id();
        let _ = write!(Nowhere, "{}", btf.type_name(id));
        let _ = btf.write_c_declaration(id, "a", &mut Nowhere);
        for member in ty.named_members() {
            let _ = member.is_ok_and(|member| ty.member(member.name().unwrap_or("")).is_ok());
        }
        // A value that is made takes as much memory as its type says.
        let is_small = btf.resolve_size(id).is_ok_and(|size| size <= 1 << 12);
        let encode = |text: &str| is_small && btf.encode(id, text, None).is_ok();
        let mut text = String::new();
        if btf.render(id, &value, &Style::text(), &mut text).is_ok() {
            let _ = encode(&text);
        }
        let mut text = String::new();
        let json = Style::json().without_zeroes();
        if btf.render(id, &value, &json, &mut text).is_ok() {
            let is_json = serde_json::from_str::<serde_json::Value>(&text).is_ok();
            assert!(is_json, "not JSON: {text}");
            let _ = encode(&text);
        }
        let _ = encode("{a: {b: 1}}");
        let mut builder = Builder::new();
        let _ = Import::new(&btf).forward_behind_pointers().add(&mut builder, id);
    }
}

fn read(bytes: &[u8]) {
    if let Ok(btf) = Btf::parse(bytes.to_vec()) {
        look_at_all(&btf);
    }
}

fn rewritten(bytes: &[u8]) {
    if let Ok(btf) = Btf::parse(bytes.to_vec()) {
        let mut builder = Builder::new();
        if builder.append(&btf).is_ok() {
            rewrite(&builder, &btf);
        }
    }
}

fn made_fit(bytes: &[u8]) {
    let Ok(btf) = Btf::parse(bytes.to_vec()) else {
        return;
    };
    for features in [BtfFeatures::NONE, BtfFeatures::ALL] {
        if let Ok(bytes) = sanitize(&btf, features) {
            let made = Btf::parse(bytes);
            assert!(made.is_ok(), "what is made fit for a kernel is broken");
        }
    }
}

fn on_a_base(bytes: &[u8]) {
    let Ok(split) = Btf::parse_split(bytes.to_vec(), Arc::clone(&KERNEL)) else {
        return;
    };
    look_at_all(&split);
    let mut builder = Builder::split(Arc::clone(&KERNEL));
    if builder.append(&split).is_ok() {
        rewrite(&builder, &split);
    }
    if let Ok(distilled) = split.distill() {
        // The kernel has what was taken from it.
        let own = |btf: &Btf| btf.len() - btf.first_id().0;
        let on_distilled = distilled.split.finish();
        let on_distilled =
            on_distilled.unwrap_or_else(|error| panic!("a distilled split is broken: {error}"));
        match on_distilled
            .relocate(&KERNEL)
            .and_then(|builder| builder.finish())
        {
            Ok(back) => assert!(own(&back) >= own(&split)),
            // Arrays or typedefs of themselves.
            Err(error) if matches!(error.kind(), ErrorKind::Depth(_)) => {}
            Err(error) => panic!("what was distilled does not fit any more: {error}"),
        }
    }
}

/// Merges, renumbers and writes in both byte orders.
fn rewrite(builder: &Builder, btf: &Btf) {
    let read = |builder: &Builder| {
        let btf = builder.finish();
        btf.unwrap_or_else(|error| panic!("what was rewritten is broken: {error}"))
    };
    assert_eq!(read(builder).len(), btf.len());
    {
        let sorted = builder.permute(&builder.ids_by_name());
        let sorted = sorted.unwrap_or_else(|error| panic!("cannot be sorted: {error}"));
        let sorted = read(&sorted);
        let names = || sorted.own_types().map(|ty| ty.name_bytes().unwrap_or_default());
        assert!(names().is_sorted());
    }
    if let Ok(Deduplicated {
        builder: merged, ids, ..
    }) = builder.dedup()
    {
        let merged = read(&merged);
        assert!(merged.len() <= btf.len() && ids.iter().all(|id| id.0 < merged.len()));
        for (old, new) in btf
            .own_types()
            .zip(ids.get(btf.first_id().0 as usize..).unwrap_or_default())
        {
            let new = merged.ty(*new).ok();
            assert_eq!(new.and_then(|new| new.name_bytes().ok()), old.name_bytes().ok());
        }
    }
    if btf.base().is_none() {
        let swapped = match Endian::NATIVE {
            Endian::Little => Endian::Big,
            Endian::Big => Endian::Little,
        };
        let other = Btf::parse(builder.to_bytes_in(swapped));
        assert!(other.is_ok_and(|other| other.len() == btf.len() && other.endian() == swapped));
    }
}

/// Asks a BTF everything.
fn look_at_all(btf: &Btf) {
    let _ = btf.validate();
    for ty in btf.own_types() {
        let id = ty.id();
        let _ = write!(Nowhere, "{}", ty.raw());
        let _ = (btf.resolve_size(id), btf.align_of(id), btf.resolve(id).is_ok());
        if let Ok(name) = ty.name() {
            let found = btf.find(name, ty.kind());
            assert!(
                name.is_empty() || found.is_some_and(|found| found <= id),
                "{name:?} is lost"
            );
        }
    }
    let roots: Vec<TypeId> = btf.own_types().take(64).map(|ty| ty.id()).collect();
    let _ = btf.write_c(&roots, &mut Nowhere);
    for id in [TypeId(0), TypeId(1), TypeId(btf.len()), TypeId(u32::MAX)] {
        let _ = btf.ty(id).is_ok();
    }
}

/// Bytes as BTF.ext, and all relocations in them.
pub fn ext(bytes: &[u8]) {
    let Ok(ext) = BtfExt::parse(bytes.to_vec()) else {
        return;
    };
    let targets = Targets::new(Arc::clone(&KERNEL));
    let mut resolver = Resolver::new(&KERNEL, &targets);
    for section in ext.func_info().sections() {
        let _ = write!(Nowhere, "{:?} {section:?}", section.name(&KERNEL));
    }
    for section in ext.line_info().sections() {
        let _ = write!(Nowhere, "{:?} {section:?}", section.name(&KERNEL));
    }
    for section in ext.core_relos().sections() {
        for relocation in section.records() {
            match resolver.resolve(&relocation) {
                Ok(resolution) => drop(write!(Nowhere, "{resolution}")),
                Err(error) => drop(write!(Nowhere, "{error}")),
            }
        }
    }
}
