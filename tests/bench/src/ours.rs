//! bpfld.

use std::{num::NonZeroUsize, sync::Arc};

use anyhow::{Context as _, Result};
use bpfld::{Hash, Loaded, Loader, Map, Object};
use bpfld_btf::{Btf, Bytes, Kind};
use bpfld_sys::mmap::Mmap;

use crate::raw;

pub(crate) fn open(bytes: &'static [u8]) -> Result<Object> {
    Ok(Object::parse(bytes)?)
}

pub(crate) fn load(bytes: &'static [u8], threads: usize) -> Result<Loaded> {
    let object = Object::options().name("big").parse(bytes)?;
    let mut loader = Loader::new();
    loader.parallel(NonZeroUsize::new(threads).context("no threads")?);
    Ok(loader.load(&object)?)
}

/// As the loader does it at its first use, but without keeping anything.
pub(crate) fn find(names: &[&str]) -> Result<u32> {
    let bytes = match Mmap::kernel_btf(c"vmlinux") {
        Ok(map) => Bytes::from(Arc::new(map) as Arc<dyn AsRef<[u8]> + Send + Sync>),
        Err(_) => Bytes::from(std::fs::read("/sys/kernel/btf/vmlinux")?),
    };
    let btf = Btf::parse(bytes)?;
    let mut last = 0;
    for name in names {
        last = btf.find(name, Kind::STRUCT).with_context(|| format!("no {name}"))?.0;
    }
    Ok(last)
}

pub(crate) fn lookup(map: raw::Map) -> Result<()> {
    let map: Hash<u32, u64> = Map::from_fd(map.fd)?.try_into()?;
    crate::each(|key| map.get(&key)?.context("missing"))
}
