//! Maps: what each is made as, and making it.

use std::borrow::Cow;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use bpfld_object::{MapDef, Object, Pinning, ring_size};
use bpfld_sys::{self as sys, MapFlags, MapType};

use super::map_options::{MapOptions, Pin};
use crate::error::{Error, Subject};
use crate::map::{Map, MapSpec};

/// Where maps are pinned unless the caller says otherwise.
const DEFAULT_ROOT: &str = "/sys/fs/bpf";

/// What a map is made as: the object's definition with the caller's wishes, fit for this machine.
#[derive(Clone, Debug)]
pub(crate) struct MapPlan<'a> {
    pub(crate) def: &'a MapDef,
    pub(crate) spec: MapSpec,
    pub(crate) numa_node: u32,
    /// Whether it is made at all.
    pub(crate) create: bool,
    pub(crate) pin: Option<PathBuf>,
    pub(crate) reuse: Option<Map>,
}

impl<'a> MapPlan<'a> {
    pub(crate) fn new(
        def: &'a MapDef,
        options: Option<&MapOptions>,
        pin_root: Option<&Path>,
    ) -> Result<Self, Error> {
        let none = MapOptions::default();
        let MapOptions {
            max_entries,
            value_size,
            flags,
            numa_node,
            map_extra,
            create,
            pin,
            reuse,
        } = options.unwrap_or(&none);
        let spec = MapSpec {
            name: def.name.to_string(),
            map_type: def.map_type,
            key_size: def.key_size,
            value_size: value_size.unwrap_or(def.value_size),
            max_entries: max_entries.unwrap_or(def.max_entries),
            flags: flags.unwrap_or(def.flags),
            map_extra: map_extra.unwrap_or(def.map_extra),
        };
        let pin = match (pin, def.pinning) {
            (Some(Pin::Never), _) | (None, Pinning::None) => None,
            (Some(Pin::At(path)), _) => Some(path.clone()),
            (None, _) => Some(default_pin(pin_root, &def.name)?),
        };
        let mut plan = Self {
            def,
            spec,
            numa_node: numa_node.unwrap_or(def.numa_node),
            create: create.unwrap_or(def.autocreate) || reuse.is_some(),
            pin,
            reuse: reuse.clone(),
        };
        if numa_node.is_some() {
            plan.spec.flags |= MapFlags::NUMA_NODE;
        }
        if plan.spec.map_type == MapType::UNSPEC && plan.create && reuse.is_none() {
            return Err(Error::invalid(plan.subject(), "it has no type"));
        }
        plan.fit()?;
        Ok(plan)
    }

    pub(crate) fn subject(&self) -> Subject {
        Subject::Map(self.spec.name.clone())
    }

    /// Sizes that depend on the machine.
    fn fit(&mut self) -> Result<(), Error> {
        match self.spec.map_type {
            MapType::RINGBUF | MapType::USER_RINGBUF => {
                self.spec.max_entries = ring_size(self.spec.max_entries, sys::mmap::page_size() as u32);
            }
            MapType::PERF_EVENT_ARRAY if self.spec.max_entries == 0 => {
                self.spec.max_entries = sys::possible_cpus()
                    .map_err(|error| Error::io(self.subject(), "count the processors", error))?;
            }
            _ => {}
        }
        Ok(())
    }

    /// What the map begins with, as the object has it: for global data cut or filled up to the map's size.
    pub(crate) fn initial<'b>(&self, object: &'b Object) -> Cow<'b, [u8]> {
        let contents = object.initial_value(self.def);
        if !self.def.is_global_data() {
            return Cow::Borrowed(contents);
        }
        let size = self.spec.value_size as usize;
        if contents.len() == size {
            return Cow::Borrowed(contents);
        }
        // Zeroes that nobody touches take no memory, however many of them an object asks for.
        let mut value = vec![0; size];
        value.iter_mut().zip(contents).for_each(|(to, from)| *to = *from);
        Cow::Owned(value)
    }
}

/// A file in the directory for pins, never elsewhere: names are those of symbols, in which anything may stand.
fn default_pin(root: Option<&Path>, name: &str) -> Result<PathBuf, Error> {
    if name.contains(['/', '\0']) {
        let message = "it is to be pinned by its name, which is not the name of a file";
        return Err(Error::invalid(Subject::Map(name.to_owned()), message));
    }
    let root = root.unwrap_or(Path::new(DEFAULT_ROOT));
    Ok(root.join(name.replace('.', "_")))
}

/// The descriptor of a map, as instructions hold it.
pub(crate) fn raw_fd(map: &Map) -> i32 {
    use std::os::fd::AsRawFd;
    map.as_fd().as_raw_fd()
}
