//! An object made ready for this kernel: what will be made, found or refused is known; nothing has been made yet.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bpfld_btf::{Module, Targets};
use bpfld_features::{Feature, Probes};
use bpfld_object::{ExternIndex, ExternKind, MapDef, MapIndex, MapKind, Object, SlotValue, Variable};

use super::maps::MapPlan;
use super::object_btf::{self, ObjectBtf};
use super::options::{Loader, Options};
use super::resize;
use super::struct_ops::StructOps;
use crate::adaptation::{Adaptation, Adaptations, Measure};
use crate::error::{Error, ErrorKind, Subject};
use crate::externs::{self, Resolution};
use crate::kernel_btf::KernelBtf;
use crate::memlock::{self, Memlock};

/// An object together with everything that was learnt for it about this kernel.
///
/// Made by [`Loader::prepare`]; what [`Loader::load`] does in one go can be had from here piece by piece, program by
/// program. Things are looked up when first needed and kept: type information is loaded once for any number of programs.
///
/// ```no_run
/// use bpfld::{Loader, Object};
///
/// let object = Object::open("fw.bpf.o")?;
/// let loader = Loader::new();
/// let prepared = loader.prepare(&object)?;
/// for program in object.programs() {
///     match prepared.load_alone(&program.name) {
///         Ok(_) => println!("{}: ok", program.name),
///         Err(error) => println!("{}: {error}", program.name),
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Prepared<'a> {
    pub(crate) options: &'a Options,
    pub(crate) object: &'a Object,
    pub(crate) probes: Probes,
    pub(crate) license: CString,
    pub(crate) maps: Vec<MapPlan<'a>>,
    pub(crate) variables: Vec<Variable>,
    /// Initial values with what the caller set.
    pub(super) values: BTreeMap<MapIndex, Vec<u8>>,
    kernel: OnceLock<Arc<KernelBtf>>,
    targets: OnceLock<Targets>,
    btf: OnceLock<ObjectBtf>,
    pub(crate) adaptations: Adaptations,
    /// Why there is none, if the kernel refused it.
    btf_fault: OnceLock<String>,
    struct_ops: Mutex<BTreeMap<MapIndex, Arc<StructOps>>>,
    externs: Mutex<BTreeMap<ExternIndex, Resolution>>,
}

impl<'a> Prepared<'a> {
    pub(crate) fn new(loader: &'a Loader, object: &'a Object) -> Result<Self, Error> {
        let options = &loader.options;
        if object.endian() != bpfld_insn::Endian::NATIVE {
            let message = "it is for machines of the other byte order";
            return Err(Error::invalid(Subject::Object, message));
        }
        options.check_programs(object)?;
        let mut map_options = BTreeMap::new();
        for (name, options) in &options.maps {
            let index = object
                .map_index(name)
                .ok_or_else(|| Error::not_found(Subject::Map(name.clone()), "such map in the object"))?;
            map_options.insert(index, options);
        }
        let plan = |(index, def): (usize, &'a MapDef)| {
            let index = MapIndex(index as u32);
            MapPlan::new(def, map_options.get(&index).copied(), options.pin_root.as_deref())
        };
        let maps = object
            .maps()
            .iter()
            .enumerate()
            .map(plan)
            .collect::<Result<Vec<_>, _>>()?;
        let mut prepared = Self {
            options,
            object,
            // The object ends it at the first NUL byte.
            license: CString::new(object.license().unwrap_or_default()).unwrap_or_default(),
            probes: options.probes.clone(),
            variables: resize::variables(object, &maps)?,
            maps,
            values: BTreeMap::new(),
            kernel: OnceLock::new(),
            targets: OnceLock::new(),
            btf: OnceLock::new(),
            adaptations: Adaptations::default(),
            btf_fault: OnceLock::new(),
            struct_ops: Mutex::default(),
            externs: Mutex::default(),
        };
        prepared.set_globals()?;
        Ok(prepared)
    }

    /// The object.
    #[must_use]
    pub fn object(&self) -> &'a Object {
        self.object
    }

    pub(crate) fn map(&self, index: MapIndex) -> Option<&MapPlan<'a>> {
        self.maps.get(index.index())
    }

    /// The kernel's types, read when first needed.
    pub(crate) fn kernel(&self) -> Result<&Arc<KernelBtf>, Error> {
        if let Some(kernel) = self.kernel.get() {
            return Ok(kernel);
        }
        let kernel = KernelBtf::shared()?;
        Ok(self.kernel.get_or_init(|| kernel))
    }

    /// Takes these for the kernel's types, unless others are known already.
    pub(crate) fn assume(&mut self, kernel: Arc<KernelBtf>) {
        self.kernel.get_or_init(|| kernel);
    }

    /// What CO-RE relocations are resolved against.
    pub(crate) fn targets(&self) -> Result<&Targets, Error> {
        if let Some(targets) = self.targets.get() {
            return Ok(targets);
        }
        let targets = match &self.options.core_btf {
            Some(btf) => Targets::new(Arc::clone(btf)),
            None => {
                let kernel = Arc::clone(self.kernel()?);
                Targets::new(Arc::clone(kernel.vmlinux())).with_modules(move || {
                    // No modules, then: what they alone have counts as missing.
                    let modules = kernel.modules().unwrap_or_default();
                    let module = |module: Arc<crate::kernel_btf::ModuleBtf>| Module {
                        name: module.name().to_owned(),
                        btf: Arc::clone(module.btf()),
                    };
                    modules.into_iter().map(module).collect()
                })
            }
        };
        Ok(self.targets.get_or_init(|| targets))
    }

    /// The object's type information in the kernel; `None` if it has none, or the kernel does not take it.
    pub(crate) fn btf(&self) -> Result<Option<BorrowedFd<'_>>, Error> {
        Ok(self.object_btf()?.fd.as_ref().map(AsFd::as_fd))
    }

    /// The same with what was changed in it.
    pub(crate) fn object_btf(&self) -> Result<&ObjectBtf, Error> {
        if let Some(btf) = self.btf.get() {
            return Ok(btf);
        }
        let needed = self
            .maps
            .iter()
            .any(|map| map.def.kind == MapKind::StructOps && map.create);
        let btf = match object_btf::load(&self.btf_request()) {
            Ok(btf) => btf,
            Err(error) if needed => return Err(error),
            // Most programs and maps do without; for those that do not, it is remembered why.
            Err(error) => {
                let _ = self.btf_fault.set(error.to_string());
                ObjectBtf::default()
            }
        };
        Ok(self.btf.get_or_init(|| btf))
    }

    /// How the object's type information is loaded.
    pub(crate) fn btf_request(&self) -> object_btf::Request<'_> {
        object_btf::Request {
            object: self.object,
            probes: &self.probes,
            token: self.token(),
            memlock: self.options.memlock,
            programs: self
                .object
                .programs()
                .iter()
                .filter_map(|program| self.program_type(program))
                .collect(),
            adaptations: &self.adaptations,
        }
    }

    /// What allows to make maps and load programs, if the caller gave it.
    pub(crate) fn token(&self) -> Option<BorrowedFd<'_>> {
        self.options.token.as_ref().map(AsFd::as_fd)
    }

    /// A kernel that is played by a record may count locked memory where the one that runs does not.
    pub(crate) fn raise_memlock(&self) {
        let counts = || self.probes.probe(Feature::MemcgAccounting).is_no();
        if self.options.memlock == Memlock::Raise && !self.probes.is_live() && counts() && memlock::raise() {
            self.adaptations.note(Subject::Object, Measure::MemlockRaised);
        }
    }

    /// What was done so far because this kernel lacks something.
    #[must_use]
    pub fn adaptations(&self) -> Vec<Adaptation> {
        if memlock::was_raised() && self.options.memlock == Memlock::Raise {
            self.adaptations.note(Subject::Object, Measure::MemlockRaised);
        }
        self.adaptations.all()
    }

    /// An error that may come from the lack of type information.
    pub(crate) fn with_btf_fault(&self, error: Error) -> Error {
        match self.btf_fault.get() {
            Some(fault) => error.with_hint(format!("perhaps for lack of type information: {fault}")),
            None => error,
        }
    }

    /// What the kernel's types say about a struct_ops map.
    pub(crate) fn struct_ops(&self, index: MapIndex) -> Result<Option<Arc<StructOps>>, Error> {
        let Some(plan) = self.map(index).filter(|plan| plan.def.kind == MapKind::StructOps) else {
            return Ok(None);
        };
        let mut known = self.struct_ops.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.get(&index) {
            return Ok(Some(Arc::clone(found)));
        }
        let Some(btf) = self.object.btf() else {
            return Err(Error::invalid(
                plan.subject(),
                "the object has no type information",
            ));
        };
        let initial = self.initial_value(index);
        let found = Arc::new(StructOps::resolve(btf, plan.def, &initial, self.kernel()?)?);
        known.insert(index, Arc::clone(&found));
        Ok(Some(found))
    }

    /// What a map of global data, a struct_ops map or an arena begins with.
    pub(crate) fn initial_value(&self, index: MapIndex) -> std::borrow::Cow<'_, [u8]> {
        if let Some(value) = self.values.get(&index) {
            return value.into();
        }
        self.map(index)
            .map_or_else(Default::default, |plan| plan.initial(self.object))
    }

    /// The values for the map of configuration values.
    pub(crate) fn kconfig_values(&self, plan: &MapPlan<'_>) -> Result<Vec<u8>, Error> {
        let size = plan.spec.value_size as usize;
        externs::kconfig_values(self.object, size, self.options.kconfig.as_deref(), &self.probes)
    }

    /// Finds the kernel's side of externs; what is known already is not looked for again.
    pub(crate) fn resolve_externs(&self, wanted: &[ExternIndex]) -> Result<(), Error> {
        let mut known = self.externs.lock().unwrap_or_else(PoisonError::into_inner);
        let mut addresses = Vec::new();
        for &index in wanted {
            let Some(item) = self
                .object
                .extern_at(index)
                .filter(|_| !known.contains_key(&index))
            else {
                continue;
            };
            if matches!(item.kind, ExternKind::Ksym { ty: None }) {
                if !addresses.contains(&index) {
                    addresses.push(index);
                }
                continue;
            }
            known.insert(index, externs::resolve(self.object, item, self.kernel()?)?);
        }
        if !addresses.is_empty() {
            let found = externs::addresses(self.object, &addresses)?;
            known.extend(addresses.into_iter().zip(found));
        }
        Ok(())
    }

    pub(crate) fn resolution(&self, index: ExternIndex) -> Option<Resolution> {
        self.externs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&index)
            .cloned()
    }

    /// The maps that a program cannot do without: those it refers to, and those that these are made from.
    pub(crate) fn maps_of(&self, used: impl IntoIterator<Item = MapIndex>, out: &mut Vec<bool>) {
        out.resize(self.maps.len(), false);
        let mut todo: Vec<MapIndex> = used.into_iter().collect();
        while let Some(index) = todo.pop() {
            let Some(entry) = out.get_mut(index.index()).filter(|entry| !**entry) else {
                continue;
            };
            *entry = true;
            let slots = self.map(index).map_or(&[][..], |plan| &plan.def.slots);
            todo.extend(slots.iter().filter_map(|(_, value)| match value {
                SlotValue::Map(map) => Some(*map),
                SlotValue::Program(_) => None,
            }));
        }
    }

    pub(crate) fn object_error(&self, subject: Subject, error: bpfld_object::Error) -> Error {
        Error::new(subject, ErrorKind::Object(error))
    }
}

impl std::fmt::Debug for Prepared<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prepared")
            .field("object", &self.object.name())
            .field("maps", &self.maps)
            .finish_non_exhaustive()
    }
}
