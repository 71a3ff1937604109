//! Types in files: BTF as it is, or in a section of an object, a module or a kernel image.

use alloc::sync::Arc;

use bpfld_btf::{Btf, Bytes};

use crate::elf::{Elf, Section};
use crate::{Error, ErrorKind};

/// The first two bytes of BTF, in either byte order.
const MAGIC: [[u8; 2]; 2] = [[0x9f, 0xeb], [0xeb, 0x9f]];

/// The types in a file: BTF as it stands in `/sys/kernel/btf`, or the section `.BTF` of an ELF file for any 64-bit
/// machine, such as a BPF object, a kernel module or an uncompressed kernel (`vmlinux`).
///
/// ```
/// use bpfld_btf::Builder;
/// use bpfld_object::BtfFile;
///
/// let mut builder = Builder::new();
/// builder.float("double", 8).unwrap();
/// let btf = BtfFile::new(builder.to_bytes())?.parse(None)?;
/// assert_eq!(btf.len(), 2);
/// # Ok::<(), bpfld_object::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct BtfFile {
    btf: Bytes,
    base: Option<Bytes>,
}

impl BtfFile {
    /// Finds the types in the bytes of a file.
    ///
    /// # Errors
    ///
    /// If it is neither BTF nor a 64-bit ELF file, or has no section `.BTF`.
    pub fn new(file: impl Into<Bytes>) -> Result<Self, Error> {
        let bytes = file.into();
        if bytes
            .as_slice()
            .first_chunk()
            .is_some_and(|magic| MAGIC.contains(magic))
        {
            return Ok(Self {
                btf: bytes,
                base: None,
            });
        }
        let elf = Elf::parse_sections(bytes.as_slice())?;
        let part = |name| {
            elf.named(name)
                .and_then(Section::file_range)
                .and_then(|range| bytes.slice(range))
        };
        let btf = part(".BTF").ok_or_else(|| Error::new(ErrorKind::Btf, "no section .BTF, so no types"))?;
        let base = part(".BTF.base");
        Ok(Self { btf, base })
    }

    /// Reads the file (Linux hosts and others with `std`).
    ///
    /// # Errors
    ///
    /// If it cannot be read, and as for [`new`](Self::new).
    #[cfg(feature = "std")]
    pub fn open(path: impl AsRef<std::path::Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|error| Error::io(path, error))?;
        Self::new(bytes).map_err(|error| error.in_file(path))
    }

    /// The BTF, as it lies in the file.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.btf
    }

    /// The distilled base that a module brings along (section `.BTF.base`, kernel 6.11): what its own types need of
    /// the kernel's.
    #[must_use]
    pub fn distilled_base(&self) -> Option<&Bytes> {
        self.base.as_ref()
    }

    /// Parses the types. Those that continue others, as a module's do, need these as `base`; without one, a distilled
    /// base in the file takes its place.
    ///
    /// # Errors
    ///
    /// If the BTF is malformed.
    pub fn parse(&self, base: Option<Arc<Btf>>) -> Result<Btf, Error> {
        let malformed = |cause| Error::btf("malformed", cause).section(".BTF");
        let base = match (base, &self.base) {
            (Some(base), _) => Some(base),
            (None, Some(distilled)) => Some(Arc::new(Btf::parse(distilled.clone()).map_err(malformed)?)),
            (None, None) => None,
        };
        match base {
            Some(base) => Btf::parse_split(self.btf.clone(), base),
            None => Btf::parse(self.btf.clone()),
        }
        .map_err(malformed)
    }
}

#[cfg(test)]
mod tests {
    use bpfld_btf::{Builder, IntEncoding, Kind};

    use super::*;

    fn check(bytes: Vec<u8>, expected: &str) {
        let error = BtfFile::new(bytes).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }

    use std::string::ToString as _;
    use std::vec::Vec;

    #[test]
    fn what_is_no_btf() {
        check(Vec::new(), "not an ELF file");
        check(b"\x7fELF".to_vec(), "unknown ELF class");
        check(b"#include <linux/bpf.h>".to_vec(), "not an ELF file");
    }

    #[test]
    fn split_btf_needs_its_base() {
        let mut base = Builder::new();
        let int = base.int("int", 4, IntEncoding::SIGNED).unwrap();
        let base = Arc::new(base.finish().unwrap());
        let mut split = Builder::split(Arc::clone(&base));
        split.typedef("number", int).unwrap();
        let file = BtfFile::new(split.to_bytes()).unwrap();
        let btf = file.parse(Some(base)).unwrap();
        assert!(btf.find("number", Kind::TYPEDEF).is_some());
    }
}
