//! The parser: what is known while a text is read, token by token, and where things go. [`line`](super::line) reads lines with it.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::Assembler;
use super::error::{Diagnostic, Errors};
use super::lexer::{Kind, Lexer, Token, punct};
use super::output::{Binding, ExternDeclaration, MapDeclaration, Section, SymbolKind};
use super::span::Span;
use crate::insn::Insn;
use crate::isa::Width;
use crate::op::Support;
use crate::slot::Slot;

/// The result of a piece of parsing; the error is boxed because it is large and rare.
pub(super) type Parse<T> = Result<T, Box<Diagnostic>>;

/// A label: where it is, and what is known of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Label {
    pub(super) section: usize,
    pub(super) at: usize,
    pub(super) span: Span,
    /// Called, or its address taken.
    pub(super) function: bool,
}

/// What directives say of a name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attributes {
    pub(super) span: Span,
    pub(super) kind: Option<SymbolKind>,
    pub(super) binding: Binding,
    pub(super) size: u64,
    /// Declared to be elsewhere: by `.extern`, `.map`, or as an object without a label.
    pub(super) external: bool,
}

/// Where a jump or call goes.
#[derive(Clone, Debug)]
pub(super) enum Target<'a> {
    Distance(i128),
    Name(Cow<'a, str>),
    Local { number: u64, forward: bool },
}

/// A value that has to wait for the end of the text.
#[derive(Clone, Debug)]
pub(super) struct Fixup<'a> {
    pub(super) span: Span,
    pub(super) section: usize,
    pub(super) at: usize,
    pub(super) target: Target<'a>,
    pub(super) addend: i64,
    pub(super) kind: FixupKind,
}

/// What kind of value waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FixupKind {
    /// The offset of a jump.
    Jump,
    /// The immediate of a long jump.
    JumpLong,
    /// The immediate of a call.
    Call,
    /// A 64-bit load.
    Load,
    /// Data of this many bytes.
    Data(u8),
}

/// Everything while a text is read.
pub(super) struct Parser<'a> {
    pub(super) options: &'a Assembler,
    pub(super) lexer: Lexer<'a>,
    pub(super) token: Token,
    errors: Vec<Diagnostic>,
    left_out: usize,
    pub(super) warnings: Vec<Diagnostic>,
    pub(super) sections: Vec<Section>,
    pub(super) section: usize,
    /// The contents of this section are of no interest: debugging information.
    pub(super) ignored: bool,
    pub(super) labels: BTreeMap<Cow<'a, str>, Label>,
    pub(super) attributes: BTreeMap<Cow<'a, str>, Attributes>,
    pub(super) locals: BTreeMap<(u64, usize), Vec<usize>>,
    pub(super) constants: BTreeMap<Cow<'a, str>, i64>,
    pub(super) maps: Vec<MapDeclaration>,
    pub(super) externs: Vec<ExternDeclaration>,
    pub(super) fixups: Vec<Fixup<'a>>,
    /// The opcode that stands before the instruction, as the kernel prints it.
    pub(super) hint: Option<(u8, Span)>,
    /// The line began with an index, as in a listing: behind `;` stands no further instruction.
    pub(super) listing: bool,
    /// Where the statement begins.
    pub(super) start: Span,
    pub(super) depth: u32,
    /// Bytes made by directives that say how many.
    pub(super) reserved: usize,
}

impl<'a> Parser<'a> {
    pub(super) fn new(options: &'a Assembler, text: &'a str) -> Self {
        Self {
            options,
            lexer: Lexer::new(text),
            token: Token {
                kind: Kind::Newline,
                span: Span::default(),
            },
            errors: Vec::new(),
            left_out: 0,
            warnings: Vec::new(),
            sections: Vec::from([Section {
                name: String::from(".text"),
                ..Section::default()
            }]),
            section: 0,
            ignored: false,
            labels: BTreeMap::new(),
            attributes: BTreeMap::new(),
            locals: BTreeMap::new(),
            constants: options
                .constants
                .iter()
                .map(|(name, value)| (Cow::Owned(name.clone()), *value))
                .collect(),
            maps: Vec::new(),
            externs: Vec::new(),
            fixups: Vec::new(),
            hint: None,
            listing: false,
            start: Span::default(),
            depth: 0,
            reserved: 0,
        }
    }

    pub(super) fn report(&mut self, error: Diagnostic) {
        if self.errors.len() < Errors::LIMIT {
            self.errors.push(error);
        } else {
            self.left_out += 1;
        }
    }

    pub(super) fn warn(&mut self, warning: Diagnostic) {
        if self.warnings.len() < Errors::LIMIT {
            self.warnings.push(warning);
        }
    }

    /// The errors, if there are any.
    pub(super) fn errors(&mut self, text: &str) -> Option<Errors> {
        let errors = core::mem::take(&mut self.errors);
        (!errors.is_empty()).then(|| Errors::new(errors, self.left_out, text))
    }

    // tokens

    pub(super) fn advance(&mut self) {
        self.token = self.lexer.next();
    }

    pub(super) fn text(&self) -> &'a str {
        self.lexer.text(self.token.span)
    }

    pub(super) fn peek(&self) -> (Token, &'a str) {
        let mut ahead = self.lexer;
        let token = ahead.next();
        (token, self.lexer.text(token.span))
    }

    #[inline(always)]
    pub(super) fn is(&self, text: &str) -> bool {
        self.token.kind == Kind::Punct(punct(text))
    }

    pub(super) fn is_name(&self, name: &str) -> bool {
        self.token.kind == Kind::Name && self.text() == name
    }

    /// Is the statement over?
    pub(super) fn at_end(&self) -> bool {
        matches!(self.token.kind, Kind::Newline | Kind::End) || self.is(";")
    }

    #[inline(always)]
    pub(super) fn eat(&mut self, punct: &str) -> bool {
        let found = self.is(punct);
        if found {
            self.advance();
        }
        found
    }

    pub(super) fn eat_name(&mut self, name: &str) -> bool {
        let found = self.is_name(name);
        if found {
            self.advance();
        }
        found
    }

    #[inline(always)]
    pub(super) fn expect(&mut self, punct: &'static str) -> Parse<()> {
        if self.eat(punct) {
            Ok(())
        } else {
            Err(self.expected(&format!("`{punct}`")))
        }
    }

    pub(super) fn expect_name(&mut self, name: &'static str) -> Parse<()> {
        if self.eat_name(name) {
            Ok(())
        } else {
            Err(self.expected(&format!("`{name}`")))
        }
    }

    /// The error that something else should stand here.
    pub(super) fn expected(&self, what: &str) -> Box<Diagnostic> {
        let span = self.token.span;
        match self.token.kind {
            Kind::Bad(bad) => Diagnostic::new(span, bad.message()),
            Kind::Newline | Kind::End => Diagnostic::new(span, format!("expected {what}, but the line ends")),
            _ => Diagnostic::new(span, format!("expected {what}")),
        }
    }

    /// From the start of the statement up to what was read last.
    pub(super) fn statement_span(&self) -> Span {
        self.start.to(Span {
            start: self.token.span.start,
            end: self.token.span.start,
        })
    }

    // places

    /// The place the next instruction or byte goes to.
    pub(super) fn here(&self) -> usize {
        self.sections
            .get(self.section)
            .map_or(0, |section| section.slots.len().max(section.data.len()))
    }

    /// Defines a label here.
    pub(super) fn define(&mut self, name: Cow<'a, str>, span: Span) -> Parse<()> {
        if self.ignored {
            return Ok(());
        }
        let label = Label {
            section: self.section,
            at: self.here(),
            span,
            function: false,
        };
        match self.labels.entry(name) {
            Entry::Vacant(entry) => {
                entry.insert(label);
                Ok(())
            }
            Entry::Occupied(entry) => {
                let message = format!("label `{}` is defined twice", entry.key());
                Err(Diagnostic::new(span, message).other(entry.get().span, "first here"))
            }
        }
    }

    /// Appends an instruction.
    pub(super) fn emit(&mut self, insn: Insn) -> Parse<()> {
        let span = self.statement_span();
        if !self.options.internal && insn.support() == Support::Internal {
            return Err(Diagnostic::new(
                span,
                "only the kernel puts this instruction into programs",
            ));
        }
        let encoded = insn.encode();
        self.check_hint(&encoded)?;
        self.emit_slots(&encoded, span)
    }

    /// The opcode that stands before an instruction must be the right one.
    fn check_hint(&self, slots: &[Slot]) -> Parse<()> {
        match (self.hint, slots.first()) {
            (Some((hint, span)), Some(slot)) if hint != slot.opcode => {
                let opcode = slot.opcode;
                Err(Diagnostic::new(
                    span,
                    format!("the instruction behind it has opcode {opcode:02x}"),
                ))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn emit_slots(&mut self, slots: &[Slot], span: Span) -> Parse<()> {
        let Some(section) = self.sections.get_mut(self.section) else {
            return Ok(());
        };
        if !section.data.is_empty() {
            return Err(Diagnostic::new(span, "instructions in a section of data"));
        }
        for slot in slots {
            section.slots.push(*slot);
            section.spans.push(span);
        }
        Ok(())
    }

    /// Remembers to fill in the instruction that is appended next.
    pub(super) fn fix(&mut self, kind: FixupKind, target: Target<'a>, addend: i64, span: Span) {
        let (section, at) = (self.section, self.here());
        self.fixups.push(Fixup {
            span,
            section,
            at,
            target,
            addend,
            kind,
        });
    }
}

/// What a word would be as a register: its width and number, which may not exist.
pub(super) fn register_number(word: &str) -> Option<(Width, u32)> {
    let (width, digits) = match word.as_bytes() {
        [b'r' | b'R', digits @ ..] => (Width::W64, digits),
        [b'w' | b'W', digits @ ..] => (Width::W32, digits),
        b"fp" => return Some((Width::W64, 10)),
        _ => return None,
    };
    match digits {
        [ones @ b'0'..=b'9'] => Some((width, u32::from(ones - b'0'))),
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => {
            Some((width, u32::from(tens - b'0') * 10 + u32::from(ones - b'0')))
        }
        _ => None,
    }
}

pub(super) fn no_register(span: Span, number: u32) -> Box<Diagnostic> {
    let error = Diagnostic::new(span, format!("there is no register {number}"));
    match number {
        11 => error.help("r11 is the kernel's own; programs have r0 to r10"),
        _ => error.help("registers are r0 to r10, or w0 to w10 for their lower halves"),
    }
}
