//! What can be said to the debugger.

use bpfld_vm::{Breakpoint, GuestAddr, Watchpoint};

/// The answer to `help`.
pub(super) const HELP: &str = "\
s, step           to the next instruction
l, line           to the next line, also in functions that are called
n, next           to the next line of this function, or of its caller
o, out            until this function has returned
c, continue       until something stops it
b, break WHERE    stop at a slot (12), a line (:31 or count.bpf.c:31) or a function (count)
w, watch WHAT     stop when a register (r3) or memory (ADDRESS LEN) has changed
unbreak N         take a breakpoint out
unwatch N         take a watchpoint out
p, points         list breakpoints and watchpoints
r, registers      show them
k, stack          show the function's stack, from the lowest word that is not zero
t, callers        show the calls that led here
d, disasm         show the instructions around
x ADDRESS LEN     show memory
m, map [NAME]     list maps, or show what is in one
q, quit           give up
an empty line repeats the last command; # begins a comment
";

/// A command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Step,
    Line,
    Next,
    Out,
    Continue,
    Break(Breakpoint),
    Watch(Watchpoint),
    DeleteBreak(usize),
    DeleteWatch(usize),
    Points,
    Registers,
    Stack,
    Callers,
    List,
    Memory { address: GuestAddr, len: usize },
    Maps,
    Map(String),
    Help,
    Quit,
}

/// What a line is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    Command(Command),
    Empty,
    Comment,
    /// What is wrong with it.
    Wrong(String),
}

pub(super) fn parse(line: &str) -> Parsed {
    let words: Vec<&str> = line.split_whitespace().collect();
    let Some((name, arguments)) = words.split_first() else {
        return Parsed::Empty;
    };
    if name.starts_with('#') {
        return Parsed::Comment;
    }
    match command(name, arguments) {
        Some(command) => Parsed::Command(command),
        None => Parsed::Wrong(format!("what is '{}'? `help` lists the commands", line.trim())),
    }
}

fn command(name: &str, arguments: &[&str]) -> Option<Command> {
    Some(match (name, arguments) {
        ("s" | "step", []) => Command::Step,
        ("l" | "line", []) => Command::Line,
        ("n" | "next", []) => Command::Next,
        ("o" | "out", []) => Command::Out,
        ("c" | "continue", []) => Command::Continue,
        ("b" | "break", [place]) => Command::Break(breakpoint(place)?),
        ("w" | "watch", [register]) => {
            let number = register.strip_prefix('r')?.parse().ok()?;
            (number <= 10).then_some(Command::Watch(Watchpoint::Register(number)))?
        }
        ("w" | "watch", [address, len]) => Command::Watch(Watchpoint::Memory {
            address: GuestAddr(number(address)?),
            len: number(len)?.try_into().ok()?,
        }),
        ("unbreak", [number]) => Command::DeleteBreak(number.parse().ok()?),
        ("unwatch", [number]) => Command::DeleteWatch(number.parse().ok()?),
        ("p" | "points", []) => Command::Points,
        ("r" | "registers", []) => Command::Registers,
        ("k" | "stack", []) => Command::Stack,
        ("t" | "callers", []) => Command::Callers,
        ("d" | "disasm", []) => Command::List,
        ("x", [address, len]) => Command::Memory {
            address: GuestAddr(number(address)?),
            len: number(len)?.try_into().ok()?,
        },
        ("m" | "map", []) => Command::Maps,
        ("m" | "map", [name]) => Command::Map((*name).to_owned()),
        ("h" | "help", []) => Command::Help,
        ("q" | "quit", []) => Command::Quit,
        _ => return None,
    })
}

fn breakpoint(place: &str) -> Option<Breakpoint> {
    if let Some((file, line)) = place.rsplit_once(':') {
        return Some(Breakpoint::Line {
            file: file.to_owned(),
            line: line.parse().ok()?,
        });
    }
    Some(match place.parse() {
        Ok(slot) => Breakpoint::Slot(slot),
        Err(_) => Breakpoint::Function(place.to_owned()),
    })
}

/// A decimal number, or a hexadecimal one after `0x`.
fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_slots_lines_or_functions() {
        let at = |text: &str| match parse(text) {
            Parsed::Command(Command::Break(point)) => Some(point),
            _ => None,
        };
        assert_eq!(at("b 12"), Some(Breakpoint::Slot(12)));
        assert_eq!(at("break count"), Some(Breakpoint::Function("count".to_owned())));
        let line = |file: &str| {
            Some(Breakpoint::Line {
                file: file.to_owned(),
                line: 31,
            })
        };
        assert_eq!(at("b :31"), line(""));
        assert_eq!(at("b a.c:31"), line("a.c"));
        assert_eq!(at("b a.c:x"), None);
        assert!(matches!(parse("w r11"), Parsed::Wrong(_)));
        assert_eq!(
            parse("x 0x10 2"),
            Parsed::Command(Command::Memory {
                address: GuestAddr(16),
                len: 2
            })
        );
        assert_eq!(parse(" \n"), Parsed::Empty);
        assert_eq!(parse("# step"), Parsed::Comment);
    }
}
