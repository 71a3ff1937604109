//! Directives: sections, declarations, constants, maps, data. Those of compilers that concern debugging are skipped.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use super::error::{Diagnostic, nearest};
use super::lexer::Kind;
use super::number::Number;
use super::output::{
    AttributeValue, Binding, ExternDeclaration, ExternKind, MapAttribute, MapDeclaration, Section, SymbolKind,
};
use super::parser::{Attributes, Parse, Parser};
use super::span::Span;

/// Directives that say something about symbols, alignment or debugging which the result does not need.
const SKIPPED: &[&str] = &[
    ".addrsig",
    ".addrsig_sym",
    ".cfi_sections",
    ".cfi_startproc",
    ".cfi_endproc",
    ".cfi_def_cfa",
    ".cfi_offset",
    ".cfi_personality",
    ".cfi_lsda",
    ".file",
    ".hidden",
    ".ident",
    ".internal",
    ".loc",
    ".protected",
    ".sleb128",
    ".uleb128",
];

/// Directives with a meaning here.
const KNOWN: &[&str] = &[
    ".align", ".balign", ".p2align", ".ascii", ".asciz", ".bss", ".byte", ".2byte", ".4byte", ".8byte",
    ".comm", ".data", ".equ", ".extern", ".global", ".globl", ".hword", ".insn", ".int", ".kconfig",
    ".kfunc", ".ksym", ".license", ".local", ".long", ".map", ".quad", ".section", ".set", ".short", ".size",
    ".skip", ".space", ".string", ".text", ".type", ".weak", ".word", ".zero",
];

impl<'a> Parser<'a> {
    pub(super) fn directive(&mut self) -> Parse<()> {
        let (word, span) = (self.text(), self.token.span);
        if self.ignored && !matches!(word, ".section" | ".text" | ".data" | ".bss") {
            return self.skip_statement();
        }
        if SKIPPED.contains(&word) || word.starts_with(".cfi_") {
            return self.skip_statement();
        }
        self.advance();
        match word {
            ".text" | ".data" | ".bss" => self.enter(word),
            ".align" | ".balign" | ".p2align" => self.align(word),
            ".section" => self.section(),
            ".globl" | ".global" => self.bind(Binding::Global),
            ".weak" => self.bind(Binding::Weak),
            ".local" => self.bind(Binding::Local),
            ".extern" => self.external(),
            ".type" => self.symbol_type(),
            ".size" => self.symbol_size(),
            ".set" | ".equ" => self.constant_definition(),
            ".comm" => self.common(),
            ".map" => self.map(),
            ".kfunc" => self.of_the_kernel(ExternKind::Kfunc),
            ".ksym" => self.of_the_kernel(ExternKind::Ksym),
            ".kconfig" => self.of_the_kernel(ExternKind::Kconfig),
            ".license" => self.license(),
            ".insn" => self.raw(),
            ".byte" => self.data(1),
            ".2byte" | ".short" | ".hword" => self.data(2),
            ".4byte" | ".long" | ".int" | ".word" => self.data(4),
            ".8byte" | ".quad" => self.data(8),
            ".ascii" => self.strings(&[]),
            ".asciz" | ".string" => self.strings(&[0]),
            ".zero" | ".space" | ".skip" => self.zeroes(),
            _ => {
                let near = nearest(word, KNOWN.iter().chain(SKIPPED).copied());
                Err(Diagnostic::new(span, format!("unknown directive `{word}`"))
                    .maybe_help(near.map(|near| format!("did you mean `{near}`?"))))
            }
        }
    }

    fn skip_statement(&mut self) -> Parse<()> {
        // the rest may hold characters that mean nothing elsewhere, so it is not read
        self.lexer.skip_line();
        self.advance();
        Ok(())
    }

    // sections

    fn enter(&mut self, name: &str) -> Parse<()> {
        const DEBUGGING: [&str; 6] = [".debug", ".BTF", ".llvm", ".note", ".comment", ".rel"];
        self.ignored = DEBUGGING.iter().any(|prefix| name.starts_with(prefix));
        if self.ignored {
            return Ok(());
        }
        let found = self.sections.iter().position(|section| section.name == name);
        self.section = found.unwrap_or(self.sections.len());
        if found.is_none() {
            self.sections.push(Section {
                name: name.to_string(),
                ..Section::default()
            });
        }
        Ok(())
    }

    /// `.section xdp,"ax",@progbits`, `.section "xdp"`, `.section .rodata.str1.1,"aMS",@progbits,1`
    fn section(&mut self) -> Parse<()> {
        let start = self.token.span.start;
        let name = match self.token.kind {
            Kind::Quoted => self.name("the name of a section")?,
            _ => {
                // unquoted names may contain slashes and more
                let mut end = self.token.span.end;
                while !self.at_end() && !self.is(",") {
                    end = self.token.span.end;
                    self.advance();
                }
                Cow::Borrowed(self.lexer.text(Span { start, end }))
            }
        };
        if name.is_empty() {
            return Err(self.expected("the name of a section"));
        }
        while !self.at_end() {
            self.advance();
        }
        self.enter(&name)
    }

    fn license(&mut self) -> Parse<()> {
        if self.token.kind != Kind::Quoted {
            return Err(self.expected("a licence in quotes"));
        }
        let text = self.unquote(self.text())?;
        self.advance();
        let before = (self.section, self.ignored);
        self.enter("license")?;
        let span = self.statement_span();
        let bytes: Vec<u8> = text.bytes().chain([0]).collect();
        let result = self.put(&bytes, span);
        (self.section, self.ignored) = before;
        result
    }

    // symbols

    pub(super) fn attributes_of(&mut self, name: Cow<'a, str>, span: Span) -> &mut Attributes {
        let new = Attributes {
            span,
            kind: None,
            binding: Binding::Local,
            size: 0,
            external: false,
        };
        self.attributes.entry(name).or_insert(new)
    }

    fn bind(&mut self, binding: Binding) -> Parse<()> {
        loop {
            let span = self.token.span;
            let name = self.name("a name")?;
            self.attributes_of(name, span).binding = binding;
            if !self.eat(",") {
                return Ok(());
            }
        }
    }

    fn external(&mut self) -> Parse<()> {
        loop {
            let span = self.token.span;
            let name = self.name("a name")?;
            let attributes = self.attributes_of(name, span);
            attributes.external = true;
            if attributes.binding == Binding::Local {
                attributes.binding = Binding::Global;
            }
            if !self.eat(",") {
                return Ok(());
            }
        }
    }

    /// `.type main,@function`, `.type counters,@object`; the comma and the sign may be missing, or the sign be `%`.
    fn symbol_type(&mut self) -> Parse<()> {
        let span = self.token.span;
        let name = self.name("a name")?;
        self.eat(",");
        if !self.eat("@") {
            self.eat("%");
        }
        let kind = match self.text() {
            "function" => Some(SymbolKind::Function),
            "object" | "tls_object" | "common" => Some(SymbolKind::Object),
            "notype" => None,
            _ => return Err(self.expected("`@function` or `@object`")),
        };
        self.advance();
        self.attributes_of(name, span).kind = kind;
        Ok(())
    }

    /// `.size main, .Lend-main`: kept where it is a number.
    fn symbol_size(&mut self) -> Parse<()> {
        let span = self.token.span;
        let name = self.name("a name")?;
        self.expect(",")?;
        if matches!(self.token.kind, Kind::Number(_)) {
            let Number {
                value,
                span: value_span,
            } = self.expression()?;
            let size =
                u64::try_from(value).map_err(|_| Diagnostic::new(value_span, "a size is not negative"))?;
            self.attributes_of(name, span).size = size;
            return Ok(());
        }
        while !self.at_end() {
            self.advance();
        }
        Ok(())
    }

    /// `.set NAME, 5`
    fn constant_definition(&mut self) -> Parse<()> {
        let span = self.token.span;
        let name = self.name("a name")?;
        self.expect(",")?;
        // compilers also say `.set label, other`, which concerns debugging only
        if self.token.kind == Kind::Name
            && self.known_constant(self.text()).is_none()
            && self.text().starts_with('.')
        {
            return self.skip_statement();
        }
        let Number {
            value,
            span: value_span,
        } = self.expression()?;
        let Ok(value) = i64::try_from(value).or_else(|_| u64::try_from(value).map(|value| value as i64))
        else {
            return Err(Diagnostic::new(
                value_span,
                format!("{value} does not fit 64 bits"),
            ));
        };
        if super::parser::register_number(&name).is_some() {
            return Err(Diagnostic::new(span, format!("`{name}` is a register")));
        }
        self.constants.insert(name, value);
        Ok(())
    }

    /// `.comm name, size, alignment`: zeroed data in `.bss`.
    fn common(&mut self) -> Parse<()> {
        let span = self.token.span;
        let name = self.name("a name")?;
        self.expect(",")?;
        let size = self.count()?;
        if self.eat(",") {
            self.expression()?;
        }
        let before = (self.section, self.ignored);
        self.enter(".bss")?;
        let result = self
            .define(name.clone(), span)
            .and_then(|()| self.put_zeroes(size, span));
        (self.section, self.ignored) = before;
        result?;
        let attributes = self.attributes_of(name, span);
        attributes.kind = Some(SymbolKind::Object);
        attributes.size = size as u64;
        Ok(())
    }

    /// `.map name hash key=4 value=8 max_entries=1024`, with or without commas
    fn map(&mut self) -> Parse<()> {
        let span = self.token.span;
        let name = self.name("the name of a map")?;
        if self.attributes.contains_key(&name)
            && let Some(first) = self.maps.iter().find(|map| map.name == *name)
        {
            let first = first.span;
            return Err(
                Diagnostic::new(span, format!("map `{name}` is declared twice")).other(first, "first here")
            );
        }
        let mut attributes = Vec::new();
        while !self.at_end() {
            self.eat(",");
            let attribute = self.map_attribute(attributes.is_empty())?;
            attributes.push(attribute);
        }
        let attributes_of_name = self.attributes_of(name.clone(), span);
        attributes_of_name.external = true;
        attributes_of_name.kind = Some(SymbolKind::Object);
        self.maps.push(MapDeclaration {
            name: name.into_owned(),
            attributes,
            span,
        });
        Ok(())
    }

    /// `key=value`; or a word alone: the type if it is the first, else something that is so.
    fn map_attribute(&mut self, first: bool) -> Parse<MapAttribute> {
        let start = self.token.span;
        let key = self.name("an attribute")?.into_owned();
        if !self.eat("=") {
            let (key, value) = match first {
                true => ("type".to_string(), AttributeValue::Word(key)),
                false => (key, AttributeValue::Number(1)),
            };
            return Ok(MapAttribute {
                key,
                value,
                span: start,
            });
        }
        let mut end = self.token.span;
        let value = match self.token.kind {
            Kind::Quoted => {
                let text = self.unquote(self.text())?.into_owned();
                self.advance();
                AttributeValue::Word(text)
            }
            Kind::Name if self.known_constant(self.text()).is_none() => {
                let mut words = self.text().to_string();
                self.advance();
                while self.eat("|") {
                    end = self.token.span;
                    words.push('|');
                    words.push_str(&self.name("a word")?);
                }
                AttributeValue::Word(words)
            }
            _ => {
                let Number { value, span } = self.expression()?;
                end = span;
                let wrapped =
                    i64::try_from(value).or_else(|_| u64::try_from(value).map(|value| value as i64));
                let number = wrapped.map_err(|_| Diagnostic::new(span, "the value does not fit 64 bits"))?;
                AttributeValue::Number(number)
            }
        };
        Ok(MapAttribute {
            key,
            value,
            span: start.to(end),
        })
    }

    /// `.kfunc name, "int (struct sock *, u64)"`, `.ksym name, "int"`, `.kconfig name, "bool"`
    fn of_the_kernel(&mut self, kind: ExternKind) -> Parse<()> {
        let span = self.token.span;
        let name = self.name("a name")?;
        if self.attributes.contains_key(&name)
            && let Some(first) = self.externs.iter().find(|item| item.name == *name)
        {
            let first = first.span;
            return Err(
                Diagnostic::new(span, format!("`{name}` is declared twice")).other(first, "first here")
            );
        }
        let c_type = if self.eat(",") {
            if self.token.kind != Kind::Quoted {
                return Err(self.expected("a type in quotes"));
            }
            let place = self.token.span;
            let text = self.unquote(self.text())?.into_owned();
            self.advance();
            Some((text, place))
        } else {
            None
        };
        let attributes = self.attributes_of(name.clone(), span);
        attributes.external = true;
        if attributes.binding == Binding::Local {
            attributes.binding = Binding::Global;
        }
        self.externs.push(ExternDeclaration {
            name: name.into_owned(),
            span,
            kind,
            c_type,
        });
        Ok(())
    }
}
