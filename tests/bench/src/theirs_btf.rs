//! The `btf` crate.

use anyhow::{Context as _, Result};
use btf::btf::Btf;

/// It offers nothing but names; the structs that it does not find (some are missing) are passed over.
pub(crate) fn find(names: &[&str]) -> Result<usize> {
    let btf = Btf::from_file(crate::btf::KERNEL).context("the kernel's BTF does not parse")?;
    Ok(names
        .iter()
        .filter(|name| btf.get_type_by_name(name).is_ok())
        .count())
}
