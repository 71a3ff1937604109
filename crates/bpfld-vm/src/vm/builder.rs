//! Options for loading.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use bpfld_btf::Btf;
use bpfld_insn::Endian;
use bpfld_object::Object;
use bpfld_sys::ProgramType;
use zerocopy::{Immutable, IntoBytes};

use super::{Error, Setting, Vm};

/// What to do when a program reads stack that it has not written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Uninitialised {
    /// It is a fault, as for the kernel's verifier when it loads for users without privileges.
    #[default]
    Fault,
    /// It reads what was there before, as programs of privileged users may (Linux 6.4).
    Stale,
}

/// Options for loading an object. Made by [`Vm::builder`].
///
/// ```
/// use bpfld_vm::Vm;
///
/// let mut builder = Vm::builder();
/// builder.cpus(4).kconfig("CONFIG_HZ", 1000).budget(10_000);
/// ```
#[derive(Clone, Debug)]
pub struct Builder {
    pub(crate) cpus: u32,
    pub(crate) budget: u64,
    pub(crate) memory: usize,
    pub(crate) uninitialised: Uninitialised,
    pub(crate) aligned: bool,
    pub(crate) target: Option<Arc<Btf>>,
    pub(crate) kconfig: BTreeMap<String, Setting>,
    pub(crate) globals: BTreeMap<String, Vec<u8>>,
    pub(crate) variables: BTreeMap<String, Vec<u8>>,
    pub(crate) max_entries: BTreeMap<String, u32>,
    pub(crate) program_types: BTreeMap<String, ProgramType>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            cpus: 1,
            budget: 100_000_000,
            memory: 1 << 30,
            uninitialised: Uninitialised::default(),
            aligned: false,
            target: None,
            kconfig: BTreeMap::new(),
            globals: BTreeMap::new(),
            variables: BTreeMap::new(),
            max_entries: BTreeMap::new(),
            program_types: BTreeMap::new(),
        }
    }
}

impl Builder {
    /// How many processors there are: values that each key of a per-CPU map has. 1 unless said otherwise; at most 4096.
    pub fn cpus(&mut self, cpus: u32) -> &mut Self {
        self.cpus = cpus.clamp(1, 4096);
        self
    }

    /// How many instruction slots a run may take; 100 million unless said otherwise.
    pub fn budget(&mut self, slots: u64) -> &mut Self {
        self.budget = slots;
        self
    }

    /// How many bytes all maps together may take; 1 GiB unless said otherwise.
    pub fn memory_limit(&mut self, bytes: usize) -> &mut Self {
        self.memory = bytes;
        self
    }

    /// What to do when a program reads stack that it has not written.
    pub fn uninitialised(&mut self, what: Uninitialised) -> &mut Self {
        self.uninitialised = what;
        self
    }

    /// Makes every access that is not aligned a fault, as on machines that need it. Atomic operations always must be.
    pub fn strict_alignment(&mut self) -> &mut Self {
        self.aligned = true;
        self
    }

    /// The types that CO-RE relocations are answered from, such as those of a kernel. Without, the object's own.
    pub fn core_btf(&mut self, types: Arc<Btf>) -> &mut Self {
        self.target = Some(types);
        self
    }

    /// A value of the kernel's configuration, for `__kconfig` variables.
    pub fn kconfig(&mut self, name: impl Into<String>, value: impl Into<Setting>) -> &mut Self {
        self.kconfig.insert(name.into(), value.into());
        self
    }

    /// The value that a global variable begins with, constants among them; in the order of the guest.
    pub fn global<T: IntoBytes + Immutable + ?Sized>(
        &mut self,
        name: impl Into<String>,
        value: &T,
    ) -> &mut Self {
        self.globals.insert(name.into(), value.as_bytes().to_vec());
        self
    }

    /// A variable of the kernel (`__ksym`): what the program finds at its address.
    pub fn kernel_variable<T: IntoBytes + Immutable + ?Sized>(
        &mut self,
        name: impl Into<String>,
        value: &T,
    ) -> &mut Self {
        self.variables.insert(name.into(), value.as_bytes().to_vec());
        self
    }

    /// Another number of entries for a map.
    pub fn max_entries(&mut self, map: impl Into<String>, entries: u32) -> &mut Self {
        self.max_entries.insert(map.into(), entries);
        self
    }

    /// The type of a program whose section name does not tell it.
    pub fn program_type(&mut self, program: impl Into<String>, program_type: ProgramType) -> &mut Self {
        self.program_types.insert(program.into(), program_type);
        self
    }

    /// Loads an object. Programs that cannot be linked do not keep the others from being loaded: asking for one of
    /// them says why.
    ///
    /// # Errors
    ///
    /// A map cannot be made, a value of the configuration is missing, or an option names what the object does not have.
    pub fn load(&self, object: &Object) -> Result<Vm, Error> {
        super::load::load(self, object)
    }

    /// A machine without an object, for programs and maps that are added one by one.
    #[must_use]
    pub fn empty(&self, endian: Endian) -> Vm {
        Vm::new(self, endian)
    }
}
