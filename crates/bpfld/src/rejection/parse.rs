//! The walk through a log: paths, instructions, source lines, calls, and at the end the reason.

use super::{LogSourceLine, ReasonClass, RegisterState, RejectedInsn, Rejection, state::State};
use crate::VerifierLog;

/// Most source lines of a path that are kept.
const MOST_LINES: usize = 6;

pub(super) fn rejection(log: &VerifierLog) -> Option<Rejection> {
    let terse = log.terse_reason();
    let explained = paragraph(log, "Reason:");
    let reason = explained.or_else(|| log.summary().map(str::to_owned))?;
    let mut walk = Walk::default();
    for line in log.lines() {
        if line.starts_with("Verification failed: ") {
            break;
        }
        walk.line(line);
    }
    let named = named_insn(terse.unwrap_or(&reason)).or_else(|| explained_insn(log));
    let insn = match (walk.insn, named) {
        (Some(last), Some(index)) if last.index != index => Some(RejectedInsn {
            index,
            text: String::new(),
        }),
        (None, Some(index)) => Some(RejectedInsn {
            index,
            text: String::new(),
        }),
        (last, _) => last,
    };
    let class = match terse.map(ReasonClass::of) {
        None | Some(ReasonClass::Other) => ReasonClass::of(&reason),
        Some(class) => class,
    };
    // What was told about the last instruction is about another one.
    let is_elsewhere = insn.as_ref().is_some_and(|insn| insn.text.is_empty());
    let registers = if is_elsewhere {
        State::default()
    } else {
        walk.state
    };
    Some(Rejection {
        class,
        insn,
        lines: if is_elsewhere { Vec::new() } else { walk.lines },
        registers: registers
            .into_known()
            .map(|((frame, name), state)| RegisterState {
                name: name.to_string(),
                frame,
                state,
            })
            .collect(),
        calls: walk.calls,
        function: walk.function,
        suggestion: paragraph(log, "Suggestion:"),
        reason,
    })
}

#[derive(Debug, Default)]
struct Walk {
    insn: Option<RejectedInsn>,
    lines: Vec<LogSourceLine>,
    /// Before the last instruction.
    state: State,
    /// What the last instruction changed, not yet part of the state.
    changes: Option<String>,
    calls: Vec<u32>,
    function: Option<String>,
}

impl Walk {
    fn line(&mut self, line: &str) {
        let line = line.trim_end();
        if let Some(source) = line.strip_prefix("; ") {
            self.source(source);
            return;
        }
        if let Some((head, text)) = line.split_once(": ")
            && let Ok(index) = head.trim().parse::<u32>()
        {
            self.numbered(index, text);
            return;
        }
        if let Some(rest) = line.strip_prefix("from ") {
            // `from 12 to 15: R0=…`, also `(speculative execution)`: another path.
            let states = rest.split_once(": ").map(|(_, states)| states);
            self.enter_path(states.unwrap_or_default());
            return;
        }
        if let Some(rest) = line.strip_prefix("Validating ") {
            self.enter_path("");
            self.lines.clear();
            self.insn = None;
            self.function = rest.split_once("()").map(|(name, _)| name.to_owned());
            return;
        }
        match line.trim() {
            "caller:" => {}
            "callee:" => {
                self.calls.extend(self.insn.as_ref().map(|insn| insn.index));
            }
            "returning from callee:" => {
                self.state.leave(self.calls.len() as u32);
                self.calls.pop();
            }
            other if line.starts_with(' ') => {
                self.state.take(other);
            }
            _ => {}
        }
    }

    /// `text of the line @ file.c:12`, or the text alone.
    fn source(&mut self, text: &str) {
        let place = text.rsplit_once(" @ ").and_then(|(text, place)| {
            let (file, number) = place.rsplit_once(':')?;
            Some((text, (file.to_owned(), number.parse().ok()?)))
        });
        let line = match place {
            Some((text, place)) => LogSourceLine {
                text: text.trim().to_owned(),
                place: Some(place),
            },
            None => LogSourceLine {
                text: text.trim().to_owned(),
                place: None,
            },
        };
        if self.lines.last() == Some(&line) {
            return;
        }
        if self.lines.len() == MOST_LINES {
            self.lines.remove(0);
        }
        self.lines.push(line);
    }

    /// `12: (79) r1 = *(u64 *)(r0 +0)  ; R1_w=…`, or `12: R1=… R10=fp0`.
    fn numbered(&mut self, index: u32, text: &str) {
        if !text.starts_with('(') && !text.starts_with('<') {
            if self.state.take(text).is_some() {
                self.changes = None;
            }
            return;
        }
        if let Some(changes) = self.changes.take() {
            self.state.take(&changes);
        }
        // Helpers' comments and names have no " ; " in them.
        let (text, changes) = match text.split_once(" ; ") {
            Some((text, changes)) => (text, Some(changes.to_owned())),
            None => (text, None),
        };
        let text = match text.strip_prefix('(').and_then(|rest| rest.split_once(") ")) {
            Some((_, text)) => text,
            None => text,
        };
        self.changes = changes;
        self.insn = Some(RejectedInsn {
            index,
            text: text.trim().to_owned(),
        });
    }

    fn enter_path(&mut self, states: &str) {
        self.state.clear();
        self.changes = None;
        self.lines.clear();
        if let Some(frame) = self.state.take(states) {
            self.calls.truncate(frame as usize);
        }
    }
}

/// The instruction that the reason itself names: `unreachable insn 7`, `back-edge from insn 9 to 4`.
fn named_insn(reason: &str) -> Option<u32> {
    // "Processed 1000001 insn" counts, and "alloc_insn=5" names another one.
    let (_, rest) = reason.split_once(" insn ")?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

/// The instruction of the explained form: `>>> 12 |` among its neighbours, or `insn 12`.
fn explained_insn(log: &VerifierLog) -> Option<u32> {
    let mut lines = log.lines().skip_while(|line| !line.starts_with("At:")).skip(1);
    lines.find_map(|line| {
        let rest = match line.trim_start().strip_prefix(">>> ") {
            Some(rest) => rest,
            None => line.split_once("insn ")?.1,
        };
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    })
}

/// The text below a heading of the explained form.
fn paragraph(log: &VerifierLog, heading: &str) -> Option<String> {
    let lines = log.lines().skip_while(|line| *line != heading).skip(1);
    let text: Vec<&str> = lines.map(str::trim).take_while(|line| !line.is_empty()).collect();
    (!text.is_empty()).then(|| text.join(" "))
}
