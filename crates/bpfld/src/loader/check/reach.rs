//! Which instructions a program can reach, where constants decide: what the verifier sees as dead code needs nothing of the
//! kernel.
//!
//! A value is known if it comes from a constant in the code, which CO-RE relocations are by then, or from memory that never
//! changes: constants and configuration values. What is stored and loaded again is not followed.

use bpfld_insn::{AluOp, Insn, JmpOp, Operand, Reg, Size, Slot, Width};
use bpfld_object::MapIndex;

/// What is known about a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// Nothing.
    Unknown,
    /// All of it.
    Number(u64),
    /// A byte of a map's value.
    Place(MapIndex, u32),
    /// An address that is not zero.
    Address,
}

type Registers = [Value; 11];

const NOTHING: Registers = [Value::Unknown; 11];

/// Facts about the code that are not in the instructions.
pub(super) struct Facts<'a> {
    /// What a 64-bit load or a computation at a slot comes to, if that is not what stands in it.
    pub(super) loaded: &'a dyn Fn(usize) -> Option<Value>,
    /// Bytes of a map that never change.
    pub(super) constant: &'a dyn Fn(MapIndex, u32, usize) -> Option<u64>,
}

/// For each slot whether an instruction begins there that can be reached.
pub(super) fn reachable(insns: &[Slot], facts: &Facts<'_>) -> Vec<bool> {
    let mut states: Vec<Option<Registers>> = vec![None; insns.len()];
    let mut todo = Vec::new();
    let mut goes_anywhere = false;
    enter(&mut states, &mut todo, 0, NOTHING);
    while let Some(at) = todo.pop() {
        let Some(state) = states.get(at).copied().flatten() else {
            continue;
        };
        let Some(Ok(insn)) = insns.get(at..).map(Insn::decode) else {
            // What is no instruction to us may be one to the kernel, and go on anywhere below.
            enter(&mut states, &mut todo, at + 1, NOTHING);
            continue;
        };
        let mut after = state;
        step(&mut after, insn, at, facts);
        let next = at + insn.width();
        let target = insn
            .distance()
            .and_then(|distance| (at as i64 + 1 + i64::from(distance)).try_into().ok())
            .unwrap_or(usize::MAX);
        match insn {
            Insn::Exit => {}
            Insn::Jump { .. } | Insn::JumpLong { .. } => enter(&mut states, &mut todo, target, after),
            // Its targets are those of a table: anything. After the first one nothing is left to be said of any place.
            Insn::JumpIndirect { .. } if !std::mem::replace(&mut goes_anywhere, true) => {
                (0..insns.len()).for_each(|any| enter(&mut states, &mut todo, any, NOTHING))
            }
            Insn::JumpIndirect { .. } => {}
            Insn::JumpIf {
                width, op, dst, src, ..
            } => {
                let taken = decide(width, op, state[dst.number() as usize], operand(&state, src));
                if taken != Some(true) {
                    enter(&mut states, &mut todo, next, after);
                }
                if taken != Some(false) {
                    enter(&mut states, &mut todo, target, after);
                }
            }
            Insn::MayGoto { .. } => {
                enter(&mut states, &mut todo, next, after);
                enter(&mut states, &mut todo, target, after);
            }
            _ => {
                // A function that is called, or whose address is taken.
                if insn.distance().is_some() {
                    enter(&mut states, &mut todo, target, NOTHING);
                }
                enter(&mut states, &mut todo, next, after);
            }
        }
    }
    states.iter().map(Option::is_some).collect()
}

/// Adds a way to an instruction; it is looked at again if less is known there now.
fn enter(states: &mut [Option<Registers>], todo: &mut Vec<usize>, at: usize, new: Registers) {
    let Some(state) = states.get_mut(at) else {
        return;
    };
    let merged = match *state {
        None => new,
        Some(old) => std::array::from_fn(|i| if old[i] == new[i] { old[i] } else { Value::Unknown }),
    };
    if *state != Some(merged) {
        *state = Some(merged);
        todo.push(at);
    }
}

fn operand(state: &Registers, operand: Operand) -> Value {
    match operand {
        Operand::Reg(reg) => state[reg.number() as usize],
        Operand::Imm(imm) => Value::Number(i64::from(imm) as u64),
    }
}

fn step(state: &mut Registers, insn: Insn, at: usize, facts: &Facts<'_>) {
    match insn {
        Insn::LoadImm64 { dst, value } => set(state, dst, (facts.loaded)(at).unwrap_or(Value::Number(value))),
        Insn::LoadAddr { dst, .. } => set(state, dst, (facts.loaded)(at).unwrap_or(Value::Unknown)),
        Insn::Alu { width, op, dst, src } => {
            let computed = || compute(width, op, state[dst.number() as usize], operand(state, src));
            let value = (facts.loaded)(at).unwrap_or_else(computed);
            state[dst.number() as usize] = value;
        }
        Insn::Load {
            size,
            dst,
            base,
            offset,
        } => {
            let value = load(state[base.number() as usize], offset, size, facts);
            state[dst.number() as usize] = value.unwrap_or(Value::Unknown);
        }
        Insn::LoadSx {
            size,
            dst,
            base,
            offset,
        } => {
            let value = match load(state[base.number() as usize], offset, size, facts) {
                Some(Value::Number(number)) => {
                    let rest = 64 - size.bits();
                    Value::Number((((number << rest) as i64) >> rest) as u64)
                }
                _ => Value::Unknown,
            };
            state[dst.number() as usize] = value;
        }
        Insn::Neg { dst, .. }
        | Insn::Swap { dst, .. }
        | Insn::MovSx { dst, .. }
        | Insn::CastAddrSpace { dst, .. }
        | Insn::PercpuAddr { dst, .. }
        | Insn::LoadAcquire { dst, .. } => set(state, dst, Value::Unknown),
        Insn::Atomic { src, .. } => {
            set(state, src, Value::Unknown);
            set(state, Reg::R0, Value::Unknown);
        }
        Insn::LoadAbs { .. }
        | Insn::LoadInd { .. }
        | Insn::CallHelper { .. }
        | Insn::CallSubprog { .. }
        | Insn::CallKfunc { .. }
        | Insn::CallReg { .. } => state[..6].fill(Value::Unknown),
        Insn::Store { .. }
        | Insn::StoreRelease { .. }
        | Insn::SpeculationBarrier
        | Insn::Jump { .. }
        | Insn::JumpLong { .. }
        | Insn::JumpIndirect { .. }
        | Insn::JumpIf { .. }
        | Insn::MayGoto { .. }
        | Insn::Exit => {}
    }
}

fn set(state: &mut Registers, reg: Reg, value: Value) {
    state[reg.number() as usize] = value;
}

fn load(base: Value, offset: i16, size: Size, facts: &Facts<'_>) -> Option<Value> {
    let Value::Place(map, at) = base else {
        return None;
    };
    let at = at.checked_add_signed(offset.into())?;
    (facts.constant)(map, at, size.bytes()).map(Value::Number)
}

/// The lower half, zero-extended, or the whole.
fn cut(width: Width, value: u64) -> u64 {
    match width {
        Width::W32 => u64::from(value as u32),
        Width::W64 => value,
    }
}

fn compute(width: Width, op: AluOp, left: Value, right: Value) -> Value {
    if op == AluOp::Mov {
        return match right {
            Value::Number(number) => Value::Number(cut(width, number)),
            place if width == Width::W64 => place,
            _ => Value::Unknown,
        };
    }
    let (a, b) = match (left, right) {
        (Value::Number(a), Value::Number(b)) => (cut(width, a), cut(width, b)),
        (Value::Place(map, at), Value::Number(b)) if op == AluOp::Add && width == Width::W64 => {
            let sum = i32::try_from(b as i64)
                .ok()
                .and_then(|b| at.checked_add_signed(b));
            return sum.map_or(Value::Unknown, |at| Value::Place(map, at));
        }
        _ => return Value::Unknown,
    };
    let distance = (b % u64::from(width.bits())) as u32;
    let result = match op {
        AluOp::Add => a.wrapping_add(b),
        AluOp::Sub => a.wrapping_sub(b),
        AluOp::And => a & b,
        AluOp::Or => a | b,
        AluOp::Xor => a ^ b,
        AluOp::Lsh => a << distance,
        AluOp::Rsh => a >> distance,
        AluOp::Arsh => {
            let rest = 64 - width.bits();
            ((((a << rest) as i64) >> rest) >> distance) as u64
        }
        AluOp::Mul => a.wrapping_mul(b),
        AluOp::Mov | AluOp::Div | AluOp::Mod | AluOp::Sdiv | AluOp::Smod => return Value::Unknown,
    };
    Value::Number(cut(width, result))
}

/// Whether a jump is taken, if that is known.
fn decide(width: Width, op: JmpOp, left: Value, right: Value) -> Option<bool> {
    let (a, b) = match (left, right, op) {
        (Value::Number(a), Value::Number(b), _) => (a, b),
        (Value::Address, Value::Number(0), JmpOp::Eq) if width == Width::W64 => return Some(false),
        (Value::Address, Value::Number(0), JmpOp::Ne) if width == Width::W64 => return Some(true),
        _ => return None,
    };
    let (a, b) = (cut(width, a), cut(width, b));
    let signed = |value: u64| match width {
        Width::W32 => i64::from(value as u32 as i32),
        Width::W64 => value as i64,
    };
    Some(match op {
        JmpOp::Eq => a == b,
        JmpOp::Ne => a != b,
        JmpOp::Gt => a > b,
        JmpOp::Ge => a >= b,
        JmpOp::Lt => a < b,
        JmpOp::Le => a <= b,
        JmpOp::Set => a & b != 0,
        JmpOp::Sgt => signed(a) > signed(b),
        JmpOp::Sge => signed(a) >= signed(b),
        JmpOp::Slt => signed(a) < signed(b),
        JmpOp::Sle => signed(a) <= signed(b),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Assembles a text; a map value load is any 64-bit constant, which stands for byte 0 of map 0 if `value` is given.
    #[track_caller]
    fn check(text: &str, value: Option<u64>, expected: &[usize]) {
        let insns = bpfld_insn::assemble(text).expect("it assembles").slots().to_vec();
        let facts = Facts {
            loaded: &|_| value.map(|_| Value::Place(MapIndex(0), 0)),
            constant: &|_, at, _| value.filter(|_| at == 4),
        };
        let reached = reachable(&insns, &facts);
        let reached: Vec<usize> = (0..insns.len()).filter(|&at| reached[at]).collect();
        assert_eq!(reached, expected, "{text}");
    }

    #[test]
    fn constants_decide() {
        check("r1 = 1\nif r1 == 0 goto +1\nr0 = 0\nexit", None, &[0, 1, 2, 3]);
        check("r1 = 0\nif r1 == 0 goto +1\nr0 = 0\nexit", None, &[0, 1, 3]);
        check("if r1 == 0 goto +1\nr0 = 0\nexit", None, &[0, 1, 2]);
        check(
            "r1 = -1\nw1 += 1\nif r1 == 0 goto +1\nr0 = 0\nexit",
            None,
            &[0, 1, 2, 4],
        );
        check("r1 = -2\nif w1 s< -1 goto +1\nr0 = 0\nexit", None, &[0, 1, 3]);
    }

    #[test]
    fn functions_that_are_there_have_addresses() {
        let text = "r1 = 7 ll\nif r1 == 0 goto +2\nr0 = 0\nexit\nr0 = 1\nexit";
        let insns = bpfld_insn::assemble(text).expect("it assembles").slots().to_vec();
        for (value, expected) in [
            (Value::Address, [true, false]),
            (Value::Number(0), [false, true]),
            (Value::Unknown, [true, true]),
        ] {
            let facts = Facts {
                loaded: &|at| (at == 0).then_some(value),
                constant: &|_, _, _| None,
            };
            let reached = reachable(&insns, &facts);
            assert_eq!([reached[3], reached[5]], expected, "{value:?}");
        }
    }

    #[test]
    fn a_call_keeps_the_upper_registers() {
        check(
            "r6 = 0\ncall 5\nif r6 == 0 goto +1\nr0 = 0\nexit",
            None,
            &[0, 1, 2, 4],
        );
        check(
            "r1 = 0\ncall 5\nif r1 == 0 goto +1\nr0 = 0\nexit",
            None,
            &[0, 1, 2, 3, 4],
        );
    }

    #[test]
    fn ways_that_meet_know_less() {
        let text = "r2 = 0\nif r1 == 0 goto +1\nr2 = 1\nif r2 == 0 goto +1\nr0 = 0\nexit";
        check(text, None, &[0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn jumps_to_anywhere_are_looked_at_once() {
        check("r1 = 0\ngotox r1\nr0 = 0\nexit", None, &[0, 1, 2, 3]);
        // As many as an object can hold: to look at all places for each would take days.
        let text = "gotox r1\n".repeat(1 << 20);
        let insns = bpfld_insn::assemble(&text)
            .expect("it assembles")
            .slots()
            .to_vec();
        let facts = Facts {
            loaded: &|_| None,
            constant: &|_, _, _| None,
        };
        assert!(reachable(&insns, &facts).iter().all(|reached| *reached));
    }

    #[test]
    fn memory_that_never_changes_is_known() {
        let text = "r1 = 7 ll\nr2 = *(u32 *)(r1 + 4)\nif r2 != 0 goto +1\nr0 = 0\nexit";
        check(text, Some(0), &[0, 2, 3, 4, 5]);
        check(text, Some(3), &[0, 2, 3, 5]);
        // Where it is not known, both ways are.
        let text = "r1 = 7 ll\nr2 = *(u32 *)(r1 + 8)\nif r2 != 0 goto +1\nr0 = 0\nexit";
        check(text, Some(0), &[0, 2, 3, 4, 5]);
    }

    #[test]
    fn loops_end() {
        check("r1 = 0\nr1 += 1\nif r1 < 10 goto -2\nexit", None, &[0, 1, 2, 3]);
    }
}
