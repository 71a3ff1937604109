//! Which instructions the kernel takes: each alone in a program around it, made from the table of operations.

use bpfld_insn::op::{Field, Support};
use bpfld_insn::{AddressKind, AluOp, Cpu, JmpOp, Op, Size, Slot, Source, Width};
use bpfld_sys::{Errno, ProgramType};

use super::code::{CLEAR_STACK, EXIT, jump_if_not, mov_imm};
use super::kernel::Load;
use super::verdict::refused;
use crate::{Answer, Evidence, Release};

/// The first release that takes it; nothing for what no kernel takes from users.
pub(crate) fn since(op: Op) -> Option<Release> {
    match op.pattern().support {
        Support::Since(release) => Some(release.into()),
        Support::Internal | Support::Never => None,
    }
}

/// Whether it came after the first release of eBPF.
pub(crate) fn is_later(op: Op) -> bool {
    since(op).is_some_and(|release| release > Release::new(3, 18))
}

/// An operation that came with a level of the instruction set.
pub(crate) fn representative(level: Cpu) -> Option<Op> {
    Some(match level {
        Cpu::V1 => Op::Neg(Width::W64),
        Cpu::V2 => Op::JumpIf(Width::W64, JmpOp::Lt, Source::Imm),
        Cpu::V3 => Op::JumpIf(Width::W32, JmpOp::Lt, Source::Imm),
        // Not the long jump, which some older kernels have alone.
        Cpu::V4 => Op::LoadSx(Size::B),
    })
}

/// Whether programs of a level load.
pub(crate) fn level(level: Cpu) -> Answer {
    match representative(level) {
        Some(op) => takes(op),
        None => Answer::unknown("no probe for this level"),
    }
}

/// Whether the kernel takes an operation. r2 is 1, r0 is 0 and eight bytes of the stack are 0 before it.
pub(crate) fn takes(op: Op) -> Answer {
    let code = program(op);
    let (result, log) = Load::new(ProgramType::SOCKET_FILTER, &code).run_with_log();
    let Err(errno) = result else {
        return Answer::Yes;
    };
    const HOW: &str = "loading a program with the instruction";
    if log.is_empty() || errno == Errno::EPERM {
        return refused(errno, HOW);
    }
    match complaint(op) {
        // The kernel knows it, and misses what it goes with.
        Some(complaint) if log.contains(complaint) => Answer::Yes,
        _ => Answer::No(Evidence {
            errno: Some(errno),
            how: format!("the verifier says: {}", complaint_line(&log)).into(),
        }),
    }
}

/// What verifiers say that know the operation, where it cannot stand alone.
fn complaint(op: Op) -> Option<&'static str> {
    match op {
        Op::CastAddrSpace => Some("arena"),
        // It wants a map of jump targets for each of the "subprograms".
        Op::JumpIndirect => Some("subprograms"),
        Op::CallKfunc => Some("is not a function"),
        Op::LoadAddr(AddressKind::Variable) => Some("KIND_VAR"),
        Op::LoadAddr(AddressKind::Func) => Some("func_info"),
        Op::LoadAddr(AddressKind::MapIndex | AddressKind::MapIndexValue) => Some("fd_idx"),
        Op::LoadAddr(AddressKind::Map | AddressKind::MapValue) => Some("fd "),
        _ => None,
    }
}

/// The last line that is about the program.
fn complaint_line(log: &str) -> &str {
    log.lines()
        .rfind(|line| !line.is_empty() && !line.starts_with("processed "))
        .unwrap_or_default()
}

fn program(op: Op) -> Vec<Slot> {
    let pattern = op.pattern();
    let value = |field: Field, any: i32| match field {
        Field::Exactly(value) => value,
        Field::Register | Field::Any => any,
    };
    let is_memory = matches!(
        op,
        Op::Load(_)
            | Op::LoadSx(_)
            | Op::Store(..)
            | Op::Atomic(..)
            | Op::LoadAcquire(_)
            | Op::StoreRelease(_)
    );
    let loads = matches!(op, Op::Load(_) | Op::LoadSx(_) | Op::LoadAcquire(_));
    // Loads go from the stack to r0, stores from r2 to the stack, all else is between r0 and r2.
    let (dst, src) = match (is_memory, loads) {
        (true, true) => (0, 10),
        (true, false) => (10, 2),
        (false, _) => (0, 2),
    };
    let imm = match op {
        // Not by zero, and not out of range.
        Op::Alu(_, AluOp::Div | AluOp::Mod | AluOp::Sdiv | AluOp::Smod | AluOp::Arsh, Source::Imm) => 1,
        // To the address space of the kernel from that of arenas.
        Op::CastAddrSpace => 1,
        // Some old kernels take a long jump for a short one if it leads nowhere.
        Op::JumpLong => 1,
        Op::CallKfunc | Op::CallSubprog | Op::LoadAddr(AddressKind::Variable) => 1,
        Op::LoadAddr(AddressKind::Func) => 2,
        Op::LoadAddr(AddressKind::Map | AddressKind::MapValue) => -1,
        _ => 0,
    };
    let offset = match op {
        _ if is_memory => -8,
        Op::MayGoto => 1,
        _ => 0,
    };
    let mut code = vec![mov_imm(0, 0), mov_imm(2, 1), CLEAR_STACK];
    if op == Op::JumpLong {
        // What it jumps over must be reached in another way.
        code.push(jump_if_not(0, 0, 1));
    }
    code.push(Slot::new(
        pattern.opcode,
        value(pattern.dst, dst) as u8,
        value(pattern.src, src) as u8,
        value(pattern.offset, offset) as i16,
        value(pattern.imm, imm),
    ));
    if pattern.high.is_some() {
        code.push(Slot::new(0, 0, 0, 0, 0));
    }
    if op == Op::CallSubprog || op == Op::LoadAddr(AddressKind::Func) {
        code.extend([EXIT, mov_imm(0, 0), EXIT]);
        return code;
    }
    code.extend([mov_imm(0, 0), EXIT]);
    code
}

#[cfg(test)]
mod tests {
    use bpfld_insn::decode;

    use super::*;

    #[test]
    fn programs_hold_the_operation_they_ask_for() {
        for op in Op::ALL.iter().copied().filter(|op| is_later(*op)) {
            let code = program(op);
            let found = decode(&code).any(|(_, insn)| insn.is_ok_and(|insn| insn.op() == op));
            assert!(found, "{op:?}: {code:?}");
        }
    }
}
