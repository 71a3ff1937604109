//! Where a program spends its instructions.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::fmt;

use bpfld_insn::Insn;

use crate::counts::{self, Counted};
use crate::fault::Place;

/// Where instructions were run: by function, by line, and one by one, that with most of them first. Made by
/// [`Coverage::profile`](crate::Coverage::profile).
///
/// `{}` prints all that ran, `{:.10}` the ten first of each.
///
/// ```
/// use bpfld_insn::{Endian, assemble};
/// use bpfld_vm::{Coverage, ProgramType, Vm};
///
/// let code = assemble("r0 = 0\n r1 = 10\n l: r0 += r1\n r1 += -1\n if r1 != 0 goto l\n exit").unwrap();
/// let mut vm = Vm::builder().empty(Endian::Little);
/// let mut coverage = Coverage::new();
/// let mut program = vm.add_program("sum", ProgramType::XDP, code.slots()).unwrap();
/// assert_eq!(program.observe(&mut (), &mut coverage), Ok(55));
///
/// let profile = coverage.profile();
/// assert_eq!(profile.total, 33);
/// assert_eq!((profile.instructions[0].place.slot, profile.instructions[0].times), (2, 10));
/// assert_eq!((&*profile.functions[0].place.function, profile.functions[0].instructions), ("sum", 33));
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Profile {
    /// How many instructions were run.
    pub total: u64,
    /// Functions. Those that were compiled into others are part of them.
    pub functions: Vec<Share>,
    /// Lines of the source, as far as the object's BTF tells of them.
    pub lines: Vec<Share>,
    /// Instructions.
    pub instructions: Vec<Share>,
}

/// What part something has in a run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Share {
    /// Where it begins.
    pub place: Place,
    /// The instruction there.
    pub insn: Option<Insn>,
    /// How often it was run: a function was called, or a line was come to.
    pub times: u64,
    /// How many instructions of it were run.
    pub instructions: u64,
}

impl Share {
    fn new(program: &Counted, slot: u32) -> Self {
        Self {
            place: program.code.place(slot),
            insn: program.code.insn(slot),
            times: 0,
            instructions: 0,
        }
    }
}

impl Profile {
    pub(crate) fn of(programs: &[Counted]) -> Self {
        let mut functions: BTreeMap<(Arc<str>, Arc<str>), Share> = BTreeMap::new();
        let mut lines: BTreeMap<(String, u32), Share> = BTreeMap::new();
        let times = counts::lines(programs);
        let mut instructions = Vec::new();
        let mut total = 0;
        for program in programs {
            let code = &program.code;
            let slots = (0..code.slots.len() as u32).filter(|slot| code.begins(*slot));
            for slot in slots {
                let count = program.at(slot);
                total += count;
                let own = Share {
                    times: count,
                    instructions: count,
                    ..Share::new(program, slot)
                };
                let key = (Arc::clone(&code.name), Arc::clone(&own.place.function));
                // of a function, the first instruction comes first, and is run when the function is called
                let function = functions.entry(key).or_insert_with(|| Share {
                    instructions: 0,
                    ..own.clone()
                });
                function.instructions += count;
                if let Some(source) = &own.place.source {
                    let key = (source.file.clone(), source.line);
                    let times = times.get(&key).copied().unwrap_or(0);
                    let line = lines.entry(key).or_insert_with(|| Share {
                        times,
                        instructions: 0,
                        ..own.clone()
                    });
                    line.instructions += count;
                }
                instructions.push(own);
            }
        }
        Self {
            total,
            functions: sorted(functions.into_values()),
            lines: sorted(lines.into_values()),
            instructions: sorted(instructions),
        }
    }
}

fn sorted(shares: impl IntoIterator<Item = Share>) -> Vec<Share> {
    let mut shares: Vec<Share> = shares.into_iter().collect();
    // stable: what is equal stays in the order of the program
    shares.sort_by_key(|share| Reverse(share.instructions));
    shares
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let most = f.precision().unwrap_or(usize::MAX);
        write!(f, "{} instructions", self.total)?;
        let tables = [
            ("function", &self.functions),
            ("line", &self.lines),
            ("instruction", &self.instructions),
        ];
        for (title, shares) in tables {
            let ran = || shares.iter().filter(|share| share.instructions > 0).take(most);
            if ran().next().is_none() {
                continue;
            }
            write!(
                f,
                "\n\n{:>12}  {:>12}  {:>6}  {title}",
                "instructions", "times", "share"
            )?;
            for share in ran() {
                let Share {
                    place,
                    insn,
                    times,
                    instructions,
                } = share;
                let percent = *instructions as f64 * 100.0 / self.total as f64;
                write!(f, "\n{instructions:>12}  {times:>12}  {percent:>5.1}%  ")?;
                match (title, &place.source, insn) {
                    ("function", ..) if place.function == place.program => write!(f, "{}", place.program)?,
                    ("function", ..) => write!(f, "{} of {}", place.function, place.program)?,
                    ("line", Some(source), _) => {
                        write!(f, "{}:{}", source.file, source.line)?;
                        if !source.text.trim().is_empty() {
                            write!(f, ": {}", source.text.trim())?;
                        }
                    }
                    (_, _, Some(insn)) => write!(f, "{}, slot {}: {insn}", place.function, place.slot)?,
                    _ => write!(f, "{}, slot {}", place.function, place.slot)?,
                }
            }
        }
        Ok(())
    }
}
