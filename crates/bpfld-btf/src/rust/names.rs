//! Names that are Rust's, and that no two things share.

use alloc::{borrow::ToOwned, format, string::String};

use hashbrown::HashSet;

use crate::c::identifier;

/// Keywords of any edition that can be names after `r#`.
const RAW: [&str; 48] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "do", "dyn", "else",
    "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro",
    "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return", "static", "struct", "trait",
    "true", "try", "type", "typeof", "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// Names that cannot be given at all.
const NEVER: [&str; 4] = ["self", "Self", "super", "crate"];

/// Numbers, and what their names are in Rust: a type must not take one.
pub(super) const NUMBERS: [&str; 17] = [
    "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128", "isize", "f32", "f64",
    "bool", "char", "str",
];

/// The name as Rust has it.
pub(super) fn valid(name: &str) -> String {
    let name = identifier(name);
    if RAW.contains(&&*name) {
        return format!("r#{name}");
    }
    if NEVER.contains(&&*name) || name.is_empty() || name == "_" {
        return name.into_owned() + "_";
    }
    name.into_owned()
}

/// Names that are taken in one scope.
#[derive(Debug, Default)]
pub(super) struct Scope(HashSet<String>);

impl Scope {
    /// The scope of items.
    pub(super) fn items() -> Self {
        Self(NUMBERS.iter().map(|name| (*name).to_owned()).collect())
    }

    /// Takes the name, or with the first suffix that is free.
    pub(super) fn claim(&mut self, name: &str) -> String {
        let name = valid(name);
        if self.0.insert(name.clone()) {
            return name;
        }
        let mut number = 2u32;
        loop {
            let candidate = format!("{name}___{number}");
            if self.0.insert(candidate.clone()) {
                return candidate;
            }
            number += 1;
        }
    }
}

/// Text for a comment: one line, whatever the names in it are.
pub(super) fn comment(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() || c == '`' { '?' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let mut scope = Scope::items();
        assert_eq!(scope.claim("type"), "r#type");
        assert_eq!(scope.claim("self"), "self_");
        assert_eq!(scope.claim("u32"), "u32___2");
        assert_eq!(scope.claim("a"), "a");
        assert_eq!(scope.claim("a"), "a___2");
        assert_eq!(scope.claim("Option<u8>"), "Option_u8_");
        assert_eq!(scope.claim("0"), "_0");
        assert_eq!(scope.claim(""), "_");
        assert_eq!(comment("a\n`b"), "a??b");
    }
}
