//! Listings of whole programs: labels, raw bytes, names and source lines.

use core::fmt::{self, Write};

use super::Dialect;
use super::annotate::Annotate;
use super::marks::Marks;
use super::text::{Refer, Style, name_text, signed, unsigned};
use crate::decode::DecodeError;
use crate::insn::Insn;
use crate::slot::{Endian, Slot};

/// Prints a program, in LLVM's dialect and with labels unless told otherwise.
///
/// What does not decode is printed as `.insn` with its fields and the reason, so that assembling the text always gives
/// the same slots.
///
/// ```
/// use bpfld_insn::{Dialect, Slot, print};
///
/// let slots = [Slot::new(0x15, 1, 0, 1, 0), Slot::new(0xb7, 0, 0, 0, 1), Slot::new(0x95, 0, 0, 0, 0)];
/// assert_eq!(print(&slots).to_string(), "    if r1 == 0 goto L1\n    r0 = 1\nL1:\n    exit\n");
///
/// let xlated = print(&slots).dialect(Dialect::Kernel).labels(false).indices(true);
/// assert_eq!(xlated.to_string(), "   0: (15) if r1 == 0x0 goto pc+1\n   1: (b7) r0 = 1\n   2: (95) exit\n");
/// ```
#[must_use]
pub fn print(slots: &[Slot]) -> Printer<'_> {
    Printer {
        slots,
        dialect: Dialect::Llvm,
        style: Style {
            hex: false,
            helper_names: true,
            map_ids: false,
        },
        labels: true,
        labelled: 0,
        indices: false,
        raw: None,
        dump: false,
        notes: None,
    }
}

/// A program to be printed, and how. Made by [`print`]; printed by `Display` or [`Printer::write`].
#[derive(Clone, Copy)]
pub struct Printer<'a> {
    slots: &'a [Slot],
    dialect: Dialect,
    style: Style,
    labels: bool,
    labelled: u32,
    indices: bool,
    raw: Option<Endian>,
    dump: bool,
    notes: Option<&'a dyn Annotate>,
}

impl fmt::Debug for Printer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Printer")
            .field("dialect", &self.dialect)
            .field("slots", &self.slots.len())
            .finish_non_exhaustive()
    }
}

impl<'a> Printer<'a> {
    /// Prints in this dialect.
    #[must_use]
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect;
        self
    }

    /// Whether targets of jumps and calls get labels, or jumps say distances.
    #[must_use]
    pub fn labels(mut self, labels: bool) -> Self {
        self.labels = labels;
        self
    }

    /// Labels are numbered from 1 unless this many are in use already: by other functions or sections of the same text.
    #[must_use]
    pub fn labels_after(mut self, count: u32) -> Self {
        self.labelled = count;
        self
    }

    /// Whether each line begins with the index of the slot.
    #[must_use]
    pub fn indices(mut self, indices: bool) -> Self {
        self.indices = indices;
        self
    }

    /// Shows the encoded bytes in this order before each instruction.
    #[must_use]
    pub fn raw(mut self, endian: Endian) -> Self {
        self.raw = Some(endian);
        self
    }

    /// Whether LLVM's dialect writes numbers in base 16, as `llvm-objdump` does by default.
    #[must_use]
    pub fn hex(mut self, hex: bool) -> Self {
        self.style.hex = hex;
        self
    }

    /// Whether helpers have names in the dialects where they traditionally are numbers; on unless said otherwise.
    #[must_use]
    pub fn helper_names(mut self, names: bool) -> Self {
        self.style.helper_names = names;
        self
    }

    /// Says that this is a dump from the kernel: internal instructions are printed as such, and numbers of maps are ids.
    #[must_use]
    pub fn dump(mut self) -> Self {
        self.dump = true;
        self.style.map_ids = true;
        self
    }

    /// Adds names, source lines and comments.
    #[must_use]
    pub fn annotate(mut self, notes: &'a dyn Annotate) -> Self {
        self.notes = Some(notes);
        self
    }

    /// Prints into a writer.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    pub fn write<W: Write + ?Sized>(&self, out: &mut W) -> fmt::Result {
        let marks = self.marks();
        let mut at = 0;
        while let Some(rest) = self.slots.get(at..).filter(|rest| !rest.is_empty()) {
            self.heading(out, at, &marks)?;
            let insn = self.decode(rest);
            let width = insn.map_or(1, Insn::width);
            self.margin(out, at, rest.get(..width).unwrap_or(rest))?;
            match insn {
                Ok(insn) => self
                    .dialect
                    .write(out, insn, self.refer(at, insn, &marks), self.style)?,
                Err(error) => undecoded(out, error)?,
            }
            if let Some(comment) = self.notes.and_then(|notes| notes.comment(at)) {
                out.write_str("  # ")?;
                one_line(out, comment)?;
            }
            out.write_char('\n')?;
            at += width;
        }
        self.heading(out, at, &marks)
    }

    /// What stands on lines of their own before a slot: the name of a function, a label, a line of the source.
    fn heading<W: Write + ?Sized>(&self, out: &mut W, at: usize, marks: &Marks) -> fmt::Result {
        if let Some(name) = self.function(at) {
            name_text(out, name)?;
            out.write_str(":\n")?;
        } else if let Some((kind, number)) = marks.label(at) {
            out.write_char(kind)?;
            unsigned(out, number as u64, false)?;
            out.write_str(":\n")?;
        }
        if let Some(source) = self.notes.and_then(|notes| notes.source(at)) {
            out.write_str("; ")?;
            one_line(out, source.text)?;
            if !source.file.is_empty() {
                out.write_str(" @ ")?;
                one_line(out, source.file)?;
                out.write_char(':')?;
                unsigned(out, source.line.into(), false)?;
            }
            out.write_char('\n')?;
        }
        Ok(())
    }

    /// What stands on the same line before an instruction: its index, its bytes, or blanks.
    fn margin<W: Write + ?Sized>(&self, out: &mut W, at: usize, slots: &[Slot]) -> fmt::Result {
        if self.indices {
            let digits = at.checked_ilog10().unwrap_or(0) as usize + 1;
            for _ in digits..4 {
                out.write_char(' ')?;
            }
            unsigned(out, at as u64, false)?;
            out.write_str(": ")?;
        } else if self.labels || self.notes.is_some() {
            out.write_str("    ")?;
        }
        let Some(endian) = self.raw else { return Ok(()) };
        for slot in slots {
            for byte in slot.to_bytes(endian) {
                const DIGITS: &[u8; 16] = b"0123456789abcdef";
                out.write_char(DIGITS[usize::from(byte >> 4)].into())?;
                out.write_char(DIGITS[usize::from(byte & 0xf)].into())?;
                out.write_char(' ')?;
            }
        }
        out.write_str("  ")
    }

    #[inline(always)]
    fn decode(&self, slots: &[Slot]) -> Result<Insn, DecodeError> {
        if self.dump {
            Insn::decode_dump(slots)
        } else {
            Insn::decode(slots)
        }
    }

    fn marks(&self) -> Marks {
        if !self.labels && self.notes.is_none() {
            return Marks::default();
        }
        // what a relocation will fill in leads nowhere yet
        let is_named = |at| self.notes.is_some_and(|notes| notes.symbol(at).is_some());
        let leads = |at| self.labels && !is_named(at);
        Marks::of(self.slots, |slots| self.decode(slots), leads, self.labelled)
    }

    fn function(&self, at: usize) -> Option<&'a str> {
        self.notes.and_then(|notes| notes.function(at))
    }

    /// What an instruction refers to.
    fn refer(&self, at: usize, insn: Insn, marks: &Marks) -> Refer<'a> {
        if let Some(symbol) = self.notes.and_then(|notes| notes.symbol(at)) {
            return Refer::Symbol(symbol.name, symbol.offset);
        }
        if let Insn::CallKfunc { btf_id, module } = insn {
            let name = self.notes.and_then(|notes| notes.kernel_function(btf_id, module));
            // elsewhere a name alone would lose the number
            return match name.filter(|_| self.dialect == Dialect::Kernel) {
                Some(name) => Refer::Symbol(name, 0),
                None => Refer::Number,
            };
        }
        let target = insn.lead().and_then(|lead| lead.slot(at));
        let Some(target) = target.filter(|target| *target <= self.slots.len()) else {
            return Refer::Number;
        };
        match (self.function(target), marks.label(target)) {
            (Some(name), _) if marks.starts(target) => Refer::Symbol(name, 0),
            (_, Some((kind, number))) => Refer::Label(kind, number),
            _ => Refer::Number,
        }
    }
}

impl fmt::Display for Printer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f)
    }
}

fn undecoded<W: Write + ?Sized>(out: &mut W, error: DecodeError) -> fmt::Result {
    let DecodeError { slot, .. } = error;
    out.write_str(".insn ")?;
    unsigned(out, slot.opcode.into(), true)?;
    for value in [slot.dst().into(), slot.src().into(), slot.offset.into(), slot.imm] {
        out.write_str(", ")?;
        signed(out, value.into(), false)?;
    }
    write!(out, "  # {error}")
}

/// Text of others, up to the end of its line, with blanks for what could move the cursor.
fn one_line<W: Write + ?Sized>(out: &mut W, text: &str) -> fmt::Result {
    let line = text.trim_start().split(['\n', '\r']).next().unwrap_or_default();
    for (nth, part) in line.trim_end().split(char::is_control).enumerate() {
        out.write_str(if nth == 0 { "" } else { " " })?;
        out.write_str(part)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;
    use crate::print::{SourceLine, Symbol};

    struct Notes;

    impl Annotate for Notes {
        fn function(&self, at: usize) -> Option<&str> {
            match at {
                0 => Some("main"),
                6 => Some("r1"),
                _ => None,
            }
        }

        fn symbol(&self, at: usize) -> Option<Symbol<'_>> {
            (at == 0).then_some(Symbol {
                name: ".rodata",
                offset: 8,
            })
        }

        fn source(&self, at: usize) -> Option<SourceLine<'_>> {
            (at == 2).then_some(SourceLine {
                file: "a.c",
                line: 3,
                text: "\tif (x)\n",
            })
        }

        fn comment(&self, at: usize) -> Option<&str> {
            (at == 4).then_some("far")
        }
    }

    fn program() -> [Slot; 8] {
        [
            Slot::new(0x18, 1, 0, 0, 0),
            Slot::default(),
            Slot::new(0x15, 1, 0, 2, -1),
            Slot::new(0x85, 0, 1, 0, 2),
            Slot::new(0x05, 0, 0, 300, 0),
            Slot::new(0x95, 0, 0, 0, 0),
            Slot::new(0xff, 1, 2, 3, 4),
            Slot::new(0x95, 0, 0, 0, 0),
        ]
    }

    #[track_caller]
    fn check(printer: Printer<'_>, expected: &str) {
        assert_eq!(printer.to_string(), expected);
    }

    #[test]
    fn names_lines_labels_and_the_undecodable() {
        let slots = program();
        check(
            print(&slots).annotate(&Notes),
            "main:\n    r1 = .rodata+8 ll\n; if (x) @ a.c:3\n    if r1 == -1 goto L1\n    call \"r1\"\n    goto +300  # far\nL1:\n    \
             exit\n\"r1\":\n    .insn 0xff, 1, 2, 3, 4  # no instruction has opcode 0xff\n    exit\n",
        );
    }

    #[test]
    fn indices_and_bytes() {
        let slots = program();
        check(
            print(slots.get(..3).unwrap_or_default())
                .labels(false)
                .indices(true)
                .raw(Endian::Little),
            "   0: 18 01 00 00 00 00 00 00 00 00 00 00 00 00 00 00   r1 = 0 ll\n   2: 15 01 02 00 ff ff ff ff   if r1 == -1 goto \
             +2\n",
        );
    }

    #[test]
    fn targets_inside_a_wide_load_stay_numbers() {
        let slots = [
            Slot::new(0x05, 0, 0, 1, 0),
            Slot::new(0x18, 1, 0, 0, 0),
            Slot::default(),
        ];
        check(print(&slots), "    goto +1\n    r1 = 0 ll\n");
    }
}
