//! Bytes as digits, and digits as bytes.

use std::fmt::Write;

/// Bytes from digits; blanks, line ends, colons, underscores and a leading `0x` are skipped.
pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let text = text.strip_prefix("0x").unwrap_or(text);
    let digits = text
        .chars()
        .filter(|c| !matches!(c, ' ' | '\t' | '\n' | ':' | '_'));
    let digits: Option<Vec<u8>> = digits
        .map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok()))
        .collect();
    let digits = digits.filter(|digits| !digits.is_empty())?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty()
        .then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

/// Two digits a byte.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}"); // a string takes all
            text
        })
}

/// Sixteen bytes a line, with their offset and what of them is text.
pub(crate) fn dump(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (line, chunk) in bytes.chunks(16).enumerate() {
        let digits: Vec<String> = chunk.iter().map(|byte| format!("{byte:02x}")).collect();
        let letters: String = chunk
            .iter()
            .map(|b| {
                if b.is_ascii_graphic() || *b == b' ' {
                    char::from(*b)
                } else {
                    '.'
                }
            })
            .collect();
        let _ = writeln!(text, "{:04x}  {:47}  {letters}", line * 16, digits.join(" "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_become_bytes() {
        assert_eq!(unhex("0x0aff"), Some(vec![0x0a, 0xff]));
        assert_eq!(unhex("0a:ff 10"), Some(vec![0x0a, 0xff, 0x10]));
        for text in ["", "0x", "abc", "zz", "0a-ff"] {
            assert_eq!(unhex(text), None, "{text}");
        }
        assert_eq!(hex(&[0x0a, 0xff]), "0aff");
    }

    #[test]
    fn a_dump_shows_offsets_and_letters() {
        let text = dump(b"0123456789abcdef\x00\x01");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[0],
            "0000  30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66  0123456789abcdef"
        );
        assert_eq!(lines[1].trim_end(), format!("0010  {:47}  ..", "00 01"));
    }
}
