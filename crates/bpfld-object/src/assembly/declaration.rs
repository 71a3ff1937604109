//! Types in C, as far as declarations of what the kernel has need them: `int (struct sock *, u64)`, `char[16]`.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use bpfld_btf::{Builder, IntEncoding, Sign, TypeId};
use bpfld_insn::asm::{Diagnostic, Span};

type Parse<T> = Result<T, Box<Diagnostic>>;

/// The most stars, and the most parameters.
const MOST: usize = 32;

/// Names of integers, their sizes and encodings. Several words are sorted as here.
const INTEGERS: &[(&str, u32, IntEncoding)] = &[
    ("_Bool", 1, IntEncoding::BOOL),
    ("bool", 1, IntEncoding::BOOL),
    ("char", 1, IntEncoding::SIGNED),
    ("signed char", 1, IntEncoding::SIGNED),
    ("unsigned char", 1, IntEncoding::UNSIGNED),
    ("short", 2, IntEncoding::SIGNED),
    ("unsigned short", 2, IntEncoding::UNSIGNED),
    ("int", 4, IntEncoding::SIGNED),
    ("unsigned int", 4, IntEncoding::UNSIGNED),
    ("unsigned", 4, IntEncoding::UNSIGNED),
    ("long", 8, IntEncoding::SIGNED),
    ("unsigned long", 8, IntEncoding::UNSIGNED),
    ("long long", 8, IntEncoding::SIGNED),
    ("unsigned long long", 8, IntEncoding::UNSIGNED),
    ("size_t", 8, IntEncoding::UNSIGNED),
    ("u8", 1, IntEncoding::UNSIGNED),
    ("u16", 2, IntEncoding::UNSIGNED),
    ("u32", 4, IntEncoding::UNSIGNED),
    ("u64", 8, IntEncoding::UNSIGNED),
    ("s8", 1, IntEncoding::SIGNED),
    ("s16", 2, IntEncoding::SIGNED),
    ("s32", 4, IntEncoding::SIGNED),
    ("s64", 8, IntEncoding::SIGNED),
];

/// The types that are named so far, each once.
#[derive(Debug, Default)]
pub(super) struct Types {
    named: BTreeMap<String, TypeId>,
}

impl Types {
    /// The integer of this name.
    pub(super) fn integer(
        &mut self,
        builder: &mut Builder,
        name: &str,
        size: u32,
        encoding: IntEncoding,
    ) -> Result<TypeId, bpfld_btf::Error> {
        if let Some(id) = self.named.get(name) {
            return Ok(*id);
        }
        let id = builder.int(name, size, encoding)?;
        self.named.insert(name.to_string(), id);
        Ok(id)
    }

    /// Reads a type; with parameters behind it, a prototype. The errors are at `span`.
    pub(super) fn read(&mut self, builder: &mut Builder, text: &str, span: Span) -> Parse<Declared> {
        let words = words(text);
        let mut reader = Reader {
            types: self,
            builder,
            words: &words,
            span,
        };
        let ty = reader.pointers()?;
        let declared = match reader.words.first() {
            Some(&"(") => Declared::Prototype(reader.prototype(ty)?),
            Some(&"[") => Declared::Type(reader.array(ty)?),
            _ => Declared::Type(ty),
        };
        match reader.words.first() {
            None => Ok(declared),
            Some(word) => Err(Diagnostic::new(
                span,
                format!("unexpected `{word}` behind the type"),
            )),
        }
    }
}

/// What a text declares.
#[derive(Clone, Copy, Debug)]
pub(super) enum Declared {
    /// A variable's type and its size.
    Type(Sized),
    /// A function.
    Prototype(TypeId),
}

/// A type and its size in bytes; that of a struct is not known here, and 0.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sized {
    pub(super) id: TypeId,
    pub(super) size: u32,
}

struct Reader<'r> {
    types: &'r mut Types,
    builder: &'r mut Builder,
    words: &'r [&'r str],
    span: Span,
}

impl Reader<'_> {
    fn error(&self, message: impl Into<String>) -> Box<Diagnostic> {
        Diagnostic::new(self.span, message.into())
    }

    fn built(&self, result: Result<TypeId, bpfld_btf::Error>) -> Parse<TypeId> {
        result.map_err(|error| self.error(error.to_string()))
    }

    fn eat(&mut self, word: &str) -> bool {
        match self.words.split_first() {
            Some((first, rest)) if *first == word => {
                self.words = rest;
                true
            }
            _ => false,
        }
    }

    fn expect(&mut self, word: &str) -> Parse<()> {
        match self.eat(word) {
            true => Ok(()),
            false => Err(self.error(format!("`{word}` is missing in this type"))),
        }
    }

    /// A name that is no keyword.
    fn name(&mut self) -> Option<String> {
        let (first, rest) = self.words.split_first()?;
        first
            .starts_with(|char: char| char.is_ascii_alphabetic() || char == '_')
            .then(|| {
                self.words = rest;
                (*first).to_string()
            })
    }

    /// A type and the stars behind it.
    fn pointers(&mut self) -> Parse<Sized> {
        let mut ty = self.base()?;
        let mut stars = 0;
        loop {
            if self.eat("*") {
                stars += 1;
                if stars > MOST {
                    return Err(self.error("too many stars"));
                }
                let id = self.builder.pointer(ty.id);
                ty = Sized {
                    id: self.built(id)?,
                    size: 8,
                };
            } else if !self.qualifier() {
                return Ok(ty);
            }
        }
    }

    fn qualifier(&mut self) -> bool {
        ["const", "volatile", "restrict"]
            .iter()
            .any(|word| self.eat(word))
    }

    fn base(&mut self) -> Parse<Sized> {
        while self.qualifier() {}
        for keyword in ["struct", "union", "enum"] {
            if !self.eat(keyword) {
                continue;
            }
            let name = self
                .name()
                .ok_or_else(|| self.error(format!("`{keyword}` needs a name")))?;
            return self.tagged(keyword, &name);
        }
        if self.eat("void") {
            return Ok(Sized {
                id: TypeId::VOID,
                size: 0,
            });
        }
        let mut found: Vec<&str> = Vec::new();
        while let Some((word, rest)) = self.words.split_first()
            && matches!(*word, "unsigned" | "signed" | "char" | "short" | "int" | "long")
        {
            found.push(word);
            self.words = rest;
        }
        let name = match found.is_empty() {
            true => self.name().ok_or_else(|| self.error("a type is missing here"))?,
            false => integer_words(&found),
        };
        // the kernel's names with underscores mean the same
        let plain = name.strip_prefix("__").unwrap_or(&name);
        let row = INTEGERS.iter().find(|(integer, ..)| *integer == plain);
        let Some((integer, size, encoding)) = row else {
            let names = INTEGERS.iter().map(|(name, ..)| *name);
            return Err(self
                .error(format!(
                    "there is no type `{name}`; those of the kernel need `struct`, `union` or `enum`"
                ))
                .did_you_mean(&name, names));
        };
        let id = self.types.integer(self.builder, integer, *size, *encoding);
        Ok(Sized {
            id: self.built(id)?,
            size: *size,
        })
    }

    /// A struct, union or enum of this name. What is in it does not matter to whom declares only.
    fn tagged(&mut self, keyword: &str, name: &str) -> Parse<Sized> {
        let size = if keyword == "enum" { 4 } else { 0 };
        let key = format!("{keyword} {name}");
        if let Some(id) = self.types.named.get(&key) {
            return Ok(Sized { id: *id, size });
        }
        let id = match keyword {
            "struct" => self.builder.structure(name, 0, &[]),
            "union" => self.builder.union(name, 0, &[]),
            _ if name == "libbpf_tristate" => self.builder.enumeration(
                name,
                4,
                Sign::Unsigned,
                &[("TRI_NO", 0), ("TRI_YES", 1), ("TRI_MODULE", 2)],
            ),
            _ => self.builder.enumeration(name, 4, Sign::Unsigned, &[]),
        };
        let id = self.built(id)?;
        self.types.named.insert(key, id);
        Ok(Sized { id, size })
    }

    /// `(int, struct sock *sk, …)`
    fn prototype(&mut self, returns: Sized) -> Parse<TypeId> {
        self.expect("(")?;
        let mut params = Vec::new();
        if self.words.first() == Some(&"void") && self.words.get(1) == Some(&")") {
            self.eat("void");
        }
        while !self.eat(")") {
            if !params.is_empty() {
                self.expect(",")?;
            }
            if params.len() >= MOST {
                return Err(self.error("too many parameters"));
            }
            if self.eat("...") {
                params.push((String::new(), TypeId::VOID));
                self.expect(")")?;
                break;
            }
            let ty = self.pointers()?;
            params.push((self.name().unwrap_or_default(), ty.id));
        }
        let params: Vec<(&str, TypeId)> = params.iter().map(|(name, id)| (&**name, *id)).collect();
        let id = self.builder.prototype(returns.id, &params);
        self.built(id)
    }

    /// `[16]`
    fn array(&mut self, element: Sized) -> Parse<Sized> {
        self.expect("[")?;
        let len = self.words.first().and_then(|word| word.parse().ok());
        let len: u32 = len.ok_or_else(|| self.error("an array needs a length"))?;
        self.words = self.words.get(1..).unwrap_or_default();
        self.expect("]")?;
        let size = element
            .size
            .checked_mul(len)
            .ok_or_else(|| self.error("the array is too large"))?;
        let index = self.types.integer(self.builder, "int", 4, IntEncoding::SIGNED);
        let index = self.built(index)?;
        let id = self.builder.array(element.id, index, len);
        Ok(Sized {
            id: self.built(id)?,
            size,
        })
    }
}

/// The usual spelling of the words of an integer: `long unsigned int` is `unsigned long`.
fn integer_words(words: &[&str]) -> String {
    let has = |word: &str| words.contains(&word);
    let longs = words.iter().filter(|word| **word == "long").count();
    let base = match longs {
        _ if has("char") => "char",
        _ if has("short") => "short",
        0 => "int",
        1 => "long",
        _ => "long long",
    };
    match (has("unsigned"), has("signed"), base) {
        (true, ..) => format!("unsigned {base}"),
        (_, true, "char") => String::from("signed char"),
        _ => String::from(base),
    }
}

/// Names, numbers and signs.
fn words(text: &str) -> Vec<&str> {
    let is_word = |char: char| char.is_ascii_alphanumeric() || char == '_';
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let end = match first {
            _ if is_word(first) => rest.find(|char| !is_word(char)).unwrap_or(rest.len()),
            '.' if rest.starts_with("...") => 3,
            _ => first.len_utf8(),
        };
        let (word, behind) = rest.split_at(end);
        words.push(word);
        rest = behind.trim_start();
    }
    words
}

#[cfg(test)]
mod tests {
    use bpfld_btf::{Btf, Kind};

    use super::*;

    /// A type as text.
    fn describe(btf: &Btf, id: TypeId) -> String {
        let ty = btf.ty(id).unwrap();
        let name = ty.name().unwrap();
        let target = || describe(btf, ty.target().unwrap_or(TypeId::VOID));
        match ty.kind() {
            Kind::VOID => String::from("void"),
            Kind::PTR => format!("{}*", target()),
            Kind::ARRAY => {
                let array = ty.array().unwrap();
                format!("{}[{}]", describe(btf, array.element), array.len)
            }
            Kind::FUNC_PROTO => {
                let params: Vec<String> = ty
                    .params()
                    .map(|param| format!("{} {}", describe(btf, param.type_id), param.name().unwrap()))
                    .collect();
                format!("{}({})", target(), params.join(","))
            }
            kind => format!("{kind} {name}"),
        }
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let mut builder = Builder::new();
        let result = Types::default().read(&mut builder, text, Span::default());
        let text = match result {
            Err(error) => error.message.to_string(),
            Ok(Declared::Type(Sized { id, size })) => {
                format!("{}, {size} bytes", describe(&builder.finish().unwrap(), id))
            }
            Ok(Declared::Prototype(id)) => describe(&builder.finish().unwrap(), id),
        };
        assert_eq!(text, expected);
    }

    #[test]
    fn types() {
        check("int", "INT int, 4 bytes");
        check("__u64", "INT u64, 8 bytes");
        check("long unsigned int", "INT unsigned long, 8 bytes");
        check("const struct task_struct *", "STRUCT task_struct*, 8 bytes");
        check("enum libbpf_tristate", "ENUM libbpf_tristate, 4 bytes");
        check("char[16]", "INT char[16], 16 bytes");
    }

    #[test]
    fn prototypes() {
        check("void (void)", "void()");
        check("int ()", "INT int()");
        check(
            "struct task_struct *(s32 pid, const void *, ...)",
            "STRUCT task_struct*(INT s32 pid,void* ,void )",
        );
    }

    #[test]
    fn mistakes() {
        check("", "a type is missing here");
        check("struct *", "`struct` needs a name");
        check(
            "task_struct *",
            "there is no type `task_struct`; those of the kernel need `struct`, `union` or `enum`",
        );
        check("int (int", "`,` is missing in this type");
        check("int x", "unexpected `x` behind the type");
        check("char[x]", "an array needs a length");
        check("u64[4294967295]", "the array is too large");
        check(&format!("int {}", "*".repeat(99)), "too many stars");
    }
}
