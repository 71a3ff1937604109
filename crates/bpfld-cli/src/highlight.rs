//! Colours for assembly.

use std::env;
use std::fmt::{self, Write};

use clap::ValueEnum;

/// When to use colours.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless the environment has NO_COLOR
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl Color {
    /// Whether colours are wanted for output that goes to a terminal or not.
    pub(crate) fn is_wanted(self, is_terminal: bool) -> bool {
        match self {
            Color::Auto => is_terminal && is_allowed(),
            Color::Always => true,
            Color::Never => false,
        }
    }
}

/// Whether the environment leaves colours to us: <https://no-color.org>.
pub(crate) fn is_allowed() -> bool {
    env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

const DIM: &str = "\x1b[2m";
const LABEL: &str = "\x1b[1;33m";
const DIRECTIVE: &str = "\x1b[36m";
const JUMP: &str = "\x1b[35m";
const CALL: &str = "\x1b[32m";
const OFF: &str = "\x1b[0m";

/// A text with colours: comments and source lines dim, labels, directives, jumps and calls each in their own.
pub(crate) fn highlight(text: &str) -> impl fmt::Display {
    fmt::from_fn(move |f| {
        for line in text.split_inclusive('\n') {
            let (line, end) = match line.strip_suffix('\n') {
                Some(line) => (line, "\n"),
                None => (line, ""),
            };
            self::line(f, line)?;
            f.write_str(end)?;
        }
        Ok(())
    })
}

fn line(f: &mut fmt::Formatter<'_>, line: &str) -> fmt::Result {
    let (code, comment) = match line.find("  # ") {
        Some(at) => line.split_at(at),
        None => (line, ""),
    };
    let start = code.trim_start();
    if start.starts_with([';', '#']) {
        write!(f, "{DIM}{code}{OFF}")?;
    } else if start.ends_with(':') {
        write!(f, "{LABEL}{code}{OFF}")?;
    } else if start.starts_with('.') {
        let end = start.find(' ').unwrap_or(start.len());
        let (word, rest) = start.split_at(end);
        let margin = code.len() - start.len();
        write!(f, "{:margin$}{DIRECTIVE}{word}{OFF}{rest}", "")?;
    } else {
        words(f, code)?;
    }
    if !comment.is_empty() {
        write!(f, "{DIM}{comment}{OFF}")?;
    }
    Ok(())
}

fn words(f: &mut fmt::Formatter<'_>, code: &str) -> fmt::Result {
    for word in code.split_inclusive(' ') {
        let color = match word.trim_end() {
            "goto" | "gotol" | "gotox" | "may_goto" | "if" | "exit" | "ja" => JUMP,
            "call" | "callx" => CALL,
            _ => {
                f.write_str(word)?;
                continue;
            }
        };
        write!(f, "{color}{}{OFF}", word.trim_end())?;
        if word.ends_with(' ') {
            f.write_char(' ')?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let colored = highlight(text).to_string();
        let plain = [DIM, LABEL, DIRECTIVE, JUMP, CALL, OFF]
            .iter()
            .fold(colored.clone(), |text, code| text.replace(code, ""));
        assert_eq!(plain, text, "only colours are added");
        let names = [
            (DIM, "<dim>"),
            (LABEL, "<label>"),
            (DIRECTIVE, "<dir>"),
            (JUMP, "<jump>"),
            (CALL, "<call>"),
            (OFF, "<>"),
        ];
        let named = names
            .iter()
            .fold(colored, |text, (code, name)| text.replace(code, name));
        assert_eq!(named, expected);
    }

    #[test]
    fn lines() {
        check("main:\n", "<label>main:<>\n");
        check("    exit", "    <jump>exit<>");
        check("; int x = 3; @ a.c:3\n", "<dim>; int x = 3; @ a.c:3<>\n");
        check("    .byte 0x01\n", "    <dir>.byte<> 0x01\n");
        check(
            "    if r1 == 0 goto L1  # far\n",
            "    <jump>if<> r1 == 0 <jump>goto<> L1<dim>  # far<>\n",
        );
        check("    call bpf_loop\n\n", "    <call>call<> bpf_loop\n\n");
    }
}
