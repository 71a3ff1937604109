//! CO-RE: adapting instructions to the types of the kernel that they will run on.

use alloc::vec::Vec;
use core::fmt;

use bpfld_btf::{CoreError, CoreRelocation, Outcome, Poison, Resolution, Resolver, Targets};
use bpfld_insn::{Class, Size, Slot};

use crate::poison::{self, Missing};
use crate::{LinkedProgram, Object, Target};

/// What became of one CO-RE relocation.
#[derive(Debug)]
#[non_exhaustive]
pub struct CoreReport<'a> {
    /// The slot of the instruction.
    pub at: u32,
    /// What was asked.
    pub record: CoreRelocation,
    /// What the kernel's types answer; nothing if the question makes no sense.
    pub resolution: Option<Resolution<'a>>,
    /// What was done to the instruction.
    pub outcome: CoreOutcome,
}

/// What was done to an instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CoreOutcome {
    /// It has a new value.
    Patched {
        /// The value in the object.
        from: u64,
        /// The value for this kernel.
        to: u64,
    },
    /// It was poisoned, because the kernel has nothing that fits.
    Poisoned(Poison),
    /// It was poisoned, because it loads or stores a field whose size differs in this kernel, and that cannot be mended:
    /// only pointers and unsigned integers can.
    PoisonedWidth {
        /// The field's size in the object's types.
        local: u32,
        /// The field's size in the kernel's types.
        target: u32,
    },
    /// The question has no answer. The program must not be loaded.
    Unresolved(CoreError),
    /// The answer does not fit the instruction. The program must not be loaded.
    Unfit(Unfit),
}

/// Why an answer does not fit an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unfit {
    /// An instruction that cannot hold a value.
    Instruction {
        /// Its opcode.
        opcode: u8,
    },
    /// The instruction holds another value than its own record says: compiler and record disagree.
    Original {
        /// What it holds.
        found: u64,
        /// What it should hold.
        expected: u64,
    },
    /// An offset larger than an instruction can hold.
    Range(u64),
    /// A load or store of another size than its field's, or a size that no instruction has.
    Width {
        /// The size that the instruction accesses, in bytes.
        found: u32,
        /// The size that was expected.
        expected: u32,
    },
}

impl CoreOutcome {
    /// Whether the program must not be loaded.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        matches!(self, Self::Unresolved(_) | Self::Unfit(_))
    }
}

impl fmt::Display for CoreReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "instruction {}: ", self.at)?;
        if let Some(resolution) = &self.resolution {
            write!(f, "{resolution}")?;
        }
        match &self.outcome {
            CoreOutcome::Patched { .. } | CoreOutcome::Poisoned(_) => Ok(()),
            CoreOutcome::PoisonedWidth { local, target } => {
                write!(
                    f,
                    "; the field has {target} bytes here and {local} in the object, which cannot be mended"
                )
            }
            CoreOutcome::Unresolved(error) => write!(f, "{error}"),
            CoreOutcome::Unfit(unfit) => write!(f, "; {unfit}"),
        }
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Instruction { opcode } => {
                write!(f, "an instruction with opcode {opcode:#04x} cannot be relocated")
            }
            Self::Original { found, expected } => write!(f, "the instruction holds {found}, not {expected}"),
            Self::Range(value) => write!(f, "offset {value} is too large for the instruction"),
            Self::Width { found, expected } => {
                write!(f, "the instruction accesses {found} bytes, not {expected}")
            }
        }
    }
}

impl LinkedProgram {
    /// Applies all CO-RE relocations, against the types of a kernel and its modules, and tells what became of each.
    ///
    /// Questions whether something exists are always answered. Of other questions, those without an answer poison the
    /// instruction, so that programs can ask first and guard the code. A report that
    /// [`is_failure`](CoreOutcome::is_failure) leaves its instruction as it was; the program must not be loaded then.
    pub fn apply_core<'a>(&mut self, object: &'a Object, targets: &'a Targets) -> Vec<CoreReport<'a>> {
        match object.btf() {
            Some(btf) => self.apply_core_with(&mut Resolver::new(btf, targets)),
            None => Vec::new(),
        }
    }

    /// Like [`apply_core`](Self::apply_core), with a resolver of the object's BTF that is shared by its programs and
    /// remembers what it has found.
    pub fn apply_core_with<'a>(&mut self, resolver: &mut Resolver<'a>) -> Vec<CoreReport<'a>> {
        let mut reports = Vec::new();
        for relocation in &self.relocations {
            let Target::Core(record) = relocation.target else {
                continue;
            };
            let at = relocation.at;
            reports.push(match resolver.resolve(&record) {
                Ok(resolution) => {
                    let outcome = patch(&mut self.insns, at, &resolution).unwrap_or_else(CoreOutcome::Unfit);
                    CoreReport {
                        at,
                        record,
                        resolution: Some(resolution),
                        outcome,
                    }
                }
                Err(error) => CoreReport {
                    at,
                    record,
                    resolution: None,
                    outcome: CoreOutcome::Unresolved(error),
                },
            });
        }
        reports
    }
}

/// Puts the answer into the instruction.
fn patch(insns: &mut [Slot], at: u32, resolution: &Resolution<'_>) -> Result<CoreOutcome, Unfit> {
    let to = match resolution.outcome {
        Outcome::Value(value) => value,
        Outcome::Poison(reason) => {
            poison::poison(insns, at, Missing::Core);
            return Ok(CoreOutcome::Poisoned(reason));
        }
    };
    let check = |found: u64| match resolution.validate && found != resolution.original {
        true => Err(Unfit::Original {
            found,
            expected: resolution.original,
        }),
        false => Ok(found),
    };
    let (insn, rest) = match insns
        .get_mut(at as usize..)
        .and_then(|insns| insns.split_first_mut())
    {
        Some(found) => found,
        None => return Err(Unfit::Instruction { opcode: 0 }),
    };
    let unfit = Unfit::Instruction { opcode: insn.opcode };
    let from = match insn.class() {
        Class::Alu | Class::Alu64 => {
            if insn.opcode & USES_REGISTER != 0 {
                return Err(unfit);
            }
            let from = check(i64::from(insn.imm) as u64)?;
            insn.imm = to as i32;
            from
        }
        Class::Ldx | Class::St | Class::Stx => {
            let from = check(i64::from(insn.offset) as u64)?;
            let offset = i16::try_from(to).map_err(|_| Unfit::Range(to))?;
            let width = resolution.width;
            if !width.may_adjust && width.local != width.target {
                poison::poison(insns, at, Missing::Core);
                return Ok(CoreOutcome::PoisonedWidth {
                    local: width.local,
                    target: width.target,
                });
            }
            if width.local != width.target {
                insn.opcode = resized(insn.opcode, width.local, width.target)?;
            }
            insn.offset = offset;
            from
        }
        Class::Ld => {
            let second = rest.first_mut().filter(|second| is_plain_second(second));
            let Some(second) = second.filter(|_| insn.is_ldimm64() && insn.src() == 0 && insn.offset == 0)
            else {
                return Err(unfit);
            };
            let from = check(u64::from(insn.imm as u32) | u64::from(second.imm as u32) << 32)?;
            insn.imm = to as i32;
            second.imm = (to >> 32) as i32;
            from
        }
        Class::Jmp | Class::Jmp32 => return Err(unfit),
    };
    Ok(CoreOutcome::Patched { from, to })
}

/// The bit of an arithmetic opcode that says the operand is a register.
const USES_REGISTER: u8 = 0x08;
fn is_plain_second(slot: &Slot) -> bool {
    slot.opcode == 0 && slot.regs == 0 && slot.offset == 0
}

/// The opcode of a load or store with another size.
fn resized(opcode: u8, from: u32, to: u32) -> Result<u8, Unfit> {
    let found = Size::of(opcode);
    if found.bytes() != from as usize {
        return Err(Unfit::Width {
            found: found.bytes() as u32,
            expected: from,
        });
    }
    let size = Size::from_bytes(to as usize).ok_or(Unfit::Width {
        found: from,
        expected: to,
    })?;
    Ok(opcode & !found.code() | size.code())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(resized(0x61, 4, 8), Ok(0x79)); // r = *(u32 *) becomes *(u64 *)
        assert_eq!(resized(0x79, 8, 1), Ok(0x71));
        assert_eq!(
            resized(0x61, 8, 4),
            Err(Unfit::Width {
                found: 4,
                expected: 8
            })
        );
        assert_eq!(
            resized(0x61, 4, 16),
            Err(Unfit::Width {
                found: 4,
                expected: 16
            })
        );
    }
}
