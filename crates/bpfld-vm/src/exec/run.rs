//! The loop.

use bpfld_object::poison::Missing;

use crate::address::code_at;
use crate::code::{ARGUMENTS, AT_START, Do, Set, Step, after_call, operations};
use crate::fault::{FaultKind, Trap};
use crate::helper::Function;
use crate::image::Image;
use crate::memory::{MAX_CALLS, MAX_FRAMES};
use crate::observe::{Control, Observer};
use crate::state::{Frame, State};

/// How often a loop goes round by `may_goto`: the kernel's number.
const MAY_GOTO: u32 = 8 * 1024 * 1024;

/// The number of the helper that changes to another program.
const TAIL_CALL: u64 = 12;
/// How often that may be, as in the kernel.
const MAX_TAIL_CALLS: u32 = 33;

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

macro_rules! dispatch {
    (
        { $run:ident $regs:ident $step:ident $what:expr; $jump:ident; $($rest:tt)* }
        alu { $($alu:ident $ai64:ident $ar64:ident $ai32:ident $ar32:ident: $a64:expr, $a32:expr;)* }
        jump { $($cond:ident $ji64:ident $jr64:ident $ji32:ident $jr32:ident: $j64:expr, $j32:expr;)* }
    ) => {
        match $what {
            $(
                Do::$ai64 => {
                    let dst = $regs[$step.dst()];
                    $regs[$step.dst()] = ($a64)(dst, $step.imm);
                }
                Do::$ar64 => {
                    let dst = $regs[$step.dst()];
                    $regs[$step.dst()] = ($a64)(dst, $regs[$step.src()]);
                }
                Do::$ai32 => {
                    let dst = $regs[$step.dst()] as u32;
                    $regs[$step.dst()] = u64::from(($a32)(dst, $step.imm as u32));
                }
                Do::$ar32 => {
                    let dst = $regs[$step.dst()] as u32;
                    let src = $regs[$step.src()] as u32;
                    $regs[$step.dst()] = u64::from(($a32)(dst, src));
                }
            )*
            $(
                Do::$ji64 => if ($j64)($regs[$step.dst()], $step.imm) { $jump!($step.target()) }
                Do::$jr64 => if ($j64)($regs[$step.dst()], $regs[$step.src()]) {
                    $jump!($step.target())
                }
                Do::$ji32 => if ($j32)($regs[$step.dst()] as u32, $step.imm as u32) {
                    $jump!($step.target())
                }
                Do::$jr32 => if ($j32)($regs[$step.dst()] as u32, $regs[$step.src()] as u32) {
                    $jump!($step.target())
                }
            )*
            $($rest)*
        }
    };
}

impl Run<'_> {
    /// Runs a function to its end, in a frame of its own, and returns r0.
    pub(crate) fn enter(&mut self, entry: Entry, args: [u64; 5]) -> Result<u64, Trap> {
        use bpfld_insn::Endian;
        match (self.image.endian, self.image.doubtful || self.observer.is_some()) {
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
        let mut pc = entry.slot as usize;
        // where what has not been counted yet begins
        let mut from = pc;
        let mut left = self.state.left;
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
                self.state.left = left - (pc - from) as i64;
                return Err(self.unwind(base, program, pc.wrapping_sub(1), &regs, trap));
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
        macro_rules! jump {
            ($target:expr) => {{
                left -= (pc - from) as i64;
                if left < 0 {
                    from = pc;
                    stop!(self.out_of_budget())
                }
                pc = $target;
                from = pc;
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
                match self.state.memory.load::<$size, BIG>(address) {
                    Some(value) => value,
                    None => attempt!(self.load_slow::<$size, BIG>(address)),
                }
            }};
        }
        macro_rules! store {
            ($step:ident, $size:literal, $value:expr) => {{
                let address = dst!($step).wrapping_add(i64::from($step.offset) as u64);
                let value = $value;
                if !self.state.memory.store::<$size, BIG>(address, value) {
                    attempt!(self.store_slow::<$size, BIG>(address, value));
                }
            }};
        }
        macro_rules! call {
            ($target:expr) => {{
                let depth = self.state.depth;
                left -= (pc - from) as i64;
                from = pc;
                if left < 0 {
                    stop!(self.out_of_budget())
                }
                let level = attempt!(self.level(depth)) + 1;
                let frame = Frame {
                    program,
                    pc,
                    saved: [regs[6], regs[7], regs[8], regs[9]],
                    level,
                    known,
                };
                known &= ARGUMENTS;
                regs[10] = self.open_frame(depth, frame);
                pc = $target;
                from = pc;
            }};
        }
        macro_rules! exit {
            () => {{
                left -= (pc - from) as i64;
                from = pc;
                if left < 0 {
                    stop!(self.out_of_budget())
                }
                let depth = self.state.depth - 1;
                let frame = self.close_frame(depth);
                if depth == base {
                    self.state.left = left;
                    return Ok(regs[0]);
                }
                known = after_call(frame.known, known);
                [regs[6], regs[7], regs[8], regs[9]] = frame.saved;
                regs[10] = self.frame_pointer(depth - 1);
                if frame.program != program {
                    program = frame.program;
                    steps = image.steps(program);
                }
                pc = frame.pc;
                from = pc;
            }};
        }
        macro_rules! function {
            ($function:expr, $number:expr) => {{
                left -= (pc - from) as i64;
                from = pc;
                if left < 0 {
                    stop!(self.out_of_budget())
                }
                self.state.left = left;
                self.state.call_site = (program, pc);
                let args = [regs[1], regs[2], regs[3], regs[4], regs[5]];
                let result = self.call_function($function, $number, program, args);
                left = self.state.left;
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

        // who looks at each instruction is to see the second, too
        macro_rules! joined {
            ($step:ident, |$next:ident| $other:expr) => {{
                dst!($step) = dst!($step).wrapping_add($step.imm);
                if !CAREFUL && let Some($next) = steps.get(pc) {
                    pc += 1;
                    if dst!($next) != $other {
                        jump!($next.target())
                    }
                }
            }};
        }

        loop {
            // by reference: copied, its parts would be read from where it was just written, which takes time
            let Some(step) = steps.get(pc) else {
                let target = pc as i64;
                pc = pc.wrapping_add(1);
                stop!(FaultKind::Jump { target }.into())
            };
            pc += 1;
            if CAREFUL {
                known = attempt!(self.look_at_registers(program, pc - 1, base, known));
                let control = self.observe(program, pc - 1, &regs);
                if control == Control::Stop {
                    stop!(FaultKind::Stopped.into())
                }
            }
            operations! { dispatch! {
                self regs step step.what; jump;
                Do::Hole => stop!(FaultKind::Jump { target: pc as i64 - 1 }.into()),
                Do::Const => {
                    dst!(step) = step.imm;
                    pc += 1;
                }
                Do::Neg64 => dst!(step) = dst!(step).wrapping_neg(),
                Do::Neg32 => dst!(step) = u64::from((dst!(step) as u32).wrapping_neg()),
                Do::Le16 => dst!(step) = u64::from(order16::<BIG>(dst!(step) as u16)),
                Do::Le32 => dst!(step) = u64::from(order32::<BIG>(dst!(step) as u32)),
                Do::Le64 => dst!(step) = if BIG { dst!(step).swap_bytes() } else { dst!(step) },
                Do::Be16 => dst!(step) = u64::from(if BIG { dst!(step) as u16 } else { (dst!(step) as u16).swap_bytes() }),
                Do::Be32 => dst!(step) = u64::from(if BIG { dst!(step) as u32 } else { (dst!(step) as u32).swap_bytes() }),
                Do::Be64 => dst!(step) = if BIG { dst!(step) } else { dst!(step).swap_bytes() },
                Do::Swap16 => dst!(step) = u64::from((dst!(step) as u16).swap_bytes()),
                Do::Swap32 => dst!(step) = u64::from((dst!(step) as u32).swap_bytes()),
                Do::Swap64 => dst!(step) = dst!(step).swap_bytes(),
                Do::MovSx8To64 => dst!(step) = src!(step) as i8 as u64,
                Do::MovSx16To64 => dst!(step) = src!(step) as i16 as u64,
                Do::MovSx32To64 => dst!(step) = src!(step) as i32 as u64,
                Do::MovSx8To32 => dst!(step) = u64::from(src!(step) as i8 as u32),
                Do::MovSx16To32 => dst!(step) = u64::from(src!(step) as i16 as u32),
                Do::CastToProgram => dst!(step) = step.imm | u64::from(src!(step) as u32),
                Do::CastToUser => dst!(step) = u64::from(src!(step) as u32),
                Do::LoadAbs8 => packet!(step, 1, 0u64),
                Do::LoadAbs16 => packet!(step, 2, 0u64),
                Do::LoadAbs32 => packet!(step, 4, 0u64),
                Do::LoadInd8 => packet!(step, 1, src!(step)),
                Do::LoadInd16 => packet!(step, 2, src!(step)),
                Do::LoadInd32 => packet!(step, 4, src!(step)),
                Do::Load8 => dst!(step) = load!(step, 1),
                Do::Load16 => dst!(step) = load!(step, 2),
                Do::Load32 => dst!(step) = load!(step, 4),
                Do::Load64 => dst!(step) = load!(step, 8),
                Do::LoadSx8 => dst!(step) = load!(step, 1) as i8 as u64,
                Do::LoadSx16 => dst!(step) = load!(step, 2) as i16 as u64,
                Do::LoadSx32 => dst!(step) = load!(step, 4) as i32 as u64,
                Do::StoreImm8 => store!(step, 1, step.imm),
                Do::StoreImm16 => store!(step, 2, step.imm),
                Do::StoreImm32 => store!(step, 4, step.imm),
                Do::StoreImm64 => store!(step, 8, step.imm),
                Do::StoreReg8 => store!(step, 1, src!(step)),
                Do::StoreReg16 => store!(step, 2, src!(step)),
                Do::StoreReg32 => store!(step, 4, src!(step)),
                Do::StoreReg64 => store!(step, 8, src!(step)),
                Do::Atomic32 => attempt!(self.atomic::<4, BIG>(*step, &mut regs)),
                Do::Atomic64 => attempt!(self.atomic::<8, BIG>(*step, &mut regs)),
                Do::AddThenNeImm64 => joined!(step, |next| next.imm),
                Do::AddThenNeReg64 => joined!(step, |next| src!(next)),
                Do::Nothing => {}
                Do::Jump => jump!(step.target()),
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
                    left -= (pc - from) as i64;
                    from = pc;
                    if left < 0 {
                        stop!(self.out_of_budget())
                    }
                    if let Some(to) = attempt!(self.tail_call(regs[2], regs[3])) {
                        program = to;
                        steps = image.steps(program);
                        pc = 0;
                        from = 0;
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
                Do::Invalid => stop!(FaultKind::Instruction.into()),
            } }
        }
    }

    #[cold]
    fn out_of_budget(&self) -> Trap {
        FaultKind::Budget {
            limit: self.state.budget,
        }
        .into()
    }

    /// How many functions of the current program are running, if there may be one more.
    #[inline]
    fn level(&self, depth: usize) -> Result<u32, Trap> {
        let frame = depth.checked_sub(1).and_then(|last| self.state.frames.get(last));
        let level = frame.map_or(0, |frame| frame.level);
        if level >= MAX_CALLS || depth >= MAX_FRAMES {
            return Err(FaultKind::CallDepth {
                limit: MAX_CALLS as usize,
            }
            .into());
        }
        Ok(level)
    }

    /// The frame of a function becomes that of a program that it changed to.
    fn begin_anew(&mut self) -> u64 {
        let depth = self.state.depth - 1;
        if let Some(frame) = self.state.frames.get_mut(depth) {
            frame.level = 1;
        }
        self.state.memory.enter_frame(depth)
    }

    #[inline]
    fn open_frame(&mut self, depth: usize, frame: Frame) -> u64 {
        let state = &mut *self.state;
        state.depth = depth + 1;
        if let Some(place) = state.frames.get_mut(depth) {
            *place = frame;
        }
        if let Some(count) = state.may_goto.get_mut(depth) {
            *count = MAY_GOTO;
        }
        state.memory.enter_frame(depth)
    }

    #[inline]
    fn close_frame(&mut self, depth: usize) -> Frame {
        self.state.depth = depth;
        self.state.memory.leave_frame(depth);
        self.state.frames.get(depth).copied().unwrap_or_default()
    }

    #[inline]
    fn frame_pointer(&self, depth: usize) -> u64 {
        use crate::address::{GuestAddr, RegionId};
        let region = RegionId(RegionId::STACK.0 + depth as u32);
        GuestAddr::new(region, crate::memory::STACK_BYTES as u64).0
    }

    /// Whether the loop's budget is used up.
    fn may_goto(&mut self) -> bool {
        let depth = self.state.depth.wrapping_sub(1);
        match self.state.may_goto.get_mut(depth) {
            Some(left) if *left > 0 => {
                *left -= 1;
                false
            }
            _ => true,
        }
    }

    /// The program that a tail call leads to, if any.
    fn tail_call(&mut self, map: u64, index: u64) -> Result<Option<usize>, Trap> {
        use crate::map::Contents;
        let found = crate::address::map_at(map).and_then(|map| self.state.maps.get(map));
        let Some(Contents::Programs(slots)) = found.map(|map| &map.contents) else {
            let problem = "no program array";
            return Err(FaultKind::Argument {
                function: "bpf_tail_call".into(),
                number: 2,
                problem: problem.into(),
            }
            .into());
        };
        let target = slots.get(index as u32 as usize).copied().flatten();
        if self.state.tail_calls >= MAX_TAIL_CALLS {
            return Ok(None);
        }
        let Some(target) = target else {
            return Ok(None);
        };
        self.state.tail_calls += 1;
        Ok(Some(target))
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

#[inline(always)]
fn order16<const BIG: bool>(value: u16) -> u16 {
    if BIG { value.swap_bytes() } else { value }
}

#[inline(always)]
fn order32<const BIG: bool>(value: u32) -> u32 {
    if BIG { value.swap_bytes() } else { value }
}
