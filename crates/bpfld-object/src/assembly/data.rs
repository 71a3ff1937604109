//! Data as directives.

use core::fmt::{self, Write};
use core::ops::Range;

/// Zeros from this many on are counted instead of written.
const MANY: usize = 16;
/// Bytes on a line.
const WIDTH: usize = 16;

/// A text in quotes, escaped as the assembler reads it.
pub(super) fn text(bytes: &[u8]) -> impl fmt::Display {
    fmt::from_fn(move |f| {
        f.write_char('"')?;
        for byte in bytes {
            match byte {
                b'"' | b'\\' => write!(f, "\\{}", char::from(*byte))?,
                b'\n' => f.write_str("\\n")?,
                b'\t' => f.write_str("\\t")?,
                b' '..=b'~' => f.write_char(char::from(*byte))?,
                _ => write!(f, "\\{byte:03o}")?,
            }
        }
        f.write_char('"')
    })
}

/// The bytes of this range; those beyond the contents are zeros.
pub(super) fn print(f: &mut fmt::Formatter<'_>, contents: &[u8], range: Range<usize>) -> fmt::Result {
    let Range { start, end } = range;
    let known = contents.get(start..end.min(contents.len())).unwrap_or_default();
    if let Some((0, string)) = known.split_last()
        && !string.is_empty()
        && string
            .iter()
            .all(|byte| matches!(byte, b' '..=b'~' | b'\n' | b'\t'))
        && known.len() == end - start
    {
        return writeln!(f, "    .asciz {}", text(string));
    }
    let mut rest = known;
    while !rest.is_empty() {
        let zeros = rest.iter().take_while(|byte| **byte == 0).count();
        if zeros >= MANY || zeros == rest.len() {
            writeln!(f, "    .zero {zeros}")?;
            rest = rest.get(zeros..).unwrap_or_default();
            continue;
        }
        let (line, behind) = rest.split_at(rest.len().min(WIDTH));
        f.write_str("    .byte ")?;
        for (nth, byte) in line.iter().enumerate() {
            write!(f, "{}{byte:#04x}", if nth == 0 { "" } else { ", " })?;
        }
        f.write_char('\n')?;
        rest = behind;
    }
    let zeros = (end - start).saturating_sub(known.len());
    if zeros > 0 {
        writeln!(f, "    .zero {zeros}")?;
    }
    Ok(())
}
