//! Jumps stay in their function: to kernels each is by itself.

use alloc::format;

use bpfld_insn::asm::{Diagnostic, Section, SymbolKind};

use super::Object;

impl Object<'_> {
    /// Reports jumps that lead out of their function.
    pub(super) fn jumps(&mut self, index: usize, section: &Section) {
        for (at, slot) in section.slots.iter().enumerate() {
            let Some(distance) = slot.jump_offset() else {
                continue;
            };
            let functions = self.functions_of(index);
            let before = functions.partition_point(|function| function.slots.start <= at);
            let start = before
                .checked_sub(1)
                .and_then(|last| functions.get(last))
                .map_or(0, |function| function.slots.start);
            let end = functions
                .get(before)
                .map_or(section.slots.len(), |next| next.slots.start);
            let target = usize::try_from(at as i64 + 1 + i64::from(distance)).ok();
            if target.is_some_and(|target| (start..end).contains(&target)) {
                continue;
            }
            let span = section.spans.get(at).copied().unwrap_or_default();
            let mut error = Diagnostic::new(span, "jumps cannot leave the function");
            let label = target.zip(self.inside.get(index)).and_then(|(target, labels)| {
                let first = labels.partition_point(|label| label.at < target);
                labels.get(first).filter(|label| label.at == target)
            });
            if let Some(label) = label {
                error = error.other(label.span, "this is outside of it");
                if label.kind == SymbolKind::Function {
                    error = error.help(format!("functions are called: `call {}`", label.name));
                }
            }
            self.error(error);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use crate::ObjectAssembler;

    #[track_caller]
    fn refused(text: &str, expected: &str) {
        let error = ObjectAssembler::new().name("t").assemble(text).unwrap_err();
        assert_eq!(std::format!("{error:#}"), expected.trim_start());
    }

    #[track_caller]
    fn taken(text: &str) {
        let made = ObjectAssembler::new().assemble(text);
        assert_eq!(made.err().map(|error| error.to_string()), None, "{text}");
    }

    #[test]
    fn labels_of_other_functions_are_no_targets() {
        let text = "
.section xdp
.globl first, second
first:
    if r1 == 0 goto out
    r0 = 1
    exit
second:
    r0 = 2
out:
    exit
";
        refused(
            text,
            "
error: jumps cannot leave the function
  --> t:5:5
   |
 5 |     if r1 == 0 goto out
   |     ^^^^^^^^^^^^^^^^^^^
10 | out:
   | --- this is outside of it
",
        );
        // without a second function there is none to leave
        taken(&text.replace(", second", ""));
    }

    #[test]
    fn functions_are_called() {
        refused(
            ".section xdp\nmain: call half\ngoto half\nhalf: exit",
            "
error: jumps cannot leave the function
 --> t:3:1
  |
3 | goto half
  | ^^^^^^^^^
4 | half: exit
  | ---- this is outside of it
  = help: functions are called: `call half`
",
        );
        taken(".section xdp\nmain: call half\nexit\nhalf: r0 = 0\nif r0 == 0 goto half\nexit");
    }

    #[test]
    fn distances_lead_somewhere() {
        for jump in [
            "goto +1",
            "goto -3",
            "gotol +1",
            "if r1 == 0 goto +7",
            "may_goto +1",
        ] {
            let error = ObjectAssembler::new()
                .assemble(&std::format!(".section xdp\nmain: r0 = 0\n{jump}\nexit"))
                .unwrap_err();
            assert_eq!(
                error.to_string(),
                "line 3, column 1: jumps cannot leave the function",
                "{jump}"
            );
        }
        taken(".section xdp\nmain: r0 = 0\nif r0 == 0 goto -2\nexit");
    }
}
