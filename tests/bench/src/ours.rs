//! bpfld.

use std::{num::NonZeroUsize, sync::Arc};

use anyhow::{Context as _, Result};
use bpfld::{Loaded, Loader, Object};
use bpfld_btf::{Btf, Builder, Bytes, Kind, Targets};
use bpfld_sys::mmap::Mmap;

pub(crate) fn open(bytes: &'static [u8]) -> Result<Object> {
    Ok(Object::parse(bytes)?)
}

pub(crate) fn load(bytes: &'static [u8], threads: usize) -> Result<Loaded> {
    let object = Object::options().name("big").parse(bytes)?;
    let mut loader = Loader::new();
    loader.parallel(NonZeroUsize::new(threads).context("no threads")?);
    Ok(loader.load(&object)?)
}

/// The kernel's types, as the loader has them from its first use on.
pub(crate) fn kernel() -> Result<Btf> {
    let bytes = match Mmap::kernel_btf(c"vmlinux") {
        Ok(map) => Bytes::from(Arc::new(map) as Arc<dyn AsRef<[u8]> + Send + Sync>),
        Err(_) => Bytes::from(std::fs::read("/sys/kernel/btf/vmlinux")?),
    };
    Ok(Btf::parse(bytes)?)
}

/// As the loader does it at its first use, but without keeping anything.
pub(crate) fn find(names: &[&str]) -> Result<u32> {
    let btf = kernel()?;
    let mut last = 0;
    for name in names {
        last = btf
            .find(name, Kind::STRUCT)
            .with_context(|| format!("no {name}"))?
            .0;
    }
    Ok(last)
}

/// All relocations of all programs.
pub(crate) fn relocate(bytes: &'static [u8]) -> Result<usize> {
    let object = Object::parse(bytes)?;
    let targets = Targets::new(Arc::new(kernel()?));
    let mut count = 0;
    for program in object.programs() {
        count += object.link(program)?.apply_core(&object, &targets).len();
    }
    Ok(count)
}

pub(crate) fn iterate(btf: &Btf) -> u64 {
    let mut sum = 0u64;
    for ty in btf.types() {
        sum += ty
            .name_bytes()
            .map_or(0, |name| name.first().copied().map_or(0, u64::from));
        sum += ty
            .members()
            .map(|member| u64::from(member.bit_offset))
            .sum::<u64>();
        sum += ty.params().map(|param| u64::from(param.type_id.0)).sum::<u64>();
    }
    sum
}

pub(crate) fn concatenate(parts: &[Vec<u8>]) -> Result<Builder> {
    let mut builder = Builder::new();
    for part in parts {
        builder.append(&Btf::parse(part.clone())?)?;
    }
    Ok(builder)
}

pub(crate) fn write_c(btf: &Btf) -> Result<usize> {
    let mut text = String::new();
    let all: Vec<_> = btf.types().map(|ty| ty.id()).collect();
    btf.write_c(&all, &mut text)?;
    Ok(text.len())
}
