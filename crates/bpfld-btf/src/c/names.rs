//! Names that are C's, and that no two declarations share.

use alloc::{borrow::Cow, format, string::String};

use hashbrown::{HashMap, hash_map::Entry};

use crate::{Kind, TypeId};

/// C's two kinds of names: those after `struct`, `union` and `enum`, and all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Space {
    Tags,
    Others,
}

/// Which names are taken, and which type has which.
#[derive(Debug, Default)]
pub(super) struct Names<'a> {
    given: HashMap<TypeId, Cow<'a, str>>,
    taken: HashMap<(Space, Cow<'a, str>), Taken>,
}

#[derive(Clone, Copy, Debug)]
struct Taken {
    kind: Kind,
    is_defined: bool,
    /// The suffix to try next.
    next: u32,
}

impl<'a> Names<'a> {
    /// The name of a type: the same whenever it is asked for.
    pub(super) fn of_type(&mut self, id: TypeId, kind: Kind, name: &'a str) -> &str {
        let Self { given, taken } = self;
        given.entry(id).or_insert_with(|| {
            let space = if kind == Kind::TYPEDEF {
                Space::Others
            } else {
                Space::Tags
            };
            claim(taken, space, kind, valid(name), true)
        })
    }

    /// The name of a struct or union that is declared only. It may be that of one that is defined.
    pub(super) fn of_forward(&mut self, id: TypeId, kind: Kind, name: &'a str) -> &str {
        let Self { given, taken } = self;
        given
            .entry(id)
            .or_insert_with(|| claim(taken, Space::Tags, kind, valid(name), false))
    }

    /// The name of a value of an enumeration.
    pub(super) fn of_value(&mut self, name: &'a str) -> Cow<'a, str> {
        claim(&mut self.taken, Space::Others, Kind::VOID, valid(name), true)
    }
}

/// Takes the name, or the name with the first suffix that is free.
fn claim<'a>(
    taken: &mut HashMap<(Space, Cow<'a, str>), Taken>,
    space: Space,
    kind: Kind,
    name: Cow<'a, str>,
    defines: bool,
) -> Cow<'a, str> {
    let new = Taken {
        kind,
        is_defined: defines,
        next: 2,
    };
    let first = match taken.entry((space, name.clone())) {
        Entry::Vacant(free) => {
            free.insert(new);
            return name;
        }
        Entry::Occupied(first) => first.into_mut(),
    };
    if first.kind == kind && (!defines || !first.is_defined) {
        first.is_defined |= defines;
        return name;
    }
    let mut suffix = first.next;
    let candidate = loop {
        let candidate: Cow<str> = format!("{name}___{suffix}").into();
        suffix += 1;
        if let Entry::Vacant(free) = taken.entry((space, candidate.clone())) {
            free.insert(new);
            break candidate;
        }
    };
    // All below are taken, and stay so.
    if let Some(first) = taken.get_mut(&(space, name)) {
        first.next = suffix;
    }
    candidate
}

/// C's words, and those that compilers add to them. `struct` and the like can be names in Rust.
const KEYWORDS: [&str; 46] = [
    "asm",
    "auto",
    "break",
    "case",
    "char",
    "const",
    "continue",
    "default",
    "do",
    "double",
    "else",
    "enum",
    "extern",
    "float",
    "for",
    "goto",
    "if",
    "inline",
    "int",
    "long",
    "register",
    "restrict",
    "return",
    "short",
    "signed",
    "sizeof",
    "static",
    "struct",
    "switch",
    "typedef",
    "typeof",
    "union",
    "unsigned",
    "void",
    "volatile",
    "while",
    "_Alignas",
    "_Alignof",
    "_Atomic",
    "_Bool",
    "_Complex",
    "_Generic",
    "_Imaginary",
    "_Noreturn",
    "_Static_assert",
    "_Thread_local",
];

/// The name as C has it.
pub(super) fn valid(name: &str) -> Cow<'_, str> {
    if KEYWORDS.contains(&name) {
        return format!("{name}_").into();
    }
    identifier(name)
}

/// The name with everything replaced that C does not allow in one.
pub(crate) fn identifier(name: &str) -> Cow<'_, str> {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let starts_with_digit = name.starts_with(|c: char| c.is_ascii_digit());
    if name.as_bytes().iter().all(is_plain) && !starts_with_digit {
        return Cow::Borrowed(name);
    }
    let plain = |c: char| match u8::try_from(c) {
        Ok(byte) if is_plain(&byte) => c,
        _ => '_',
    };
    let underscore = starts_with_digit.then_some('_');
    underscore
        .into_iter()
        .chain(name.chars().map(plain))
        .collect::<String>()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conflicts() {
        let mut names = Names::default();
        assert_eq!(names.of_forward(TypeId(1), Kind::STRUCT, "s"), "s");
        assert_eq!(names.of_type(TypeId(2), Kind::STRUCT, "s"), "s");
        assert_eq!(names.of_type(TypeId(3), Kind::STRUCT, "s"), "s___2");
        assert_eq!(names.of_type(TypeId(4), Kind::UNION, "s"), "s___3");
        assert_eq!(names.of_type(TypeId(3), Kind::STRUCT, "s"), "s___2");
        assert_eq!(names.of_type(TypeId(5), Kind::STRUCT, "s___4"), "s___4");
        assert_eq!(names.of_type(TypeId(6), Kind::STRUCT, "s"), "s___5");
        assert_eq!(names.of_type(TypeId(7), Kind::TYPEDEF, "s"), "s");
        assert_eq!(names.of_value("s"), "s___2");
        assert_eq!(names.of_forward(TypeId(8), Kind::STRUCT, "s"), "s");
        assert_eq!(names.of_forward(TypeId(9), Kind::UNION, "s"), "s___6");
        assert_eq!(identifier("Option<u32>"), "Option_u32_");
        assert_eq!(identifier("0a"), "_0a");
        assert_eq!(valid("default"), "default_");
        assert_eq!(names.of_type(TypeId(10), Kind::STRUCT, "union"), "union_");
    }
}
