//! Lines of a text, and the statements in them. Instructions are in [`c_like`](super::c_like) and [`gnu`](super::gnu), directives in
//! [`directive`](super::directive).

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::error::{Diagnostic, nearest};
use super::lexer::Kind;
use super::parser::{Parse, Parser, no_register, register_number};
use super::span::Span;
use super::{c_like, gnu};

impl<'a> Parser<'a> {
    /// Reads the whole text.
    pub(super) fn run(&mut self) {
        while self.token.kind != Kind::End {
            self.line_start();
            loop {
                self.start = self.token.span;
                if let Err(error) = self.statement() {
                    self.report(*error);
                    self.recover();
                }
                self.hint = None;
                if !self.is(";") {
                    break;
                }
                if self.listing {
                    self.lexer.skip_line();
                }
                self.advance();
            }
        }
    }

    fn recover(&mut self) {
        while !self.at_end() {
            self.advance();
        }
    }

    /// What listings have before an instruction: an index, encoded bytes, the opcode in parentheses; and lines that are
    /// no instructions.
    fn line_start(&mut self) {
        self.listing = false;
        self.lexer.blanks();
        let line = self.lexer.rest_of_line();
        if line.starts_with(';') {
            self.lexer.skip_line();
        } else if let Some(name) = heading(line) {
            let start = self.lexer.position() + (name.as_ptr() as usize - line.as_ptr() as usize);
            let span = Span::new(start, start + name.len());
            if let Err(error) = self.define(Cow::Borrowed(name), span) {
                self.report(*error);
            }
            self.lexer.skip_line();
        } else {
            self.line_prefix(line);
        }
        self.advance();
    }

    fn line_prefix(&mut self, line: &'a str) {
        let bytes = line.as_bytes();
        let mut at = 0;
        let digits = bytes.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        if digits > 0 && bytes.get(digits) == Some(&b':') {
            let after = skip_blanks(bytes, digits + 1);
            let raw = skip_bytes(bytes, after);
            let number = line.get(..digits).and_then(|number| number.parse().ok());
            if number.is_some() || raw.is_some() {
                if let Some(number) = number {
                    let at = self.here();
                    self.locals.entry((number, self.section)).or_default().push(at);
                }
                self.listing = true;
                at = raw.unwrap_or(after);
            }
        } else if let Some(raw) = skip_bytes(bytes, 0) {
            self.listing = true;
            at = raw;
        }
        if let Some([b'(', high, low, b')']) = bytes.get(at..at + 4)
            && let (Some(high), Some(low)) = (char::from(*high).to_digit(16), char::from(*low).to_digit(16))
        {
            let start = self.lexer.position() + at;
            self.hint = Some(((high << 4 | low) as u8, Span::new(start, start + 4)));
            self.listing = true;
            at += 4;
        }
        self.lexer.skip(at);
    }

    /// A statement: labels, then a directive, an instruction, or nothing.
    fn statement(&mut self) -> Parse<()> {
        while matches!(self.token.kind, Kind::Name | Kind::Quoted) && self.lexer.is_before_colon() {
            let span = self.token.span;
            let name = self.name("a label")?;
            self.define(name, span)?;
            self.advance();
            self.start = self.token.span;
        }
        if self.at_end() {
            return Ok(());
        }
        if self.token.kind == Kind::Name && self.text().starts_with('.') {
            self.directive()?;
        } else if self.ignored {
            return Err(Diagnostic::new(
                self.start,
                "this section holds debugging information, no instructions",
            ));
        } else {
            self.instruction()?;
        }
        if self.at_end() {
            Ok(())
        } else {
            Err(self.expected("the end of the line or `;`"))
        }
    }

    fn instruction(&mut self) -> Parse<()> {
        let word = self.text();
        match self.token.kind {
            Kind::Name => {}
            Kind::Punct(_) if matches!(word, "%" | "*") => {}
            _ => return Err(self.expected("an instruction, label or directive")),
        }
        if self.c_like(word)? || self.gnu(word)? {
            return Ok(());
        }
        if let Some((_, number)) = register_number(word) {
            return Err(no_register(self.token.span, number));
        }
        let error = Diagnostic::new(self.token.span, format!("unknown instruction `{word}`"));
        let mnemonics: Vec<String> = gnu::mnemonics().collect();
        let words = c_like::KEYWORDS
            .iter()
            .copied()
            .chain(mnemonics.iter().map(String::as_str));
        Err(error.maybe_help(nearest(word, words).map(|near| format!("did you mean `{near}`?"))))
    }
}

/// The name in a line that is only a heading: `<L0>:` and `0000000000000000 <main>:` of object dumps, and the prototypes
/// that bpftool prints: `int main(struct xdp_md * ctx):`.
fn heading(line: &str) -> Option<&str> {
    let line = line.trim_end_matches([' ', '\t', '\r']);
    if !line.ends_with(':') {
        return None;
    }
    if let Some(rest) = line.strip_suffix(">:") {
        let (address, name) = rest.split_once('<')?;
        return address
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || byte == b' ')
            .then_some(name);
    }
    let prototype = line.strip_suffix("):")?;
    let before = prototype.split_once('(')?.0;
    let start = before
        .rfind(|char: char| !char.is_ascii_alphanumeric() && char != '_')
        .map_or(0, |at| at + 1);
    let name = before.get(start..)?;
    (!name.is_empty() && line.starts_with(|char: char| char.is_ascii_alphabetic() || char == '_'))
        .then_some(name)
}

fn skip_blanks(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\t')) {
        at += 1;
    }
    at
}

/// The index behind 8 or 16 bytes in hexadecimal, each with a blank behind it.
fn skip_bytes(bytes: &[u8], mut at: usize) -> Option<usize> {
    let mut count = 0;
    while let Some([high, low, b' ' | b'\t' | b'\r']) = bytes.get(at..at + 3)
        && high.is_ascii_hexdigit()
        && low.is_ascii_hexdigit()
        && count < 16
    {
        at += 3;
        count += 1;
    }
    matches!(count, 8 | 16).then(|| skip_blanks(bytes, at))
}
