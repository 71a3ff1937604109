//! Words, texts and punctuation of a value.

use alloc::borrow::Cow;
use alloc::string::String;

use super::{InputError, InputErrorKind};

/// A piece of a text, and where it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: TokenKind<'a>,
    pub(super) at: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TokenKind<'a> {
    /// Letters, digits, `_`, `.`, `+`, `-`: a name or a number.
    Word(&'a str),
    /// What stands between double quotes.
    Text(Cow<'a, str>),
    /// What stands between single quotes.
    Character(char),
    /// One of `{}[]:,`.
    Mark(char),
    End,
}

/// Reads a text from left to right.
#[derive(Debug)]
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The next piece, which stays.
    pub(super) fn peek(&self) -> Result<Token<'a>, InputError> {
        Lexer { ..*self }.next()
    }

    /// The next piece.
    pub(super) fn next(&mut self) -> Result<Token<'a>, InputError> {
        let rest = self.rest().trim_start();
        self.at = self.text.len() - rest.len();
        let at = self.at;
        let Some(first) = rest.chars().next() else {
            return Ok(Token {
                kind: TokenKind::End,
                at,
            });
        };
        let kind = match first {
            '{' | '}' | '[' | ']' | ':' | ',' => {
                self.at += 1;
                TokenKind::Mark(first)
            }
            '"' => {
                self.at += 1;
                TokenKind::Text(self.quoted('"')?)
            }
            '\'' => {
                self.at += 1;
                let text = self.quoted('\'')?;
                let mut characters = text.chars();
                match (characters.next(), characters.next()) {
                    (Some(character), None) => TokenKind::Character(character),
                    _ => return Err(expected("one character between single quotes", at)),
                }
            }
            _ => {
                let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '+' | '-');
                let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                if end == 0 {
                    return Err(expected("a value", at));
                }
                self.at += end;
                TokenKind::Word(rest.get(..end).unwrap_or_default())
            }
        };
        Ok(Token { kind, at })
    }

    /// Passes a mark over.
    pub(super) fn mark(&mut self, mark: char, what: &'static str) -> Result<(), InputError> {
        let token = self.next()?;
        if token.kind == TokenKind::Mark(mark) {
            return Ok(());
        }
        Err(expected(what, token.at))
    }

    /// Fails unless everything was read.
    pub(super) fn end(&mut self) -> Result<(), InputError> {
        let token = self.next()?;
        if token.kind == TokenKind::End {
            return Ok(());
        }
        Err(expected("the end", token.at))
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// What stands before the closing quote; the opening one was read.
    fn quoted(&mut self, quote: char) -> Result<Cow<'a, str>, InputError> {
        let (start, rest) = (self.at, self.rest());
        let plain = rest.find([quote, '\\']).unwrap_or(rest.len());
        let mut text = Cow::Borrowed(rest.get(..plain).unwrap_or_default());
        self.at += plain;
        let mut characters = rest.get(plain..).unwrap_or_default().char_indices();
        while let Some((index, character)) = characters.next() {
            if character == quote {
                self.at = start + plain + index + 1;
                return Ok(text);
            }
            let character = match character {
                '\\' => match characters.next() {
                    Some((_, 'n')) => '\n',
                    Some((_, 'r')) => '\r',
                    Some((_, 't')) => '\t',
                    Some((_, '0')) => '\0',
                    Some((_, same @ ('\\' | '"' | '\'' | '/'))) => same,
                    Some((_, 'u')) => {
                        let digits: String = characters.by_ref().take(4).map(|(_, c)| c).collect();
                        let number = u32::from_str_radix(&digits, 16).ok();
                        number.and_then(char::from_u32).ok_or_else(|| {
                            expected("four hexadecimal digits of a character", start + plain + index)
                        })?
                    }
                    _ => {
                        return Err(expected(
                            "an escape: \\n \\r \\t \\0 \\\\ \\\" \\' \\u",
                            start + plain + index,
                        ));
                    }
                },
                other => other,
            };
            text.to_mut().push(character);
        }
        Err(expected("the closing quote", self.text.len()))
    }
}

pub(super) fn expected(what: &'static str, at: usize) -> InputError {
    InputError::new(InputErrorKind::Expected(what), at)
}
