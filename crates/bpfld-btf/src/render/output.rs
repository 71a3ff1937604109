//! Punctuation: braces, commas, indentation and quotes, for text and JSON.

use core::fmt::{self, Write};

use super::{Form, Layout};

pub(super) struct Output<'a, W> {
    out: &'a mut W,
    form: Form,
    layout: Layout,
    depth: usize,
    /// Whether the structure that is open has no part yet.
    is_empty: bool,
}

impl<'a, W: Write> Output<'a, W> {
    pub(super) fn new(out: &'a mut W, form: Form, layout: Layout) -> Self {
        Self {
            out,
            form,
            layout,
            depth: 0,
            is_empty: true,
        }
    }

    pub(super) fn open(&mut self, bracket: char) -> fmt::Result {
        self.depth += 1;
        self.is_empty = true;
        self.out.write_char(bracket)
    }

    pub(super) fn close(&mut self, bracket: char) -> fmt::Result {
        self.depth -= 1;
        if !self.is_empty {
            self.new_line()?;
        }
        self.is_empty = false;
        self.out.write_char(bracket)
    }

    fn new_line(&mut self) -> fmt::Result {
        if self.layout == Layout::OneLine {
            return Ok(());
        }
        self.out.write_char('\n')?;
        (0..self.depth).try_for_each(|_| self.out.write_str("  "))
    }

    /// Begins the next part of the open structure.
    pub(super) fn next(&mut self) -> fmt::Result {
        if !self.is_empty {
            self.out.write_char(',')?;
            if self.layout == Layout::OneLine {
                self.out.write_char(' ')?;
            }
        }
        self.is_empty = false;
        self.new_line()
    }

    /// Begins the next part of the open structure, with a name.
    pub(super) fn key(&mut self, name: &str) -> fmt::Result {
        self.next()?;
        self.name(name)?;
        self.out.write_str(": ")
    }

    /// A number, or another word that needs no quotes in either form.
    pub(super) fn bare(&mut self, value: impl fmt::Display) -> fmt::Result {
        write!(self.out, "{value}")
    }

    /// A word that needs quotes in JSON only.
    pub(super) fn word(&mut self, value: impl fmt::Display) -> fmt::Result {
        match self.form {
            Form::Json => write!(self.out, "\"{value}\""),
            Form::Text => write!(self.out, "{value}"),
        }
    }

    /// A name, which stands in quotes in JSON only.
    pub(super) fn name(&mut self, name: &str) -> fmt::Result {
        match self.form {
            Form::Json => self.string(name),
            Form::Text => self.out.write_str(name),
        }
    }

    /// Text in quotes.
    pub(super) fn string(&mut self, text: &str) -> fmt::Result {
        self.out.write_char('"')?;
        for c in text.chars() {
            match c {
                '"' => self.out.write_str("\\\"")?,
                '\\' => self.out.write_str("\\\\")?,
                '\n' => self.out.write_str("\\n")?,
                '\r' => self.out.write_str("\\r")?,
                '\t' => self.out.write_str("\\t")?,
                c if c.is_control() && u32::from(c) < 0x10000 => write!(self.out, "\\u{:04x}", u32::from(c))?,
                c => self.out.write_char(c)?,
            }
        }
        self.out.write_char('"')
    }
}
