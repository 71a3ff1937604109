//! The loop over what is not plain: calls, ends of functions, and accesses that need a closer look.

use bpfld_object::poison::Missing;

use super::plain::{Cursor, plain};
use crate::address::code_at;
use crate::code::{ARGUMENTS, AT_START, Do, Set, Step, after_call, match_accesses};
use crate::fault::{FaultKind, Trap};
use crate::helper::Function;
use crate::image::Image;
use crate::observe::{Control, Observer};
use crate::state::{Frame, State};

/// The number of the helper that changes to another program.
const TAIL_CALL: u64 = 12;

/// A run: what does not change, what does, and who watches.
pub(crate) struct Run<'m> {
    pub(crate) image: &'m Image,
    pub(crate) state: &'m mut State,
    pub(crate) observer: Option<&'m mut dyn Observer>,
}

/// Where to begin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) program: usize,
    pub(crate) slot: u32,
}

impl Run<'_> {
    /// Runs a function to its end, in a frame of its own, and returns r0.
    pub(crate) fn enter(&mut self, entry: Entry, args: [u64; 5]) -> Result<u64, Trap> {
        use bpfld_insn::Endian;
        let careful = self.image.doubtful || self.observer.is_some() || self.state.memory.aligned;
        match (self.image.endian, careful) {
            (Endian::Little, false) => self.exec::<false, false>(entry, args),
            (Endian::Little, true) => self.exec::<false, true>(entry, args),
            (Endian::Big, false) => self.exec::<true, false>(entry, args),
            (Endian::Big, true) => self.exec::<true, true>(entry, args),
        }
    }

    fn exec<const BIG: bool, const CAREFUL: bool>(
        &mut self,
        entry: Entry,
        args: [u64; 5],
    ) -> Result<u64, Trap> {
        let image = self.image;
        let base = self.state.depth;
        let level = self.level(base)? + 1;
        let mut program = entry.program;
        let mut steps: &[Step] = image.steps(program);
        let mut cursor = Cursor::new(entry.slot as usize, self.state.left);
        let mut regs = [0u64; 16];
        if let Some(place) = regs.get_mut(1..6) {
            place.copy_from_slice(&args);
        }
        // the registers that hold something: only where it is looked at
        let mut known: Set = if entry.slot == 0 { AT_START } else { ARGUMENTS };
        // of a callback, this is where the function was called that calls back
        let (from_program, from_pc) = self.state.call_site;
        let frame = Frame {
            program: from_program,
            pc: from_pc,
            saved: [0; 4],
            level,
            known,
        };
        regs[10] = self.open_frame(base, frame);

        macro_rules! stop {
            ($trap:expr) => {{
                let trap: Trap = $trap;
                self.state.left = cursor.left();
                return Err(self.unwind(base, program, cursor.pc.wrapping_sub(1), &regs, trap));
            }};
        }
        macro_rules! attempt {
            ($result:expr) => {
                match $result {
                    Ok(value) => value,
                    Err(trap) => stop!(trap),
                }
            };
        }
        macro_rules! check_budget {
            () => {
                if cursor.left() < 0 {
                    stop!(self.out_of_budget())
                }
            };
        }
        macro_rules! jump {
            ($target:expr) => {{
                check_budget!();
                cursor.go($target);
            }};
        }
        macro_rules! dst {
            ($step:ident) => {
                regs[$step.dst()]
            };
        }
        macro_rules! src {
            ($step:ident) => {
                regs[$step.src()]
            };
        }
        macro_rules! load {
            ($step:ident, $size:literal) => {{
                let address = src!($step).wrapping_add(i64::from($step.offset) as u64);
                attempt!(self.load_slow::<$size, BIG>(address))
            }};
        }
        macro_rules! store {
            ($step:ident, $size:literal, $value:expr) => {{
                let address = dst!($step).wrapping_add(i64::from($step.offset) as u64);
                attempt!(self.store_slow::<$size, BIG>(address, $value))
            }};
        }
        macro_rules! call {
            ($target:expr) => {{
                check_budget!();
                let depth = self.state.depth;
                let level = attempt!(self.level(depth)) + 1;
                let frame = Frame {
                    program,
                    pc: cursor.pc,
                    saved: [regs[6], regs[7], regs[8], regs[9]],
                    level,
                    known,
                };
                known &= ARGUMENTS;
                regs[10] = self.open_frame(depth, frame);
                cursor.go($target);
            }};
        }
        macro_rules! exit {
            () => {{
                check_budget!();
                let depth = self.state.depth - 1;
                let frame = self.close_frame(depth);
                let Some(frame) = frame.copied().filter(|_| depth != base) else {
                    self.state.left = cursor.left();
                    return Ok(regs[0]);
                };
                known = after_call(frame.known, known);
                [regs[6], regs[7], regs[8], regs[9]] = frame.saved;
                regs[10] = self.frame_pointer(depth - 1);
                if frame.program != program {
                    program = frame.program;
                    steps = image.steps(program);
                }
                cursor.go(frame.pc);
            }};
        }
        macro_rules! function {
            ($function:expr, $number:expr) => {{
                check_budget!();
                self.state.left = cursor.left();
                self.state.call_site = (program, cursor.pc);
                let args = [regs[1], regs[2], regs[3], regs[4], regs[5]];
                let result = self.call_function($function, $number, program, args);
                cursor = Cursor::new(cursor.pc, self.state.left);
                regs[0] = attempt!(result);
            }};
        }
        macro_rules! packet {
            ($step:ident, $size:literal, $index:expr) => {{
                let at = ($step.offset).wrapping_add($index as i32);
                match attempt!(self.load_packet::<$size>(at, regs[6])) {
                    Some(value) => regs[0] = value,
                    // beyond the packet the function ends
                    None => {
                        regs[0] = 0;
                        exit!()
                    }
                }
            }};
        }

        loop {
            if CAREFUL && cursor.pc < steps.len() {
                let slot = cursor.pc;
                // what stops here stops at this slot
                cursor.pc += 1;
                known = attempt!(self.look_at_registers(program, slot, base, known));
                let control = self.observe(program, slot, &regs);
                if control == Control::Stop {
                    stop!(FaultKind::Stopped.into())
                }
                cursor.pc = slot;
            }
            let undone = plain::<BIG, CAREFUL>(steps, &mut self.state.memory, &mut regs, &mut cursor);
            if CAREFUL && !undone {
                continue;
            }
            let Some(step) = steps.get(cursor.pc) else {
                let target = cursor.pc as i64;
                cursor.pc = cursor.pc.wrapping_add(1);
                stop!(FaultKind::Jump { target }.into())
            };
            cursor.pc += 1;
            match_accesses! {
                step.what; step dst src load store;
                Do::Atomic32 => attempt!(self.atomic::<4, BIG>(*step, &mut regs)),
                Do::Atomic64 => attempt!(self.atomic::<8, BIG>(*step, &mut regs)),
                Do::LoadAbs8 => packet!(step, 1, 0u64),
                Do::LoadAbs16 => packet!(step, 2, 0u64),
                Do::LoadAbs32 => packet!(step, 4, 0u64),
                Do::LoadInd8 => packet!(step, 1, src!(step)),
                Do::LoadInd16 => packet!(step, 2, src!(step)),
                Do::LoadInd32 => packet!(step, 4, src!(step)),
                Do::JumpIndirect => match code_at(dst!(step)) {
                    Some((to, slot)) if to == program && image.begins(program, slot) => jump!(slot as usize),
                    _ => stop!(FaultKind::CodeAddress { address: dst!(step) }.into()),
                },
                Do::MayGoto => {
                    if self.may_goto() {
                        jump!(step.target())
                    }
                }
                Do::CallHelper if step.imm == TAIL_CALL && image.tail_calls => {
                    check_budget!();
                    if let Some(to) = attempt!(self.tail_call(regs[2], regs[3])) {
                        program = to;
                        steps = image.steps(program);
                        cursor.go(0);
                        known = AT_START;
                        regs[10] = self.begin_anew();
                    }
                }
                Do::CallHelper => function!(image.helper(step.imm), step.imm),
                Do::CallKfunc => function!(image.kfunc(step.imm), step.imm | KFUNC),
                Do::CallFunction => call!(step.target()),
                Do::CallReg => match code_at(dst!(step)) {
                    Some((to, slot)) if to == program && image.begins(program, slot) => call!(slot as usize),
                    _ => stop!(FaultKind::CodeAddress { address: dst!(step) }.into()),
                },
                Do::Exit => exit!(),
                Do::Missing => {
                    let missing = Missing::from_helper(step.imm as i32).unwrap_or(Missing::Core);
                    stop!(FaultKind::Missing(missing).into())
                }
                Do::FramePointer => stop!(FaultKind::FramePointer.into()),
                Do::Hole => stop!(
                    FaultKind::Jump {
                        target: cursor.pc as i64 - 1
                    }
                    .into()
                ),
                Do::Invalid => stop!(FaultKind::Instruction.into()),
                // plain steps that jump too far, or out of the program
                _ => {
                    check_budget!();
                    let target = step.target() as i64;
                    stop!(FaultKind::Jump { target }.into())
                }
            }
        }
    }

    #[cold]
    fn out_of_budget(&self) -> Trap {
        FaultKind::Budget {
            limit: self.state.budget,
        }
        .into()
    }

    /// Calls a helper or kernel function.
    pub(crate) fn call_function(
        &mut self,
        function: Option<&Function>,
        number: u64,
        program: usize,
        args: [u64; 5],
    ) -> Result<u64, Trap> {
        let Some(function) = function else {
            return Err(self.image.no_function(number).into());
        };
        let mut call = crate::helper::Call {
            run: Run {
                image: self.image,
                state: &mut *self.state,
                observer: self
                    .observer
                    .as_deref_mut()
                    .map(|observer| observer as &mut dyn Observer),
            },
            args,
            number,
            program,
        };
        match function {
            Function::Builtin(function) => function(&mut call),
            Function::Host(function) => function(&mut call),
        }
    }
}

/// Marks the numbers of kernel functions, to tell them from those of helpers.
pub(crate) const KFUNC: u64 = 1 << 32;
