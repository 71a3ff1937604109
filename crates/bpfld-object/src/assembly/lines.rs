//! The lines of a text, found by place.

use alloc::vec::Vec;

use bpfld_insn::asm::Span;

/// A text cut into lines once.
#[derive(Debug)]
pub(super) struct Lines<'a> {
    /// Where each line begins, and what it is.
    lines: Vec<(usize, &'a str)>,
}

/// A place in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// The line without blanks around it.
    pub(super) text: &'a str,
    /// Its number, from 1.
    pub(super) line: usize,
    /// The column, from 1, in bytes as compilers count.
    pub(super) column: usize,
}

impl<'a> Lines<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let mut start = 0;
        let lines = text.split('\n').map(|line| {
            let begin = start;
            start += line.len() + 1;
            (begin, line)
        });
        Self {
            lines: lines.collect(),
        }
    }

    /// The line in which a span begins.
    pub(super) fn of(&self, span: Span) -> Line<'a> {
        let at = span.start as usize;
        let line = self.lines.partition_point(|(begin, _)| *begin <= at);
        let (begin, text) = line
            .checked_sub(1)
            .and_then(|index| self.lines.get(index).copied())
            .unwrap_or_default();
        Line {
            text: text.trim(),
            line,
            column: at - begin + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        let lines = Lines::new("a\n\n  b c\n");
        let of = |start| {
            let Line { text, line, column } = lines.of(Span { start, end: start });
            (text, line, column)
        };
        assert_eq!(of(0), ("a", 1, 1));
        assert_eq!(of(2), ("", 2, 1));
        assert_eq!(of(5), ("b c", 3, 3));
        assert_eq!(of(9), ("", 4, 1));
    }
}
