//! Addresses of kernel symbols, from /proc/kallsyms.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};

const PATH: &str = "/proc/kallsyms";

/// What kallsyms says about a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Symbol {
    /// It is there, at this address.
    At(u64),
    /// Two symbols of this name have these addresses.
    Ambiguous(u64, u64),
    /// It is there, and the kernel hides addresses from this process.
    Hidden,
}

/// Looks up all names in one pass; names that do not exist are left out of the answer.
pub(crate) fn find<'n>(names: impl IntoIterator<Item = &'n str>) -> io::Result<HashMap<&'n str, Symbol>> {
    let file = File::open(PATH)?;
    find_in(BufReader::with_capacity(1 << 18, file), names)
}

fn find_in<'n>(
    mut reader: impl BufRead,
    names: impl IntoIterator<Item = &'n str>,
) -> io::Result<HashMap<&'n str, Symbol>> {
    let wanted: HashMap<&[u8], &'n str> = names.into_iter().map(|name| (name.as_bytes(), name)).collect();
    let mut found = HashMap::new();
    let mut line = Vec::with_capacity(256);
    while {
        line.clear();
        reader.read_until(b'\n', &mut line)? != 0
    } {
        let Some((address, name)) = parse(&line) else {
            continue;
        };
        let Some(&name) = wanted.get(name) else { continue };
        let new = if address == 0 {
            Symbol::Hidden
        } else {
            Symbol::At(address)
        };
        found
            .entry(name)
            .and_modify(|old| match *old {
                Symbol::At(first) if first != address => *old = Symbol::Ambiguous(first, address),
                _ => {}
            })
            .or_insert(new);
    }
    Ok(found)
}

/// Address and name of a line `ffffffff81000000 T _stext [module]`. The suffix that link-time optimisation gives to
/// local data (`.llvm.` and a hash) is no part of the name.
pub(crate) fn parse(line: &[u8]) -> Option<(u64, &[u8])> {
    let mut words = line
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty());
    let address = std::str::from_utf8(words.next()?).ok()?;
    let kind = words.next()?;
    let mut name = words.next()?;
    if kind == b"d"
        && let Some(end) = name.windows(6).position(|window| window == b".llvm.")
    {
        name = name.get(..end)?;
    }
    Some((u64::from_str_radix(address, 16).ok()?, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"ffffffff81000000 T _stext\n\
        ffffffff81000040 t twice\n\
        ffffffff81000080 t twice\n\
        ffffffff81000090 T same\n\
        ffffffff81000090 T same\n\
        garbage\n\
        ffffffffa0000000 d data.llvm.1234\t[module]\n\
        0000000000000000 D hidden\n";

    #[test]
    fn one_pass_answers_all() {
        let names = ["_stext", "twice", "same", "data", "hidden", "missing"];
        let found = find_in(TEXT, names).unwrap();
        assert_eq!(found.get("_stext"), Some(&Symbol::At(0xffff_ffff_8100_0000)));
        assert_eq!(
            found.get("twice"),
            Some(&Symbol::Ambiguous(0xffff_ffff_8100_0040, 0xffff_ffff_8100_0080))
        );
        assert_eq!(found.get("same"), Some(&Symbol::At(0xffff_ffff_8100_0090)));
        assert_eq!(found.get("data"), Some(&Symbol::At(0xffff_ffff_a000_0000)));
        assert_eq!(found.get("hidden"), Some(&Symbol::Hidden));
        assert_eq!(found.get("missing"), None);
    }
}
