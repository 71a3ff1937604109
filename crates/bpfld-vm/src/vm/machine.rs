//! The machine.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use bpfld_insn::{Endian, Helper, Slot};
use bpfld_object::{Object, Variable};
use bpfld_sys::ProgramType;
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::bind::Addresses;
use super::{Builder, Error, Map, Program, Uninitialised};
use crate::address::GuestAddr;
use crate::code::{effects, is_doubtful, translate};
use crate::exec::{Entry, Run};
use crate::fault::{Fault, Trap};
use crate::helper::{Call, Function, HELPERS, builtin_kfunc};
use crate::image::Image;
use crate::map::{Map as Contents, MapSpec};
use crate::memory::Rights;
use crate::program::Code;
use crate::scenario::Scenario;
use crate::state::{State, add_memory};

/// A machine with the programs and maps of an object, or with those that were added to it.
///
/// A clone is a snapshot: memory, maps and the world around go on apart from then on.
#[derive(Clone, Debug)]
pub struct Vm {
    pub(crate) image: Image,
    pub(crate) state: State,
    /// The number of each program, or why it is not there.
    pub(crate) programs: BTreeMap<String, Result<usize, Error>>,
    pub(crate) variables: Vec<Variable>,
}

impl Vm {
    /// Loads an object with the default options.
    ///
    /// # Errors
    ///
    /// As for [`Builder::load`].
    pub fn load(object: &Object) -> Result<Self, Error> {
        Builder::default().load(object)
    }

    /// Options for loading.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(super) fn new(builder: &Builder, endian: Endian) -> Self {
        let mut state = State::new(builder.budget);
        state.memory.tracks_written = builder.uninitialised == Uninitialised::Fault;
        state.memory.aligned = builder.aligned;
        state.memory.left = builder.memory;
        let most = HELPERS.iter().map(|(helper, _)| helper.0).max().unwrap_or(0) as usize;
        let mut helpers = Vec::new();
        helpers.resize(most + 1, None);
        for (helper, function) in HELPERS {
            if let Some(place) = helpers.get_mut(helper.0 as usize) {
                *place = Some(Function::Builtin(*function));
            }
        }
        Self {
            image: Image {
                endian,
                programs: Vec::new(),
                helpers,
                kfuncs: Vec::new(),
                tail_calls: true,
                doubtful: false,
                cpus: builder.cpus,
            },
            state,
            programs: BTreeMap::new(),
            variables: Vec::new(),
        }
    }

    /// The program of this name.
    ///
    /// # Errors
    ///
    /// There is none, or it could not be loaded.
    pub fn program(&mut self, name: &str) -> Result<Program<'_>, Error> {
        let found = self
            .programs
            .get(name)
            .ok_or_else(|| Error::not_found("program", name))?;
        let number = found.clone()?;
        Ok(Program::new(self, number))
    }

    /// The names of all programs, those among them that could not be loaded.
    pub fn program_names(&self) -> impl Iterator<Item = &str> {
        self.programs.keys().map(String::as_str)
    }

    /// The map of this name.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn map(&mut self, name: &str) -> Result<Map<'_>, Error> {
        let found = self.state.maps.iter().position(|map| map.spec.name == name);
        let number = found.ok_or_else(|| Error::not_found("map", name))?;
        Ok(Map::new(self, number))
    }

    /// The map of this number: numbers count from 0, in the order in which maps were added, or in the object's.
    #[must_use]
    pub fn map_at(&mut self, number: usize) -> Option<Map<'_>> {
        (number < self.state.maps.len()).then(|| Map::new(self, number))
    }

    /// What all maps are made as, by number.
    pub fn maps(&self) -> impl Iterator<Item = &MapSpec> {
        self.state.maps.iter().map(|map| &map.spec)
    }

    /// The value of a global variable, in the order of the guest.
    ///
    /// # Errors
    ///
    /// There is none of this name, or it has another size.
    pub fn global<T: FromBytes>(&self, name: &str) -> Result<T, Error> {
        let (map, range) = self.variable(name, size_of::<T>())?;
        let region = self
            .state
            .maps
            .get(map)
            .and_then(|map| self.state.memory.region(map.region));
        let bytes = region.and_then(|region| region.bytes.get(range));
        bytes
            .and_then(|bytes| T::read_from_bytes(bytes).ok())
            .ok_or_else(|| Error::new("global variable", name, "it lies outside of its map"))
    }

    /// Sets a global variable, constants among them, in the order of the guest.
    ///
    /// # Errors
    ///
    /// There is none of this name, or it has another size.
    pub fn set_global<T: IntoBytes + Immutable + ?Sized>(
        &mut self,
        name: &str,
        value: &T,
    ) -> Result<(), Error> {
        let bytes = value.as_bytes();
        let (map, range) = self.variable(name, bytes.len())?;
        let region = self.state.maps.get(map).map(|map| map.region);
        let region = region.and_then(|region| self.state.memory.region_mut(region));
        let place = region.and_then(|region| region.bytes.get_mut(range));
        place
            .ok_or_else(|| Error::new("global variable", name, "it lies outside of its map"))?
            .copy_from_slice(bytes);
        Ok(())
    }

    fn variable(&self, name: &str, size: usize) -> Result<(usize, core::ops::Range<usize>), Error> {
        let variable = self.variables.iter().find(|variable| &*variable.name == name);
        let variable = variable.ok_or_else(|| Error::not_found("global variable", name))?;
        if variable.size as usize != size {
            let problem = alloc::format!("it has {} bytes, not {size}", variable.size);
            return Err(Error::new("global variable", name, problem));
        }
        let map = variable.map.index();
        let before = match self.state.maps.get(map).map(|map| &map.contents) {
            Some(crate::map::Contents::Arena { .. }) => crate::map::PAGE,
            _ => 0,
        };
        let start = before + variable.offset as usize;
        Ok((map, start..start + size))
    }

    /// Adds a map; programs refer to it by the number that this returns, as if it were a descriptor.
    ///
    /// # Errors
    ///
    /// It cannot be made with these sizes, or would take too much memory.
    pub fn add_map(&mut self, spec: MapSpec) -> Result<usize, Error> {
        let name = spec.name.clone();
        let map = Contents::make(spec, self.image.cpus, &mut self.state.memory)
            .map_err(|problem| Error::new("map", name, problem))?;
        self.state.maps.push(map);
        Ok(self.state.maps.len() - 1)
    }

    /// Adds a program. Where it loads the address of a map by descriptor or index, the number is that of the map here.
    ///
    /// # Errors
    ///
    /// The instructions do not make a program: see [`CodeProblem`](crate::CodeProblem).
    pub fn add_program(
        &mut self,
        name: &str,
        program_type: ProgramType,
        slots: &[Slot],
    ) -> Result<Program<'_>, Error> {
        let number = self.image.programs.len();
        let addresses = Addresses {
            state: &self.state,
            program: number,
        };
        let steps =
            translate(slots, &addresses).map_err(|error| Error::new("program", name, error.to_string()))?;
        self.image.doubtful |= is_doubtful(slots, None);
        self.image.programs.push(Arc::new(Code {
            name: name.into(),
            program_type,
            exception_callback: None,
            slots: slots.to_vec(),
            steps,
            effects: effects(slots),
            functions: Vec::new(),
            lines: Vec::new(),
            btf: None,
        }));
        self.programs.insert(name.into(), Ok(number));
        Ok(Program::new(self, number))
    }

    /// Gives programs memory, such as a structure of the kernel that they read by `bpf_probe_read`. Returns where they
    /// find it.
    pub fn add_memory(&mut self, name: &str, bytes: impl Into<Vec<u8>>, rights: Rights) -> GuestAddr {
        add_memory(&mut self.state, name, bytes.into(), rights).into()
    }

    /// Bytes of guest memory.
    ///
    /// # Errors
    ///
    /// No program could read them.
    pub fn read_memory(&self, address: GuestAddr, len: usize) -> Result<&[u8], Trap> {
        self.state.memory.slice(address.0, len)
    }

    /// Registers a helper of the host's, or one instead of the machine's own.
    ///
    /// ```
    /// use bpfld_insn::Helper;
    /// use bpfld_vm::Vm;
    ///
    /// let mut vm = Vm::builder().empty(bpfld_insn::Endian::Little);
    /// vm.register_helper(Helper::GET_CURRENT_PID_TGID, |call| {
    ///     let task = call.scenario().task.clone();
    ///     Ok(u64::from(task.tgid) << 32 | 1)
    /// });
    /// ```
    pub fn register_helper(
        &mut self,
        helper: Helper,
        function: impl Fn(&mut Call<'_>) -> Result<u64, Trap> + Send + Sync + 'static,
    ) {
        const MOST: usize = 1 << 16;
        let number = helper.0 as usize;
        if number >= MOST {
            return;
        }
        if self.image.helpers.len() <= number {
            self.image.helpers.resize(number + 1, None);
        }
        if helper == Helper::TAIL_CALL {
            self.image.tail_calls = false;
        }
        if let Some(place) = self.image.helpers.get_mut(number) {
            *place = Some(Function::Host(Arc::new(function)));
        }
    }

    /// Registers a kernel function, by its name.
    pub fn register_kfunc(
        &mut self,
        name: &str,
        function: impl Fn(&mut Call<'_>) -> Result<u64, Trap> + Send + Sync + 'static,
    ) {
        let number = self.image.kfunc_number(name);
        if let Some(kfunc) = self.image.kfuncs.get_mut(number) {
            kfunc.function = Some(Function::Host(Arc::new(function)));
        }
    }

    /// The number by which programs that are added call a kernel function of this name, whether it is there or not.
    ///
    /// ```
    /// use bpfld_insn::{Endian, assemble};
    /// use bpfld_vm::{ProgramType, Vm};
    ///
    /// let mut vm = Vm::builder().empty(Endian::Little);
    /// let throw = vm.kfunc_number("bpf_throw");
    /// let code = assemble(&format!("r1 = 7\n call kfunc#{throw}\n exit")).unwrap();
    /// let mut program = vm.add_program("throws", ProgramType::XDP, code.slots()).unwrap();
    /// assert_eq!(program.run_on(&mut ()), Ok(7));
    /// ```
    pub fn kfunc_number(&mut self, name: &str) -> usize {
        let number = self.image.kfunc_number(name);
        self.link_kfuncs();
        number
    }

    /// The world around, to be read.
    #[must_use]
    pub fn scenario(&self) -> &Scenario {
        &self.state.scenario
    }

    /// The world around, to be changed.
    pub fn scenario_mut(&mut self) -> &mut Scenario {
        &mut self.state.scenario
    }

    /// What programs printed by `bpf_trace_printk` since the last time, line by line.
    pub fn take_printed(&mut self) -> Vec<String> {
        core::mem::take(&mut self.state.printed)
    }

    /// Moves the clock on. Timers that become due go off, in order; returns how many. All of them together have the budget of
    /// one run.
    ///
    /// # Errors
    ///
    /// The function of a timer stops by a fault; the clock stands at that timer then.
    pub fn advance(&mut self, nanoseconds: u64) -> Result<usize, Fault> {
        let until = self.state.scenario.time.saturating_add(nanoseconds);
        let mut fired = 0;
        self.state.begin();
        while let Some((due, address, timer)) = self.state.timers.next_due(until) {
            let state = &mut self.state;
            state.scenario.time = due.max(state.scenario.time);
            let Some((program, slot)) = crate::address::code_at(timer.callback) else {
                continue;
            };
            let map = crate::address::map_address(timer.map);
            let (key, value) = timer_arguments(state, timer.map, address, self.image.endian);
            state.timers.running = Some(address);
            let mut run = Run {
                image: &self.image,
                state,
                observer: None,
            };
            let result = run.enter(Entry { program, slot }, [map, key, value, 0, 0]);
            self.state.timers.running = None;
            result.map_err(|trap| self.image.fault(trap, self.state.stop.take()))?;
            fired += 1;
        }
        self.state.scenario.time = until;
        Ok(fired)
    }
}

/// Where the function of a timer finds the key and value.
fn timer_arguments(state: &mut State, map: usize, address: u64, endian: Endian) -> (u64, u64) {
    use crate::address::RegionId;
    let found = state.maps.get(map).and_then(|map| {
        let place = map.place_at(&state.memory, address)?;
        let key = map.key_at(place, endian)?;
        Some((key, map.value_address(&state.memory, place, 0)?))
    });
    let Some((key, value)) = found else {
        return (0, 0);
    };
    if let Some(region) = state.memory.region_mut(RegionId::KEYS) {
        region.bytes = key.to_vec();
        region.set_window(0, key.len());
    }
    (GuestAddr::new(RegionId::KEYS, 0).0, value)
}

impl Vm {
    /// Gives kernel functions that the machine has itself to calls that have none yet.
    pub(super) fn link_kfuncs(&mut self) {
        for kfunc in &mut self.image.kfuncs {
            if kfunc.function.is_none() {
                kfunc.function = builtin_kfunc(&kfunc.name).map(Function::Builtin);
            }
        }
    }
}
