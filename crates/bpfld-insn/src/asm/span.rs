//! Places in a text.

use core::ops::Range;

/// A range of bytes in the assembled text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// Index of the first byte.
    pub start: u32,
    /// Index after the last byte.
    pub end: u32,
}

impl Span {
    /// From two indices; those beyond 4 GiB, which the assembler refuses, become that.
    pub(super) fn new(start: usize, end: usize) -> Self {
        let clip = |at| u32::try_from(at).unwrap_or(u32::MAX);
        Self {
            start: clip(start),
            end: clip(end),
        }
    }

    /// The indices, for slicing the text.
    #[must_use]
    pub const fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// From the start of this to the end of the other.
    #[must_use]
    pub const fn to(self, end: Self) -> Self {
        Self {
            start: self.start,
            end: if end.end > self.start { end.end } else { self.start },
        }
    }

    /// Line and column, both from 1, of the start; the column counts characters.
    ///
    /// ```
    /// use bpfld_insn::asm::Span;
    ///
    /// assert_eq!(Span { start: 5, end: 6 }.line_column("ab\ncd\n"), (2, 3));
    /// ```
    #[must_use]
    pub fn line_column(self, text: &str) -> (usize, usize) {
        let before = text
            .as_bytes()
            .get(..self.start as usize)
            .unwrap_or(text.as_bytes());
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let line_start = before
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        let head = before.get(line_start..).unwrap_or_default();
        // bytes that continue a character do not count
        (line, head.iter().filter(|byte| **byte & 0xc0 != 0x80).count() + 1)
    }
}
