//! Registers and stack, as the verifier prints them: `R0_w=scalar(umax=255,var_off=(0x0; 0xff)) R10=fp0 fp-8=mmmm????`.

use std::collections::BTreeMap;

/// What is known at some point: by frame and name.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    known: BTreeMap<(u32, Name), String>,
}

/// Registers come before the stack, each in their own order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Name {
    Register(u32),
    Stack(u32),
}

impl State {
    /// Forgets everything: another path begins.
    pub(super) fn clear(&mut self) {
        self.known.clear();
    }

    /// Forgets a frame that was left and those within it.
    pub(super) fn leave(&mut self, frame: u32) {
        self.known.retain(|(of, _), _| *of < frame);
    }

    /// Takes up what a piece of the log says, and tells its frame; nothing if it says nothing about registers.
    pub(super) fn take(&mut self, text: &str) -> Option<u32> {
        let (frame, text) = frame(text);
        let mut any = false;
        for (name, value) in assignments(text) {
            any = true;
            if value.is_empty() {
                continue;
            }
            self.known.insert((frame, name), value.to_owned());
        }
        any.then_some(frame)
    }

    pub(super) fn into_known(self) -> impl Iterator<Item = ((u32, Name), String)> {
        self.known.into_iter()
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Name::Register(number) => write!(f, "R{number}"),
            Name::Stack(offset) => write!(f, "fp-{offset}"),
        }
    }
}

/// The number behind `frame` at the start, and the rest.
fn frame(text: &str) -> (u32, &str) {
    let text = text.trim_start();
    let numbered = text.strip_prefix("frame").and_then(|rest| {
        let (number, rest) = rest.split_once(':')?;
        Some((number.parse().ok()?, rest))
    });
    numbered.unwrap_or((0, text))
}

/// The names and values of a line; other words are passed over.
fn assignments(text: &str) -> impl Iterator<Item = (Name, &str)> {
    words(text).filter_map(|word| {
        let (name, value) = word.split_once('=')?;
        // What was read or written since the last state, and whether it must be precise.
        let name = name.split('_').next()?;
        let value = value
            .strip_prefix('P')
            .filter(|rest| !rest.is_empty())
            .unwrap_or(value);
        let name = match name.strip_prefix('R') {
            Some(number) => Name::Register(number.parse().ok()?),
            None => Name::Stack(name.strip_prefix("fp-")?.parse().ok()?),
        };
        Some((name, value))
    })
}

/// Splits at blanks that are in no brackets.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start();
        let mut depth = 0u32;
        let end = rest.find(|c: char| {
            match c {
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            c.is_whitespace() && depth == 0
        });
        let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
        rest = after;
        (!word.is_empty()).then_some(word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let mut state = State::default();
        state.take(text);
        let known: Vec<String> = state
            .into_known()
            .map(|((frame, name), value)| format!("{frame}:{name}={value}"))
            .collect();
        assert_eq!(known, expected);
    }

    #[test]
    fn all_forms() {
        check("R1=ctx() R10=fp0", &["0:R1=ctx()", "0:R10=fp0"]);
        check(
            "frame1: R0_w=scalar(umax=255,var_off=(0x0; 0xff)) R2_rw=P5 fp-8_w=mmmm???? refs=2",
            &[
                "1:R0=scalar(umax=255,var_off=(0x0; 0xff))",
                "1:R2=5",
                "1:fp-8=mmmm????",
            ],
        );
        // Before 5.18.
        check(
            "R0=map_value_or_null(id=1,off=0,ks=4,vs=8,imm=0) R6_w=inv(id=0) R1_w=invP0",
            &[
                "0:R0=map_value_or_null(id=1,off=0,ks=4,vs=8,imm=0)",
                "0:R1=invP0",
                "0:R6=inv(id=0)",
            ],
        );
        check("no registers here = nothing", &[]);
        check("R0=scalar(unfinished R1=1", &["0:R0=scalar(unfinished R1=1"]);
        check("Rx=1 fp-y=2 R99999999999=1", &[]);
    }
}
