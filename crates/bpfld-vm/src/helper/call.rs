//! A call as the called function sees it.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use bpfld_insn::{Endian, Helper};
use bpfld_sys::{Errno, ProgramType};

use crate::address::{GuestAddr, code_at, map_at};
use crate::exec::{Entry, KFUNC, Run};
use crate::fault::{FaultKind, Trap};
use crate::map::Map;
use crate::scenario::Scenario;
use crate::state::State;

/// What a function of this crate or of the host's is.
#[derive(Clone)]
pub(crate) enum Function {
    Builtin(fn(&mut Call<'_>) -> Result<u64, Trap>),
    Host(Arc<HostFunction>),
}

/// A function of the host's.
type HostFunction = dyn Fn(&mut Call<'_>) -> Result<u64, Trap> + Send + Sync;

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Builtin(_) => "Builtin",
            Self::Host(_) => "Host",
        })
    }
}

/// A call of a helper or kernel function: its arguments, and the machine around it.
///
/// Functions that the host registers get it. What they return is r0; a [`Trap`] stops the program.
pub struct Call<'m> {
    pub(crate) run: Run<'m>,
    pub(crate) args: [u64; 5],
    pub(crate) number: u64,
    pub(crate) program: usize,
}

impl fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("function", &self.name())
            .field("args", &self.args)
            .finish_non_exhaustive()
    }
}

/// Longest string that is read from guest memory.
const LONGEST: usize = 1 << 16;

impl Call<'_> {
    /// The arguments, r1 to r5.
    #[must_use]
    pub fn args(&self) -> [u64; 5] {
        self.args
    }

    /// The world around, to be read and changed.
    pub fn scenario(&mut self) -> &mut Scenario {
        &mut self.run.state.scenario
    }

    /// The order of bytes in guest memory.
    #[must_use]
    pub fn endian(&self) -> Endian {
        self.run.image.endian
    }

    /// Bytes of guest memory.
    ///
    /// # Errors
    ///
    /// The program could not read them either.
    pub fn read(&self, address: u64, len: usize) -> Result<&[u8], Trap> {
        self.run.state.memory.slice(address, len)
    }

    /// Writes to guest memory.
    ///
    /// # Errors
    ///
    /// The program could not write there either. Nothing is written then.
    pub fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), Trap> {
        self.run
            .state
            .memory
            .slice_mut(address, bytes.len())?
            .copy_from_slice(bytes);
        Ok(())
    }

    /// A string in guest memory, up to its NUL byte.
    ///
    /// # Errors
    ///
    /// It cannot be read, or memory ends before the string.
    pub fn read_string(&self, address: u64) -> Result<Vec<u8>, Trap> {
        let text = self.read_text(address, LONGEST)?;
        match text.len() < LONGEST {
            true => Ok(text),
            false => Err(Trap::new(alloc::format!("the string at {address:#x} has no end"))),
        }
    }

    /// A string, or so many bytes of it, if it is longer.
    pub(crate) fn read_text(&self, address: u64, most: usize) -> Result<Vec<u8>, Trap> {
        let memory = &self.run.state.memory;
        let readable = memory.readable(address, most)?;
        let bytes = memory.slice(address, readable)?;
        let end = bytes.iter().position(|byte| *byte == 0);
        match end.or((readable == most).then_some(most)) {
            Some(end) => Ok(bytes.iter().copied().take(end).collect()),
            None => Err(Trap::new(alloc::format!("the string at {address:#x} has no end"))),
        }
    }

    /// Calls a function of the program: a callback that it passed as an argument.
    ///
    /// # Errors
    ///
    /// The address is that of no function, too many are running, or it stops by a fault.
    pub fn callback(&mut self, address: u64, args: [u64; 5]) -> Result<u64, Trap> {
        let place = code_at(address).filter(|(program, slot)| self.run.image.begins(*program, *slot));
        let (program, slot) = place.ok_or(FaultKind::CodeAddress { address })?;
        self.run.enter(Entry { program, slot }, args)
    }

    /// The name of the function that is called.
    pub(crate) fn name(&self) -> Cow<'static, str> {
        if self.number & KFUNC != 0 {
            let kfunc = self.run.image.kfuncs.get((self.number & !KFUNC) as usize);
            return kfunc.map_or("kfunc".into(), |kfunc| String::from(&*kfunc.name).into());
        }
        match Helper(self.number as u32).name() {
            Some(name) => alloc::format!("bpf_{name}").into(),
            None => "helper".into(),
        }
    }

    /// Takes work that grows with its input off the budget, which the next jump looks at.
    pub(crate) fn charge(&mut self, steps: usize) {
        let state = &mut *self.run.state;
        state.left = state
            .left
            .saturating_sub(i64::try_from(steps).unwrap_or(i64::MAX));
    }

    pub(crate) fn state(&mut self) -> &mut State {
        self.run.state
    }

    pub(crate) fn cpu(&self) -> u32 {
        self.run
            .state
            .scenario
            .cpu
            .min(self.run.image.cpus.saturating_sub(1))
    }

    pub(crate) fn program_type(&self) -> ProgramType {
        let program = self.run.image.programs.get(self.program);
        program.map_or(ProgramType::UNSPEC, |program| program.program_type)
    }

    /// A fault about an argument.
    #[cold]
    pub(crate) fn bad(&self, number: u8, problem: impl Into<Cow<'static, str>>) -> Trap {
        FaultKind::Argument {
            function: self.name(),
            number,
            problem: problem.into(),
        }
        .into()
    }

    /// The number of the map that an argument is.
    pub(crate) fn map_number(&self, argument: usize) -> Result<usize, Trap> {
        let address = self.args.get(argument).copied().unwrap_or(0);
        map_at(address)
            .filter(|map| *map < self.run.state.maps.len())
            .ok_or_else(|| self.bad(argument as u8 + 1, "no map"))
    }

    /// The map that an argument is.
    pub(crate) fn map(&mut self, argument: usize) -> Result<(usize, &mut Map), Trap> {
        let number = self.map_number(argument)?;
        let trap = FaultKind::Instruction;
        let map = self.run.state.maps.get_mut(number).ok_or(trap)?;
        Ok((number, map))
    }

    /// Puts a number into memory, in the order of the guest.
    pub(crate) fn write_number(&mut self, address: u64, value: u64, size: usize) -> Result<(), Trap> {
        match self.endian() {
            Endian::Little => self.write(address, value.to_le_bytes().get(..size).unwrap_or_default()),
            Endian::Big => self.write(address, value.to_be_bytes().get(8 - size..).unwrap_or_default()),
        }
    }

    /// A number in memory, in the order of the guest.
    pub(crate) fn read_u64(&self, address: u64) -> Result<u64, Trap> {
        let bytes = self.read(address, 8)?.first_chunk().copied().unwrap_or_default();
        Ok(match self.endian() {
            Endian::Little => u64::from_le_bytes(bytes),
            Endian::Big => u64::from_be_bytes(bytes),
        })
    }

    /// A signed number of 32 bits in memory, in the order of the guest.
    pub(crate) fn read_i32(&self, address: u64) -> Result<i32, Trap> {
        let bytes = self.read(address, 4)?.first_chunk().copied().unwrap_or_default();
        Ok(match self.endian() {
            Endian::Little => i32::from_le_bytes(bytes),
            Endian::Big => i32::from_be_bytes(bytes),
        })
    }

    /// Fails unless an argument is the context of the run.
    pub(crate) fn context(&self, argument: usize) -> Result<(), Trap> {
        let address = self.args.get(argument).copied().unwrap_or(0);
        if address == GuestAddr::new(crate::address::RegionId::CONTEXT, 0).0 {
            return Ok(());
        }
        Err(self.bad(argument as u8 + 1, "not the context"))
    }
}

/// An error number as helpers return it.
pub(crate) fn errno(errno: Errno) -> u64 {
    i64::from(errno.0).wrapping_neg() as u64
}

/// Zero, or an error number.
pub(crate) fn status(result: Result<(), Errno>) -> u64 {
    match result {
        Ok(()) => 0,
        Err(error) => errno(error),
    }
}
