//! From text to tokens: hand-written, one token at a time, so that the parser can look at a line first.

use super::span::Span;

/// What a token is. Its text is looked up by its span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Letters, digits, `_`, `.` and `$`, not beginning with a digit.
    Name,
    /// A name in quotes; escapes are not yet resolved.
    Quoted,
    /// A number in any base, or a character.
    Number(u64),
    /// A reference to a numbered label: `1f`, `1b`.
    Local { number: u64, forward: bool },
    /// An operator or a bracket: its [`punct`].
    Punct(u32),
    /// A `#` between two words without blanks: `bpf_map_lookup_elem#1`.
    Hash,
    /// The end of a line.
    Newline,
    /// The end of the text.
    End,
    /// Something that is no token, and why.
    Bad(Bad),
}

/// Why something is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bad {
    Char,
    Number,
    Octal,
    Large,
    Unclosed,
    Comment,
}

impl Bad {
    pub(super) const fn message(self) -> &'static str {
        match self {
            Self::Char => "this character means nothing here",
            Self::Number => "not a number",
            Self::Octal => "a leading 0 means base 8, which has no such digit",
            Self::Large => "the number does not fit 64 bits",
            Self::Unclosed => "the closing quote is missing on this line",
            Self::Comment => "the end of this comment is missing",
        }
    }
}

/// A token and where it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) span: Span,
}

/// The bytes of an operator or bracket as one number, so that comparing is one instruction.
#[inline(always)]
pub(super) const fn punct(text: &str) -> u32 {
    match *text.as_bytes() {
        [a] => a as u32,
        [a, b] => a as u32 | (b as u32) << 8,
        [a, b, c] => a as u32 | (b as u32) << 8 | (c as u32) << 16,
        _ => 0,
    }
}

/// What a byte can be part of.
static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        if is_name(byte as u8) {
            classes[byte] |= NAME;
        }
        if matches!(byte as u8, b' ' | b'\t' | b'\r') {
            classes[byte] |= BLANK;
        }
        if (byte as u8).is_ascii_alphanumeric() || byte as u8 == b'_' {
            classes[byte] |= DIGIT;
        }
        byte += 1;
    }
    classes
};
const NAME: u8 = 1;
const BLANK: u8 = 2;
const DIGIT: u8 = 4;

/// Reads tokens. Cheap to copy: a copy is a bookmark.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

const fn is_name_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte == b'.' || byte >= 0x80
}

const fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'$') || byte >= 0x80
}

impl<'a> Lexer<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    fn byte(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    pub(super) fn text(&self, span: Span) -> &'a str {
        self.text.get(span.range()).unwrap_or_default()
    }

    pub(super) const fn position(&self) -> usize {
        self.at
    }

    /// What is left of this line.
    pub(super) fn rest_of_line(&self) -> &'a str {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let end = rest.find('\n').unwrap_or(rest.len());
        rest.get(..end).unwrap_or_default()
    }

    /// Goes on this many bytes later.
    pub(super) fn skip(&mut self, bytes: usize) {
        self.at = self.at.saturating_add(bytes).min(self.text.len());
    }

    /// Goes on at the end of this line.
    pub(super) fn skip_line(&mut self) {
        self.skip(self.rest_of_line().len());
    }

    /// Skips bytes of this class.
    #[inline(always)]
    fn skip_class(&mut self, class: u8) {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let end = rest
            .iter()
            .position(|byte| CLASSES[usize::from(*byte)] & class == 0);
        self.at += end.unwrap_or(rest.len());
    }

    /// Skips blanks.
    #[inline(always)]
    pub(super) fn blanks(&mut self) {
        self.skip_class(BLANK);
    }

    /// Reads a token.
    pub(super) fn next(&mut self) -> Token {
        loop {
            let joined = self.at;
            self.blanks();
            let start = self.at;
            let Some(byte) = self.byte(0) else {
                return self.token(start, Kind::End);
            };
            let kind = match byte {
                b'\n' => {
                    self.at += 1;
                    Kind::Newline
                }
                b'#' => {
                    if joined == start && self.is_annotation() {
                        self.at += 1;
                        Kind::Hash
                    } else {
                        self.skip_line();
                        continue;
                    }
                }
                b'/' if self.byte(1) == Some(b'/') => {
                    self.skip_line();
                    continue;
                }
                b'/' if self.byte(1) == Some(b'*') => {
                    let rest = self.text.get(self.at + 2..).unwrap_or_default();
                    match rest.find("*/") {
                        Some(length) => {
                            self.skip(length + 4);
                            continue;
                        }
                        None => {
                            self.at = self.text.len();
                            Kind::Bad(Bad::Comment)
                        }
                    }
                }
                b'"' => self.quoted(),
                b'\'' => self.character(),
                b'0'..=b'9' => self.number(),
                _ if is_name_start(byte) => {
                    self.skip_class(NAME);
                    Kind::Name
                }
                _ => self.punct(byte),
            };
            return self.token(start, kind);
        }
    }

    /// Is the next token a `:`?
    #[inline(always)]
    pub(super) fn is_before_colon(&self) -> bool {
        let mut ahead = *self;
        ahead.blanks();
        match ahead.byte(0) {
            Some(b':') => true,
            // perhaps behind a comment
            Some(b'/') => ahead.next().kind == Kind::Punct(punct(":")),
            _ => false,
        }
    }

    fn token(&self, start: usize, kind: Kind) -> Token {
        Token {
            kind,
            span: Span::new(start, self.at),
        }
    }

    /// Is this `#` glued to words on both sides? Otherwise it begins a comment.
    fn is_annotation(&self) -> bool {
        let before = self.at.checked_sub(1).and_then(|at| self.text.as_bytes().get(at));
        let after = self.byte(1);
        before.is_some_and(|byte| is_name(*byte)) && after.is_some_and(|byte| is_name(byte) || byte == b'-')
    }

    fn quoted(&mut self) -> Kind {
        self.at += 1;
        loop {
            match self.byte(0) {
                Some(b'"') => {
                    self.at += 1;
                    return Kind::Quoted;
                }
                Some(b'\\') if self.byte(1).is_some_and(|next| next.is_ascii() && next != b'\n') => {
                    self.at += 2
                }
                None | Some(b'\n') => return Kind::Bad(Bad::Unclosed),
                Some(_) => self.at += 1,
            }
        }
    }

    fn character(&mut self) -> Kind {
        let value = match (self.byte(1), self.byte(2), self.byte(3)) {
            (Some(b'\\'), Some(escape), Some(b'\'')) => unescape(escape),
            (Some(byte @ 0x20..=0x7e), Some(b'\''), _) if byte != b'\\' => {
                self.at += 3;
                return Kind::Number(byte.into());
            }
            _ => None,
        };
        match value {
            Some(byte) => {
                self.at += 4;
                Kind::Number(byte.into())
            }
            None => {
                self.at += 1;
                Kind::Bad(Bad::Char)
            }
        }
    }

    fn number(&mut self) -> Kind {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        // almost all numbers are plain
        let mut value = 0;
        let mut length = 0;
        while let Some(digit @ b'0'..=b'9') = rest.get(length)
            && length < 18
        {
            value = value * 10 + u64::from(digit - b'0');
            length += 1;
        }
        let ends = rest
            .get(length)
            .is_none_or(|byte| CLASSES[usize::from(*byte)] & DIGIT == 0);
        if ends && (length == 1 || rest.first() != Some(&b'0')) {
            self.at += length;
            return Kind::Number(value);
        }
        let start = self.at;
        self.skip_class(DIGIT);
        let text = self.text.get(start..self.at).unwrap_or_default();
        parse_number(text)
    }

    fn punct(&mut self, byte: u8) -> Kind {
        let next = self.byte(1);
        let length = match (byte, next) {
            (b'<' | b'>', Some(again)) if again == byte => {
                if self.byte(2) == Some(b'=') {
                    3
                } else {
                    2
                }
            }
            (
                b'+' | b'-' | b'*' | b'/' | b'%' | b'&' | b'|' | b'^' | b'=' | b'<' | b'>' | b'!',
                Some(b'='),
            ) => 2,
            (b'-', Some(b'>')) => 2,
            (
                b'+' | b'-' | b'*' | b'/' | b'%' | b'&' | b'|' | b'^' | b'=' | b'<' | b'>' | b'!' | b'~'
                | b'(' | b')' | b'[' | b']' | b'{' | b'}' | b',' | b':' | b';' | b'@' | b'?',
                _,
            ) => 1,
            _ => {
                self.at += 1;
                return Kind::Bad(Bad::Char);
            }
        };
        self.at += length;
        Kind::Punct(match (length, next) {
            (1, _) => byte.into(),
            (2, Some(next)) => u32::from(byte) | u32::from(next) << 8,
            (_, next) => u32::from(byte) | u32::from(next.unwrap_or_default()) << 8 | u32::from(b'=') << 16,
        })
    }
}

/// The byte an escape stands for.
pub(super) const fn unescape(escape: u8) -> Option<u8> {
    match escape {
        b'n' => Some(b'\n'),
        b't' => Some(b'\t'),
        b'r' => Some(b'\r'),
        b'b' => Some(0x08),
        b'f' => Some(0x0c),
        b'0' => Some(0),
        b'\\' | b'"' | b'\'' => Some(escape),
        _ => None,
    }
}

fn parse_number(text: &str) -> Kind {
    let bytes = text.as_bytes();
    if let Some((number, direction)) = text.split_at_checked(text.len().saturating_sub(1))
        && matches!(direction, "f" | "b")
        && !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
    {
        return match number.parse() {
            Ok(number) => Kind::Local {
                number,
                forward: direction == "f",
            },
            Err(_) => Kind::Bad(Bad::Large),
        };
    }
    let (digits, base) = match bytes {
        [b'0', b'x' | b'X', digits @ ..] => (digits, 16),
        [b'0', b'b' | b'B', digits @ ..] => (digits, 2),
        [b'0', b'o' | b'O', digits @ ..] => (digits, 8),
        [b'0', digits @ ..] if !digits.is_empty() => (digits, 8),
        digits => (digits, 10),
    };
    let mut value = 0_u64;
    let mut any = false;
    for digit in digits {
        if *digit == b'_' {
            continue;
        }
        let Some(digit) = char::from(*digit).to_digit(base) else {
            let octal = base == 8 && digit.is_ascii_digit();
            return Kind::Bad(if octal { Bad::Octal } else { Bad::Number });
        };
        any = true;
        value = match value
            .checked_mul(base.into())
            .and_then(|value| value.checked_add(digit.into()))
        {
            Some(value) => value,
            None => return Kind::Bad(Bad::Large),
        };
    }
    if any {
        Kind::Number(value)
    } else {
        Kind::Bad(Bad::Number)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::{String, ToString};
    use core::fmt::Write;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let mut lexer = Lexer::new(text);
        let mut found = String::new();
        loop {
            let token = lexer.next();
            let separator = if found.is_empty() { "" } else { " " };
            let shown = match token.kind {
                Kind::End => break,
                Kind::Newline => "NL".to_string(),
                Kind::Number(value) => value.to_string(),
                Kind::Local { number, forward } => {
                    alloc::format!("{number}{}", if forward { ">" } else { "<" })
                }
                Kind::Bad(bad) => alloc::format!("{bad:?}"),
                Kind::Hash => "HASH".to_string(),
                Kind::Name | Kind::Quoted | Kind::Punct(_) => lexer.text(token.span).to_string(),
            };
            write!(found, "{separator}{shown}").expect("a string takes everything");
        }
        assert_eq!(found, expected);
    }

    #[test]
    fn tokens() {
        check("r0 s>>= -0x1f // x", "r0 s >>= - 31");
        check("a.b$c: .Ltmp1 # comment\n1: 1f 2b", "a.b$c : .Ltmp1 NL 1 : 1> 2<");
        check("0b101 0o17 017 1_000 'a' '\\n'", "5 15 15 1000 97 10");
        check("call 6#bpf_x #y", "call 6 HASH bpf_x");
        check("/* a\nb */ x->y \"q\\\"r\"", "x -> y \"q\\\"r\"");
    }

    #[test]
    fn bad_tokens() {
        check("08 0x 12q 99999999999999999999", "Octal Number Number Large");
        check("` \"open\n\"", "Char Unclosed NL Unclosed");
        check("/* open", "Comment");
    }
}
