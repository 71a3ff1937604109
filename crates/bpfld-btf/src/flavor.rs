//! Names of types, and the flavours of them that CO-RE takes for one.

/// The flavour-free part of a name: what CO-RE compares. `task_struct___v2` is a flavour of `task_struct`.
///
/// The separator is the last `___` that has a character other than `_` on both sides.
///
/// ```
/// assert_eq!(bpfld_btf::essential_name(b"task_struct___v2"), b"task_struct");
/// assert_eq!(bpfld_btf::essential_name(b"___leading"), b"___leading");
/// ```
pub fn essential_name(name: &[u8]) -> &[u8] {
    let is_separator = |window: &[u8]| match window {
        [before, b'_', b'_', b'_', after] => *before != b'_' && *after != b'_',
        _ => false,
    };
    match name.windows(5).rposition(is_separator) {
        Some(at) => name.get(..=at).unwrap_or(name),
        None => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn essential_names() {
        for (name, expected) in [
            ("a___b", "a"),
            ("a___b___c", "a___b"),
            ("a____b", "a____b"),
            ("a__b", "a__b"),
            ("___a", "___a"),
            ("a___", "a___"),
            ("", ""),
            ("task_struct___old___", "task_struct"),
        ] {
            assert_eq!(essential_name(name.as_bytes()), expected.as_bytes(), "{name}");
        }
    }
}
