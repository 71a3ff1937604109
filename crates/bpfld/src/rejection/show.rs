//! A rejection as compilers show their errors.

use std::{collections::BTreeSet, fmt};

use super::{RegisterState, Rejection};

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)?;
        let width = self.margin();
        self.source_lines(f, width)?;
        if let Some(insn) = &self.insn {
            let bar = if self.lines.is_empty() { "=" } else { "|" };
            write!(f, "\n{:width$} {bar} insn {}", "", insn.index)?;
            if !insn.text.is_empty() {
                write!(f, ": {}", insn.text)?;
            }
        }
        if let Some(function) = &self.function {
            write!(
                f,
                "\n{:width$} = in function {function}, which is checked by itself",
                ""
            )?;
        }
        for call in self.calls.iter().rev() {
            write!(f, "\n{:width$} = called at insn {call}", "")?;
        }
        for RegisterState { name, frame, state } in self.relevant(f.alternate()) {
            let of = if *frame == 0 || !f.alternate() {
                String::new()
            } else {
                format!(" of frame {frame}")
            };
            write!(f, "\n{:width$} = {name}{of} is {state}", "")?;
        }
        match self.suggestion() {
            Some(help) => write!(f, "\n{:width$} = help: {help}", ""),
            None => Ok(()),
        }
    }
}

impl Rejection {
    /// Characters of the largest line number.
    fn margin(&self) -> usize {
        let numbers = self.lines.iter().filter_map(|line| line.place.as_ref());
        numbers
            .map(|(_, number)| number.to_string().len())
            .max()
            .unwrap_or(2)
            .max(2)
    }

    /// The lines that led there which are in the same file and not after the failing one, then that.
    fn source_lines(&self, f: &mut fmt::Formatter<'_>, width: usize) -> fmt::Result {
        let Some((last, before)) = self.lines.split_last() else {
            return Ok(());
        };
        let Some((file, number)) = &last.place else {
            return write!(f, "\n{:width$} |\n{:width$} | {}", "", "", last.text);
        };
        write!(f, "\n{:width$}--> {file}:{number}\n{:width$} |", "", "")?;
        if last.text.is_empty() {
            return Ok(());
        }
        let earlier = before.iter().filter_map(|line| match &line.place {
            Some((of, at)) if of == file && at < number && !line.text.is_empty() => Some((*at, &line.text)),
            _ => None,
        });
        // A loop shows lines again; each once, in the order of the file, the nearest ones.
        let mut shown: Vec<(u32, &String)> = earlier.collect();
        shown.sort();
        shown.dedup();
        let skip = shown.len().saturating_sub(3);
        for (at, text) in shown.into_iter().skip(skip) {
            write!(f, "\n{at:>width$} | {text}")?;
        }
        write!(f, "\n{number:>width$} | {}", last.text)
    }

    /// The registers to show: all, or those that the reason or the instruction names.
    fn relevant(&self, all: bool) -> impl Iterator<Item = &RegisterState> {
        let frame = self
            .registers
            .iter()
            .map(|register| register.frame)
            .max()
            .unwrap_or(0);
        let text = self.insn.as_ref().map_or("", |insn| insn.text.as_str());
        let named: BTreeSet<String> = [self.reason.as_str(), text]
            .iter()
            .flat_map(|text| text.split(|c: char| !c.is_ascii_alphanumeric()))
            .filter(|word| {
                let mut characters = word.chars();
                matches!(characters.next(), Some('r' | 'R' | 'w'))
                    && characters.clone().next().is_some()
                    && characters.all(|c| c.is_ascii_digit())
            })
            .map(|word| format!("R{}", word.get(1..).unwrap_or_default()))
            .collect();
        // Where the instruction writes a register, its old value is of no interest.
        let written = text
            .split_once(" = ")
            .map(|(left, _)| left.trim())
            .filter(|left| !left.contains('*'));
        let written = written.map(|left| format!("R{}", left.get(1..).unwrap_or_default()));
        let written = written.filter(|name| {
            let uses = |text: &str| text.contains(&name.to_lowercase()) || text.contains(name.as_str());
            let right = text.split_once(" = ").map_or("", |(_, right)| right);
            !uses(right) && !uses(&self.reason)
        });
        self.registers.iter().filter(move |register| {
            all || register.frame == frame
                && named.contains(&register.name)
                && written.as_ref() != Some(&register.name)
        })
    }
}
