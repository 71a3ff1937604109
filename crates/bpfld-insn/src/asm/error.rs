//! Errors of the assembler: data with places, and a way to show them.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::span::Span;

/// Something wrong in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diagnostic {
    /// Where.
    pub span: Span,
    /// What is wrong.
    pub message: Cow<'static, str>,
    /// What may help: another spelling, another instruction.
    pub help: Option<Cow<'static, str>>,
    /// Another place that matters, and why.
    pub other: Option<(Span, Cow<'static, str>)>,
}

impl Diagnostic {
    /// An error at a place. It is boxed because it is large and rare; others who read assemblies, and find mistakes that
    /// the assembler cannot see, make theirs here.
    #[must_use]
    pub fn new(span: Span, message: impl Into<Cow<'static, str>>) -> Box<Self> {
        Box::new(Self {
            span,
            message: message.into(),
            help: None,
            other: None,
        })
    }

    /// Adds what may help.
    #[must_use]
    pub fn help(mut self: Box<Self>, help: impl Into<Cow<'static, str>>) -> Box<Self> {
        self.help = Some(help.into());
        self
    }

    /// Suggests the candidate that is spelled most like a word, if there is one near enough.
    #[must_use]
    pub fn did_you_mean<'a>(
        self: Box<Self>,
        word: &str,
        candidates: impl IntoIterator<Item = &'a str>,
    ) -> Box<Self> {
        let near = nearest(word, candidates).map(|near| format!("did you mean `{near}`?"));
        self.maybe_help(near)
    }

    pub(super) fn maybe_help(mut self: Box<Self>, help: Option<String>) -> Box<Self> {
        self.help = help.map(Cow::Owned).or(self.help);
        self
    }

    /// Adds another place that matters.
    #[must_use]
    pub fn other(mut self: Box<Self>, span: Span, why: &'static str) -> Box<Self> {
        self.other = Some((span, Cow::Borrowed(why)));
        self
    }

    /// Shows it with the line it is about, as compilers do. `name` is what the text is called.
    ///
    /// ```
    /// use bpfld_insn::assemble;
    ///
    /// let text = "r0 = 1\nr0 =+ r1\nexit\n";
    /// let errors = assemble(text).unwrap_err();
    /// assert_eq!(
    ///     errors.diagnostics()[0].render(text, "drop.s").to_string(),
    ///     "\
    /// error: expected a number or a constant
    ///  --> drop.s:2:7
    ///   |
    /// 2 | r0 =+ r1
    ///   |       ^^
    /// "
    /// );
    /// ```
    #[must_use]
    pub fn render<'a>(&'a self, text: &'a str, name: &'a str) -> impl fmt::Display + 'a {
        Rendered {
            diagnostic: self,
            text,
            name,
            severity: "error",
        }
    }

    /// Like [`Diagnostic::render`], for a warning.
    #[must_use]
    pub fn render_warning<'a>(&'a self, text: &'a str, name: &'a str) -> impl fmt::Display + 'a {
        Rendered {
            diagnostic: self,
            text,
            name,
            severity: "warning",
        }
    }
}

/// Without the text: the message only.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl core::error::Error for Diagnostic {}

/// All that is wrong in a text, in the order of the text.
///
/// `{}` prints one line: the first mistake, where it is, and how many more there are. So does `{:?}`, with what may help: that is seen
/// of errors that leave `main` or are unwrapped.
#[derive(Clone, PartialEq, Eq)]
pub struct Errors {
    pub(super) list: Vec<Diagnostic>,
    pub(super) left_out: usize,
    pub(super) first: (usize, usize),
}

impl Errors {
    /// More errors than this are counted, but not kept.
    pub const LIMIT: usize = 1000;

    pub(super) fn new(mut list: Vec<Diagnostic>, left_out: usize, text: &str) -> Self {
        list.sort_by_key(|diagnostic| diagnostic.span);
        let first = list
            .first()
            .map_or((1, 1), |diagnostic| diagnostic.span.line_column(text));
        Self {
            list,
            left_out,
            first,
        }
    }

    /// Errors found by others in this text, in the order of the text; `None` if there are none.
    #[must_use]
    pub fn from_list(mut list: Vec<Diagnostic>, text: &str) -> Option<Self> {
        let left_out = list.len().saturating_sub(Self::LIMIT);
        list.truncate(Self::LIMIT);
        (!list.is_empty()).then(|| Self::new(list, left_out, text))
    }

    /// The errors; at least one.
    #[must_use]
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.list
    }

    /// How many more there were.
    #[must_use]
    pub const fn left_out(&self) -> usize {
        self.left_out
    }

    /// Shows all of them with the lines they are about. `name` is what the text is called.
    #[must_use]
    pub fn render<'a>(&'a self, text: &'a str, name: &'a str) -> impl fmt::Display + 'a {
        fmt::from_fn(move |f| {
            for (nth, diagnostic) in self.list.iter().enumerate() {
                if nth != 0 {
                    f.write_str("\n")?;
                }
                write!(f, "{}", diagnostic.render(text, name))?;
            }
            if self.left_out != 0 {
                writeln!(f, "\n{} more errors", self.left_out)?;
            }
            Ok(())
        })
    }
}

impl fmt::Debug for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        match self.list.first().and_then(|first| first.help.as_deref()) {
            Some(help) => write!(f, ": {help}"),
            None => Ok(()),
        }
    }
}

/// One line: the first error with its place, and how many more there are.
impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.first;
        let message = self
            .list
            .first()
            .map_or("no error", |diagnostic| &diagnostic.message);
        write!(f, "line {line}, column {column}: {message}")?;
        match self.list.len() + self.left_out {
            0 | 1 => Ok(()),
            count => write!(f, " (and {} more)", count - 1),
        }
    }
}

impl core::error::Error for Errors {}

struct Rendered<'a> {
    diagnostic: &'a Diagnostic,
    text: &'a str,
    name: &'a str,
    severity: &'a str,
}

impl fmt::Display for Rendered<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            diagnostic,
            text,
            name,
            severity,
        } = self;
        let Diagnostic {
            span,
            message,
            help,
            other,
        } = diagnostic;
        let (line, column) = span.line_column(text);
        let other = other
            .as_ref()
            .map(|(span, why)| (*span, why, span.line_column(text)));
        let widest = other.map_or(line, |(_, _, (other, _))| other.max(line));
        let margin = widest.checked_ilog10().unwrap_or(0) as usize + 1;
        writeln!(f, "{severity}: {message}")?;
        writeln!(f, "{:margin$}--> {name}:{line}:{column}", "")?;
        writeln!(f, "{:margin$} |", "")?;
        let own = (line, *span, column, '^', "");
        let mut places = [
            Some(own),
            other.map(|(span, why, (line, column))| (line, span, column, '-', &**why)),
        ];
        places.sort_by_key(|place| place.map_or(usize::MAX, |(line, ..)| line));
        for (line, span, column, mark, why) in places.into_iter().flatten() {
            snippet(f, self.text, margin, (line, column), span, mark, why)?;
        }
        if let Some(help) = help {
            writeln!(f, "{:margin$} = help: {help}", "")?;
        }
        Ok(())
    }
}

/// One line of the text, with marks below.
fn snippet(
    f: &mut fmt::Formatter<'_>,
    text: &str,
    margin: usize,
    (line, column): (usize, usize),
    span: Span,
    mark: char,
    why: &str,
) -> fmt::Result {
    let full = text.lines().nth(line - 1).unwrap_or_default();
    let marked = text
        .get(span.range())
        .unwrap_or_default()
        .split('\n')
        .next()
        .unwrap_or_default();
    // a line of a megabyte helps nobody
    const WIDTH: usize = 160;
    let skipped = if column > WIDTH { column - WIDTH / 2 } else { 0 };
    write!(f, "{line:margin$} | ")?;
    for char in full.chars().skip(skipped).take(WIDTH) {
        write!(f, "{}", if char.is_control() { ' ' } else { char })?;
    }
    let marks = marked.chars().count().clamp(1, WIDTH);
    write!(
        f,
        "\n{:margin$} | {:indent$}",
        "",
        "",
        indent = column - 1 - skipped
    )?;
    for _ in 0..marks {
        write!(f, "{mark}")?;
    }
    match why {
        "" => writeln!(f),
        why => writeln!(f, " {why}"),
    }
}

/// The candidate that is spelled most like the word, if it is near enough to be meant.
pub(super) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = match word.len() {
        0..=1 => return None,
        2..=3 => 1,
        4..=8 => 2,
        _ => 3,
    };
    let mut best = None;
    for candidate in candidates {
        if candidate.len().abs_diff(word.len()) <= allowed
            && let Some(distance) = distance(word.as_bytes(), candidate.as_bytes())
            && distance <= allowed
            && best.is_none_or(|(least, _)| distance < least)
        {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Insertions, deletions, replacements and swaps of neighbours between two words; `None` for long ones.
fn distance(a: &[u8], b: &[u8]) -> Option<usize> {
    const LONGEST: usize = 64;
    if a.len() >= LONGEST || b.len() >= LONGEST {
        return None;
    }
    // three rows of the table of distances of all prefixes
    let mut rows = [[0_usize; LONGEST]; 3];
    let [before, above, here] = &mut rows;
    for (at, cell) in above.iter_mut().enumerate() {
        *cell = at;
    }
    let mut last = None;
    for (row, byte) in a.iter().enumerate() {
        here[0] = row + 1;
        for (column, other) in b.iter().enumerate() {
            let replaced = above[column] + usize::from(!byte.eq_ignore_ascii_case(other));
            let mut least = replaced.min(above[column + 1] + 1).min(here[column] + 1);
            if let (Some(last), Some(left)) = (last, column.checked_sub(1))
                && b.get(left) == Some(byte)
                && last == other
            {
                least = least.min(before[left] + 1);
            }
            here[column + 1] = least;
        }
        last = Some(byte);
        core::mem::swap(before, above);
        core::mem::swap(above, here);
    }
    above.get(b.len()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unwrapped_it_tells_the_first_mistake() {
        let errors = crate::assemble("exit\nmvo r0, 1\neixt").unwrap_err();
        let expected = "line 2, column 1: unknown instruction `mvo` (and 1 more): did you mean `mov`?";
        assert_eq!(format!("{errors:?}"), expected);
    }

    #[test]
    fn distances() {
        let check = |a: &str, b: &str, expected| {
            assert_eq!(distance(a.as_bytes(), b.as_bytes()), Some(expected), "{a} {b}")
        };
        check("mov", "mov", 0);
        check("mvo", "mov", 1);
        check("exti", "exit", 1);
        check("got", "goto", 1);
        check("kitten", "sitting", 3);
        check("", "ab", 2);
    }

    #[test]
    fn nearest_words() {
        assert_eq!(nearest("exti", ["goto", "exit", "call"]), Some("exit"));
        assert_eq!(nearest("zzzz", ["goto", "exit", "call"]), None);
        assert_eq!(nearest("x", ["y"]), None);
    }
}
