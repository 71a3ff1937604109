//! From Rust's tokens back to text, with a record of which token is where.

use proc_macro::{Delimiter, Group, Literal, Spacing, Span, TokenStream, TokenTree};

/// The text, and where its parts come from.
#[derive(Default)]
pub(crate) struct Text {
    pub(crate) text: String,
    /// Start, end and origin of each piece, in order.
    pieces: Vec<(usize, usize, Span)>,
    /// Expressions of Rust, in order. The text has a number for each.
    pub(crate) expressions: Vec<Group>,
    /// Where the numbers for the expressions are in the text.
    pub(crate) holes: Vec<std::ops::Range<usize>>,
    /// The end of the last token.
    last: Option<(usize, usize)>,
    joint: bool,
}

/// How long a placeholder is: all numbers that are tried have as many digits.
pub(crate) const HOLE: &str = "1000";

impl Text {
    pub(crate) fn of(input: TokenStream) -> Self {
        let mut text = Self::default();
        let tokens: Vec<TokenTree> = input.into_iter().collect();
        let mut literals = Vec::new();
        for token in &tokens {
            match token {
                TokenTree::Literal(literal) => literals.push(string(literal)),
                TokenTree::Punct(punct) if punct.as_char() == ',' => {}
                _ => literals.push(None),
            }
        }
        if !literals.is_empty() && literals.iter().all(Option::is_some) {
            // nothing but string literals: they are the lines
            for token in tokens {
                if let TokenTree::Literal(literal) = &token {
                    text.piece(&string(literal).unwrap_or_default(), literal.span());
                    text.text.push('\n');
                }
            }
        } else {
            text.tokens(tokens);
        }
        text
    }

    fn piece(&mut self, piece: &str, span: Span) {
        let start = self.text.len();
        self.text.push_str(piece);
        self.pieces.push((start, self.text.len(), span));
    }

    /// Appends a token, with the line end or blank that stood before it.
    fn token(&mut self, piece: &str, start: Span, end: Span, joint: bool) {
        let (line, column) = (start.line(), start.column());
        match self.last {
            Some((last_line, _)) if last_line < line => self.text.push('\n'),
            Some(last) if last == (line, column) || self.joint => {}
            Some(_) => self.text.push(' '),
            None => {}
        }
        self.piece(piece, start);
        let end = end.end();
        self.last = Some((end.line(), end.column()));
        self.joint = joint;
    }

    fn tokens(&mut self, tokens: Vec<TokenTree>) {
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => self.token(&ident.to_string(), ident.span(), ident.span(), false),
                TokenTree::Literal(literal) => {
                    self.token(&literal.to_string(), literal.span(), literal.span(), false)
                }
                TokenTree::Punct(punct) => {
                    let joint = punct.spacing() == Spacing::Joint;
                    self.token(&punct.as_char().to_string(), punct.span(), punct.span(), joint);
                }
                TokenTree::Group(group) => self.group(group),
            }
        }
    }

    fn group(&mut self, group: Group) {
        let (open, close) = match group.delimiter() {
            Delimiter::Parenthesis => ("(", ")"),
            Delimiter::Bracket => ("[", "]"),
            Delimiter::None => ("", ""),
            Delimiter::Brace => {
                self.token(HOLE, group.span_open(), group.span_close(), false);
                let end = self.text.len();
                self.holes.push(end - HOLE.len()..end);
                self.expressions.push(group);
                return;
            }
        };
        if !open.is_empty() {
            self.token(open, group.span_open(), group.span_open(), false);
        }
        self.tokens(group.stream().into_iter().collect());
        if !close.is_empty() {
            self.token(close, group.span_close(), group.span_close(), false);
        }
    }

    /// The first and last token of a range of the text.
    pub(crate) fn spans(&self, range: std::ops::Range<usize>) -> (Span, Span) {
        let mut found = self
            .pieces
            .iter()
            .filter(|(start, end, _)| *start < range.end.max(range.start + 1) && *end > range.start);
        let first = found
            .next()
            .or(self.pieces.last())
            .map_or_else(Span::call_site, |piece| piece.2);
        let last = found.next_back().map_or(first, |piece| piece.2);
        (first, last)
    }

    /// Are the pieces string literals, inside of which the compiler shows no places?
    pub(crate) fn is_coarse(&self) -> bool {
        self.last.is_none()
    }
}

/// The value of a string literal.
fn string(literal: &Literal) -> Option<String> {
    let source = literal.to_string();
    if let Some(raw) = source.strip_prefix('r') {
        let hashes = raw.bytes().take_while(|byte| *byte == b'#').count();
        return Some(
            raw.get(hashes + 1..raw.len().checked_sub(hashes + 1)?)?
                .to_owned(),
        );
    }
    let inner = source.strip_prefix('"')?.strip_suffix('"')?;
    let mut value = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => match chars.next()? {
                'n' => value.push('\n'),
                't' => value.push('\t'),
                'r' => value.push('\r'),
                '0' => value.push('\0'),
                '\n' => {
                    let rest = chars.as_str().trim_start();
                    chars = rest.chars();
                }
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    Some(value)
}
