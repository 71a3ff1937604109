//! Notes that are collected before they are printed.

use alloc::{
    borrow::Cow,
    collections::btree_map::{BTreeMap, Entry},
    string::String,
};

use super::{Annotate, SourceLine, Symbol};

/// What is known about instructions, by the index of their slots: an [`Annotate`] for those who know it beforehand.
///
/// Of several functions, symbols or source lines at one place the first stays; comments stand beside each other.
///
/// ```
/// use bpfld_insn::{Notes, assemble, print};
///
/// let program = assemble("r1 = 0 ll\nr0 = 0\nexit")?;
/// let mut notes = Notes::default();
/// notes.add_function(0, "main");
/// notes.add_symbol(0, "counters", 8);
/// notes.add_comment(2, "nothing to do");
/// let text = print(program.slots()).annotate(&notes).to_string();
/// assert_eq!(text, "main:\n    r1 = counters+8 ll\n    r0 = 0  # nothing to do\n    exit\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Notes<'a> {
    functions: BTreeMap<usize, Cow<'a, str>>,
    symbols: BTreeMap<usize, (Cow<'a, str>, i64)>,
    sources: BTreeMap<usize, SourceLine<'a>>,
    comments: BTreeMap<usize, String>,
}

impl<'a> Notes<'a> {
    /// A function begins at a slot.
    pub fn add_function(&mut self, at: usize, name: impl Into<Cow<'a, str>>) {
        self.functions.entry(at).or_insert_with(|| name.into());
    }

    /// An instruction refers to a symbol, so many bytes from its start.
    pub fn add_symbol(&mut self, at: usize, name: impl Into<Cow<'a, str>>, offset: i64) {
        self.symbols.entry(at).or_insert_with(|| (name.into(), offset));
    }

    /// A source line begins at a slot.
    pub fn add_source(&mut self, at: usize, line: SourceLine<'a>) {
        self.sources.entry(at).or_insert(line);
    }

    /// Something is to be said behind an instruction.
    pub fn add_comment(&mut self, at: usize, text: impl Into<String>) {
        match self.comments.entry(at) {
            Entry::Vacant(entry) => {
                entry.insert(text.into());
            }
            Entry::Occupied(mut entry) => {
                entry.get_mut().push_str("; ");
                entry.get_mut().push_str(&text.into());
            }
        }
    }

    /// The functions in order: the slot where each begins, and its name.
    pub fn functions(&self) -> impl Iterator<Item = (usize, &str)> {
        self.functions.iter().map(|(at, name)| (*at, &**name))
    }
}

impl Annotate for Notes<'_> {
    fn function(&self, at: usize) -> Option<&str> {
        self.functions.get(&at).map(|name| &**name)
    }

    fn symbol(&self, at: usize) -> Option<Symbol<'_>> {
        self.symbols.get(&at).map(|(name, offset)| Symbol {
            name,
            offset: *offset,
        })
    }

    fn source(&self, at: usize) -> Option<SourceLine<'_>> {
        self.sources.get(&at).copied()
    }

    fn comment(&self, at: usize) -> Option<&str> {
        self.comments.get(&at).map(String::as_str)
    }
}
