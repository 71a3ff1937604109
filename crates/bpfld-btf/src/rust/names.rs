//! Names that are Rust's, and that no two things share.

use alloc::{borrow::ToOwned, format, string::String};

use hashbrown::HashMap;

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
    if NEVER.contains(&&*name) || name == "_" {
        return name.into_owned() + "_";
    }
    if name.is_empty() {
        return "__unnamed".to_owned();
    }
    name.into_owned()
}

/// Names that are taken in one scope, each with the suffix to try next.
#[derive(Debug, Default)]
pub(super) struct Scope(HashMap<String, u32>);

/// Names that the declarations themselves use: values that an enumeration must not take the place of.
const USED: [&str; 6] = ["Ok", "Err", "Some", "__bits", "__set_bits", "__part"];

impl Scope {
    /// The scope of items.
    pub(super) fn items() -> Self {
        let names = NUMBERS.iter().chain(&USED);
        Self(names.map(|name| ((*name).to_owned(), 2)).collect())
    }

    /// Takes the name, or with the first suffix that is free.
    pub(super) fn claim(&mut self, name: &str) -> String {
        let name = valid(name);
        let Some(first) = self.0.get(&name) else {
            self.0.insert(name.clone(), 2);
            return name;
        };
        let mut number = *first;
        let candidate = loop {
            let candidate = format!("{name}___{number}");
            number += 1;
            if !self.0.contains_key(&candidate) {
                break candidate;
            }
        };
        // All below are taken, and stay so.
        self.0.insert(name, number);
        self.0.insert(candidate.clone(), 2);
        candidate
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
        assert_eq!(scope.claim(""), "__unnamed");
        assert_eq!(scope.claim("_"), "__");
        assert_eq!(scope.claim("Some"), "Some___2");
        assert_eq!(scope.claim("a"), "a___3");
        assert_eq!(comment("a\n`b"), "a??b");
    }
}
