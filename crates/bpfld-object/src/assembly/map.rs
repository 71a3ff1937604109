//! Map declarations: from words and numbers to what a definition means.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use bpfld_insn::asm::{AttributeValue, Diagnostic, MapAttribute, MapDeclaration, Span};
use bpfld_sys::{MapFlags, MapType};

/// The attributes, by the names that a definition in C has, and what else they may be called.
const ATTRIBUTES: &[&str] = &[
    "type",
    "key",
    "key_size",
    "value",
    "value_size",
    "max_entries",
    "flags",
    "map_flags",
    "map_extra",
    "numa_node",
    "pinning",
    "inner",
    "values",
    "template",
];

/// The types of keys and values that have names.
pub(super) const INTEGERS: &[(&str, u32, bool)] = &[
    ("u8", 1, false),
    ("u16", 2, false),
    ("u32", 4, false),
    ("u64", 8, false),
    ("i8", 1, true),
    ("i16", 2, true),
    ("i32", 4, true),
    ("i64", 8, true),
];

/// A key or value: its size, or a type.
#[derive(Clone, Copy, Debug)]
pub(super) enum Data {
    /// A size in bytes.
    Size(u32),
    /// Index of a row of [`INTEGERS`].
    Integer(usize),
}

/// A declared map, understood.
#[derive(Clone, Debug, Default)]
pub(super) struct Map<'a> {
    pub(super) name: &'a str,
    pub(super) span: Span,
    pub(super) map_type: u32,
    pub(super) key: Option<Data>,
    pub(super) value: Option<Data>,
    pub(super) max_entries: Option<u32>,
    pub(super) flags: Option<u32>,
    pub(super) map_extra: Option<u64>,
    pub(super) numa_node: Option<u32>,
    pub(super) pinning: Option<u32>,
    pub(super) inner: Option<(&'a str, Span)>,
    /// What the elements hold from the start; `-` for nothing.
    pub(super) values: Option<(Vec<&'a str>, Span)>,
    /// It only says what the inner maps of others are like.
    pub(super) template: bool,
}

type Parse<T> = Result<T, Box<Diagnostic>>;

impl<'a> Map<'a> {
    /// Reads a declaration; what is wrong in it is added to the errors.
    pub(super) fn read(declaration: &'a MapDeclaration, errors: &mut Vec<Diagnostic>) -> Self {
        let mut map = Self {
            name: &declaration.name,
            span: declaration.span,
            ..Self::default()
        };
        let mut seen: Vec<(&str, Span)> = Vec::new();
        let (mut has_type, mut has_map) = (false, Ok(()));
        for attribute in &declaration.attributes {
            let key = match &*attribute.key {
                "key_size" => "key",
                "value_size" => "value",
                "map_flags" => "flags",
                key => key,
            };
            has_type |= key == "type";
            let first = seen
                .iter()
                .find(|(other, _)| *other == key)
                .map(|(_, span)| *span);
            let result = match first {
                Some(first) => Err(Diagnostic::new(attribute.span, format!("`{key}` is given twice"))
                    .other(first, "first here")),
                None => map.attribute(key, attribute),
            };
            seen.push((key, attribute.span));
            if let Err(error) = result {
                has_map = Err(());
                errors.push(*error);
            }
        }
        if !has_type {
            errors.push(
                *Diagnostic::new(map.span, format!("map `{}` has no type", map.name))
                    .help(format!("write it behind the name: `.map {} hash …`", map.name)),
            );
        } else if has_map.is_ok() {
            map.check(errors);
        }
        map
    }

    fn attribute(&mut self, key: &str, attribute: &'a MapAttribute) -> Parse<()> {
        let span = attribute.span;
        match key {
            "type" => self.map_type = map_type(attribute)?,
            "key" => self.key = Some(data(attribute)?),
            "value" => self.value = Some(data(attribute)?),
            "max_entries" => self.max_entries = Some(number(attribute)?),
            "flags" => self.flags = Some(flags(attribute)?),
            "map_extra" => self.map_extra = Some(wide(attribute)?),
            "numa_node" => self.numa_node = Some(number(attribute)?),
            "pinning" => self.pinning = Some(pinning(attribute)?),
            "inner" => self.inner = Some((word(attribute)?, span)),
            "values" => self.values = Some((word(attribute)?.split_ascii_whitespace().collect(), span)),
            "template" => self.template = number(attribute)? != 0,
            _ => {
                return Err(
                    Diagnostic::new(span, format!("maps have no attribute `{}`", attribute.key))
                        .did_you_mean(&attribute.key, ATTRIBUTES.iter().copied()),
                );
            }
        }
        Ok(())
    }

    /// What does not fit together.
    fn check(&self, errors: &mut Vec<Diagnostic>) {
        let map_type = MapType(self.map_type);
        let of_maps = matches!(map_type, MapType::ARRAY_OF_MAPS | MapType::HASH_OF_MAPS);
        let mut error = |span: Span, message: String| errors.push(*Diagnostic::new(span, message));
        match self.inner {
            Some((_, span)) if !of_maps => {
                error(span, format!("a map of type {map_type} has no inner maps"));
            }
            // without it, and without values, the inner map is left to whoever loads the object
            None if of_maps && self.values.is_some() => error(
                self.span,
                format!("a map of type {map_type} with values needs `inner=`, a map that is like them"),
            ),
            _ => {}
        }
        if let Some((_, span)) = self.values
            && !of_maps
            && map_type != MapType::PROG_ARRAY
        {
            error(
                span,
                String::from("only maps of maps and program arrays have values from the start"),
            );
        }
        if let (true, Some((_, span))) = (self.template, &self.values) {
            error(*span, String::from("a template has no values"));
        }
    }
}

fn map_type(attribute: &MapAttribute) -> Parse<u32> {
    let AttributeValue::Word(name) = &attribute.value else {
        return number(attribute);
    };
    name.parse().map(|MapType(number)| number).map_err(|_| {
        let names = MapType::ALL.iter().filter_map(|map_type| map_type.name());
        Diagnostic::new(attribute.span, format!("there is no type of maps `{name}`"))
            .did_you_mean(name, names)
    })
}

fn data(attribute: &MapAttribute) -> Parse<Data> {
    let AttributeValue::Word(name) = &attribute.value else {
        return number(attribute).map(Data::Size);
    };
    let place = INTEGERS.iter().position(|(integer, ..)| integer == name);
    place.map(Data::Integer).ok_or_else(|| {
        Diagnostic::new(
            attribute.span,
            format!("there is no type `{name}` of keys and values"),
        )
        .help("a size in bytes, or one of u8, u16, u32, u64, i8, i16, i32, i64")
    })
}

fn flags(attribute: &MapAttribute) -> Parse<u32> {
    let AttributeValue::Word(words) = &attribute.value else {
        return number(attribute);
    };
    let mut flags = MapFlags::empty();
    for word in words.split('|') {
        let name = word.to_ascii_uppercase();
        let name = name.strip_prefix("BPF_F_").unwrap_or(&name);
        let Some(flag) = MapFlags::from_name(name) else {
            let names: Vec<String> = MapFlags::all()
                .iter_names()
                .map(|(name, _)| name.to_ascii_lowercase())
                .collect();
            return Err(
                Diagnostic::new(attribute.span, format!("there is no flag of maps `{word}`"))
                    .did_you_mean(word, names.iter().map(String::as_str)),
            );
        };
        flags |= flag;
    }
    Ok(flags.bits())
}

fn pinning(attribute: &MapAttribute) -> Parse<u32> {
    match &attribute.value {
        AttributeValue::Number(number @ 0..=1) => Ok(*number as u32),
        AttributeValue::Word(word) if word == "by_name" => Ok(1),
        AttributeValue::Word(word) if word == "none" => Ok(0),
        _ => Err(Diagnostic::new(attribute.span, "pinning is `none` or `by_name`")),
    }
}

fn word(attribute: &MapAttribute) -> Parse<&str> {
    match &attribute.value {
        AttributeValue::Word(word) => Ok(word),
        AttributeValue::Number(_) => Err(Diagnostic::new(
            attribute.span,
            format!("`{}` is a name, not a number", attribute.key),
        )),
    }
}

fn wide(attribute: &MapAttribute) -> Parse<u64> {
    match &attribute.value {
        AttributeValue::Number(number) => Ok(*number as u64),
        AttributeValue::Word(word) => Err(Diagnostic::new(
            attribute.span,
            format!("`{}` is a number, not `{word}`", attribute.key),
        )),
    }
}

fn number(attribute: &MapAttribute) -> Parse<u32> {
    u32::try_from(wide(attribute)?).map_err(|_| {
        let what = attribute.key.to_string();
        Diagnostic::new(attribute.span, format!("`{what}` is a number of 32 bits"))
    })
}
