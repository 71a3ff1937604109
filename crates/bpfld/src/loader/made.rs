//! The maps of an object as they are made: filled, frozen, pinned; and taken back if the load fails.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use bpfld_object::{MapIndex, MapKind, SlotValue};
use bpfld_sys::{ElemFlags, MapType};

use super::create::{Surroundings, create};
use super::maps::{MapPlan, raw_fd};
use super::options::Pinning;
use super::prepare::Prepared;
use super::reuse;
use crate::error::{Error, Subject};
use crate::map::{Map, MapSpec};
use crate::program::{USDT_ADDRESSES, USDT_SPECS, UsdtTable};

/// Maps in the kernel. Dropped before [`commit`](Self::commit), pins made for them are removed again, with the directories.
#[derive(Debug)]
pub(crate) struct Made<'a> {
    prepared: &'a Prepared<'a>,
    maps: Vec<Option<Map>>,
    pinned: Vec<PathBuf>,
    /// Directories made for them.
    directories: Vec<PathBuf>,
    pinning: Pinning,
    /// New maps that hold others: not filled and not pinned yet.
    unfilled: Vec<MapIndex>,
    usdt: Option<UsdtTable>,
}

impl<'a> Made<'a> {
    /// Makes those maps that are wanted, in the order of the object.
    pub(crate) fn make(
        prepared: &'a Prepared<'a>,
        wanted: impl Fn(MapIndex) -> bool,
        pinning: Pinning,
    ) -> Result<Self, Error> {
        let mut made = Self {
            prepared,
            maps: Vec::with_capacity(prepared.maps.len()),
            pinned: Vec::new(),
            directories: Vec::new(),
            pinning,
            unfilled: Vec::new(),
            usdt: None,
        };
        for (index, plan) in prepared.maps.iter().enumerate() {
            let index = MapIndex(index as u32);
            let map = if plan.create && wanted(index) {
                made.one(index, plan)?
            } else {
                None
            };
            made.maps.push(map);
        }
        made.fill_maps_of_maps()?;
        made.usdt = made
            .named(USDT_SPECS)
            .map(|specs| UsdtTable::new(specs.clone(), made.named(USDT_ADDRESSES).cloned()));
        Ok(made)
    }

    fn named(&self, name: &str) -> Option<&Map> {
        self.maps.iter().flatten().find(|map| map.name() == name)
    }

    /// The table of static probes.
    pub(crate) fn usdt(&self) -> Option<&UsdtTable> {
        self.usdt.as_ref()
    }

    pub(crate) fn map(&self, index: MapIndex) -> Option<&Map> {
        self.maps.get(index.index())?.as_ref()
    }

    /// The maps are there to stay.
    pub(crate) fn commit(mut self) -> Vec<Option<Map>> {
        self.pinned.clear();
        self.directories.clear();
        std::mem::take(&mut self.maps)
    }

    /// Finds or makes a map. What is in one that was there before stays. `None`: this kernel cannot have it.
    fn one(&mut self, index: MapIndex, plan: &MapPlan<'_>) -> Result<Option<Map>, Error> {
        if let Some(map) = &plan.reuse {
            return named(plan, map).map(Some);
        }
        if let Some(path) = self.place(plan)
            && let Some(map) = reuse::open_pinned(plan, path, &self.prepared.probes)?
        {
            return Ok(Some(map));
        }
        let Some(map) = self.new_map(index, plan)? else {
            return Ok(None);
        };
        let holds_maps = |(_, value): &(u32, SlotValue)| matches!(value, SlotValue::Map(_));
        if plan.def.slots.iter().any(holds_maps) {
            self.unfilled.push(index);
            return Ok(Some(map));
        }
        self.share(plan, map).map(Some)
    }

    /// Where a map is pinned.
    fn place<'p>(&self, plan: &'p MapPlan<'_>) -> Option<&'p Path> {
        plan.pin
            .as_deref()
            .filter(|_| self.pinning == Pinning::AsDeclared)
    }

    /// Pins a map that is complete, unless it is for this object alone.
    fn share(&mut self, plan: &MapPlan<'_>, map: Map) -> Result<Map, Error> {
        let Some(path) = self.place(plan) else {
            return Ok(map);
        };
        match self.pin(plan, &map, path) {
            Ok(()) => Ok(map),
            // Somebody was quicker: theirs is as good.
            Err(error) if error.errno() == Some(bpfld_sys::Errno::EEXIST) => {
                reuse::open_pinned(plan, path, &self.prepared.probes)?.ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    fn pin(&mut self, plan: &MapPlan<'_>, map: &Map, path: &Path) -> Result<(), Error> {
        let made = crate::pin::pin(map.as_fd(), path, plan.subject())?;
        self.directories.extend(made.into_iter().map(Path::to_owned));
        self.pinned.push(path.to_owned());
        Ok(())
    }

    fn new_map(&self, index: MapIndex, plan: &MapPlan<'_>) -> Result<Option<Map>, Error> {
        let prepared = self.prepared;
        let btf = prepared.btf()?;
        let mut around = Surroundings {
            probes: &prepared.probes,
            adaptations: &prepared.adaptations,
            token: prepared.token(),
            memlock: prepared.options.memlock,
            btf,
            inner: None,
            struct_ops: None,
            value_btf: None,
        };
        let inner = match &plan.def.inner {
            Some(def) => create(&MapPlan::new(def, None, None)?, around)?,
            None => None,
        };
        around.inner = inner.as_ref().map(AsFd::as_fd);
        let table = prepared.struct_ops(index)?;
        around.struct_ops = table.as_deref();
        if let Some(table) = around.struct_ops {
            around.value_btf = table.value_type.fd()?;
        }
        let map = create(plan, around).map_err(|error| prepared.with_btf_fault(error))?;
        if let Some(map) = &map {
            self.fill(index, plan, map)?;
        }
        Ok(map)
    }

    /// Puts in what a map begins with.
    fn fill(&self, index: MapIndex, plan: &MapPlan<'_>, map: &Map) -> Result<(), Error> {
        let prepared = self.prepared;
        if plan.spec.map_type == MapType::ARENA {
            let contents = prepared.initial_value(index);
            return super::arena::fill(plan, map, &contents);
        }
        if !plan.def.is_global_data() {
            return Ok(());
        }
        let value = match plan.def.kind {
            MapKind::Kconfig => prepared.kconfig_values(plan)?.into(),
            _ => prepared.initial_value(index),
        };
        // Maps begin as zeroes.
        if value.iter().any(|&byte| byte != 0) {
            let key = 0u32.to_ne_bytes();
            bpfld_sys::map_update_elem(map.map_fd(), &key, &value, ElemFlags::empty())
                .map_err(|error| Error::kernel(plan.subject(), "set its initial contents", error))?;
        }
        if plan.def.is_frozen() {
            bpfld_sys::map_freeze(map.map_fd())
                .map_err(|error| Error::kernel(plan.subject(), "freeze it", error))?;
        }
        Ok(())
    }

    /// Puts other maps into new ones, once all are there.
    fn fill_maps_of_maps(&mut self) -> Result<(), Error> {
        let prepared = self.prepared;
        for index in std::mem::take(&mut self.unfilled) {
            let (Some(plan), Some(outer)) = (prepared.map(index), self.map(index).cloned()) else {
                continue;
            };
            for (slot, value) in &plan.def.slots {
                let SlotValue::Map(inner) = value else { continue };
                let Some(inner) = self.map(*inner) else {
                    let message = format!("element {slot} is a map that is not made");
                    return Err(Error::invalid(plan.subject(), message));
                };
                self.set_slot(plan.subject(), &outer, *slot, raw_fd(inner))?;
            }
            let outer = self.share(plan, outer)?;
            if let Some(place) = self.maps.get_mut(index.index()) {
                *place = Some(outer);
            }
        }
        Ok(())
    }

    /// Stores a descriptor in an element.
    pub(crate) fn set_slot(&self, subject: Subject, map: &Map, slot: u32, fd: i32) -> Result<(), Error> {
        let (key, value) = (slot.to_ne_bytes(), fd.to_ne_bytes());
        bpfld_sys::map_update_elem(map.map_fd(), &key, &value, ElemFlags::empty())
            .map_err(|error| Error::kernel(subject, format!("set element {slot}"), error))
    }
}

/// A map of the caller's, under the name that the object has for it.
fn named(plan: &MapPlan<'_>, map: &Map) -> Result<Map, Error> {
    let fd = map
        .map_fd()
        .try_clone()
        .map_err(|error| Error::io(plan.subject(), "copy the descriptor of the map to use", error))?;
    let spec = MapSpec {
        name: plan.spec.name.clone(),
        ..map.spec().clone()
    };
    Ok(Map::from_parts(fd, spec))
}

impl Drop for Made<'_> {
    fn drop(&mut self) {
        for path in &self.pinned {
            // What somebody else removed meanwhile is removed all the same.
            let _ = std::fs::remove_file(path);
        }
        crate::pin::remove(&self.directories);
    }
}
