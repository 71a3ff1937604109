//! The types of many objects merged into one BTF: ours against libbpf's.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;
use bpfld_btf::{Btf, Builder, Type};
use bpfld_object::BtfFile;

use crate::libbpf;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Files with types
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<bool> {
    let parts: Vec<Btf> = args
        .files
        .iter()
        .filter_map(|path| BtfFile::open(path).ok()?.parse(None).ok())
        .filter(|btf| btf.endian() == bpfld_btf::Endian::NATIVE)
        .collect();
    let mut builder = Builder::new();
    for part in &parts {
        builder.append(part)?;
    }
    let ours = Btf::parse(builder.dedup()?.builder.to_bytes())?;
    let theirs: Vec<&[u8]> = parts.iter().map(|part| part.bytes().as_ref()).collect();
    let theirs = Btf::parse(libbpf::merged(&theirs)?)?;
    println!(
        "{} files with {} types: {} are left, libbpf's {}",
        parts.len(),
        builder.len(),
        ours.own_types().count(),
        theirs.own_types().count()
    );
    let mut counts: BTreeMap<String, [usize; 2]> = BTreeMap::new();
    for (which, btf) in [&ours, &theirs].into_iter().enumerate() {
        for ty in btf.own_types() {
            counts.entry(describe(ty)).or_default()[which] += 1;
        }
    }
    counts.retain(|_, [ours, theirs]| ours != theirs);
    for (what, [ours, theirs]) in &counts {
        println!("{ours} of ours, {theirs} of libbpf's: {what}");
    }
    // Which of several types that a forward declaration may stand for is met first decides in rare cases; libbpf meets
    // them in the order of a hash table that grows.
    Ok(ours.own_types().count() <= theirs.own_types().count())
}

/// A type with the names of what it refers to directly, without ids.
fn describe(ty: Type<'_>) -> String {
    let text = ty.raw().to_string();
    let mut words = text.split_whitespace();
    words.next();
    let plain: Vec<&str> = words.filter(|word| !word.contains("type_id=")).collect();
    plain.join(" ")
}
