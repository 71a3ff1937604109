//! Names of the kernel's functions and data, from /proc/kallsyms.

use std::{fmt, fs, path::Path};

use crate::{Error, Result, Subject, externs::kallsyms};

/// The kernel's symbols, sorted by address.
///
/// ```no_run
/// use bpfld::KernelSymbols;
///
/// # fn example(addresses: &[u64]) -> Result<(), bpfld::Error> {
/// let symbols = KernelSymbols::read()?;
/// for address in addresses {
///     match symbols.resolve(*address) {
///         Some(symbol) => println!("{symbol}"), // tcp_connect+0x12
///         None => println!("{address:#x}"),
///     }
/// }
/// # Ok(())
/// # }
/// ```
pub struct KernelSymbols {
    text: Vec<u8>,
    symbols: Vec<Entry>,
}

/// An address, and where in the text the name of it stands.
struct Entry {
    address: u64,
    start: u32,
    len: u32,
}

/// A symbol of the kernel, and how far from its start an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KernelSymbol<'a> {
    /// Name; bytes that are no UTF-8 are cut off.
    pub name: &'a str,
    /// Where it starts.
    pub address: u64,
    /// Bytes from there.
    pub offset: u64,
}

impl KernelSymbols {
    /// Reads the symbols of the running kernel and its modules, BPF programs included.
    ///
    /// # Errors
    ///
    /// When /proc/kallsyms cannot be read, or hides addresses from this process (`kernel.kptr_restrict`, CAP_SYSLOG).
    pub fn read() -> Result<Self> {
        let path = Path::new("/proc/kallsyms");
        let text = fs::read(path).map_err(|source| Error::io(Subject::File(path.into()), "read", source))?;
        let symbols = Self::parse(text);
        if symbols.symbols.is_empty() {
            let message = "tells no addresses: that needs CAP_SYSLOG and a kernel.kptr_restrict of 0 or 1";
            return Err(Error::invalid(Subject::File(path.into()), message));
        }
        Ok(symbols)
    }

    fn parse(text: Vec<u8>) -> Self {
        let mut symbols = Vec::with_capacity(text.len() / 40);
        let mut at = 0usize;
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            let start = at;
            at += line.len();
            let Some((address, name)) = kallsyms::parse(line) else {
                continue;
            };
            // Names follow the address and a letter.
            let Some(offset) = name_offset(line) else { continue };
            if let (true, Ok(start), Ok(len)) = (
                address != 0,
                u32::try_from(start + offset),
                u32::try_from(name.len()),
            ) {
                symbols.push(Entry { address, start, len });
            }
        }
        symbols.sort_by_key(|entry| entry.address);
        Self { text, symbols }
    }

    /// The symbol that an address lies in or behind; `None` before the first one.
    ///
    /// Of several symbols at one address the last that the kernel lists.
    #[must_use]
    pub fn resolve(&self, address: u64) -> Option<KernelSymbol<'_>> {
        let after = self.symbols.partition_point(|entry| entry.address <= address);
        let entry = self.symbols.get(after.checked_sub(1)?)?;
        let start = entry.start as usize;
        let name = self.text.get(start..start + entry.len as usize)?;
        let name = match std::str::from_utf8(name) {
            Ok(name) => name,
            Err(error) => std::str::from_utf8(name.get(..error.valid_up_to())?).ok()?,
        };
        Some(KernelSymbol {
            name,
            address: entry.address,
            offset: address - entry.address,
        })
    }
}

/// Where the third word of a line begins.
fn name_offset(line: &[u8]) -> Option<usize> {
    let mut spaces = line.iter().enumerate().filter(|(_, byte)| **byte == b' ');
    let (second, _) = spaces.nth(1)?;
    Some(second + 1)
}

impl fmt::Debug for KernelSymbols {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KernelSymbols({})", self.symbols.len())
    }
}

impl fmt::Display for KernelSymbol<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{:#x}", self.name, self.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_find_the_symbol_before_them() {
        let text =
            b"ffffffff81000100 T second\n0000000000000000 A hidden\ngarbage\nffffffff81000000 T _stext\n\
            ffffffffa0000000 t in_module\t[module]\n";
        let symbols = KernelSymbols::parse(text.to_vec());
        let name = |address| symbols.resolve(address).map(|symbol| symbol.to_string());
        assert_eq!(name(0xffff_ffff_8100_0000), Some("_stext+0x0".into()));
        assert_eq!(name(0xffff_ffff_8100_00ff), Some("_stext+0xff".into()));
        assert_eq!(name(0xffff_ffff_8100_0110), Some("second+0x10".into()));
        assert_eq!(name(0xffff_ffff_a000_0001), Some("in_module+0x1".into()));
        assert_eq!(name(0xffff_ffff_80ff_ffff), None);
    }
}
