//! The caller's values of global variables and of members of struct_ops tables, put in their places before anything is made.

use bpfld_btf::Kind;
use bpfld_object::{MapIndex, MapKind};

use super::prepare::Prepared;
use crate::error::{Error, ErrorKind, Subject};

/// Where a value lies in the contents that a map begins with, in bytes.
struct Place {
    map: MapIndex,
    offset: usize,
    size: usize,
}

impl Prepared<'_> {
    /// Puts the caller's values where the variables are.
    pub(super) fn set_globals(&mut self) -> Result<(), Error> {
        for (name, value) in &self.options.globals {
            let subject = || Subject::Global(name.clone());
            let place = self.place(name)?;
            if place.size != value.len() {
                let message = format!("it has {} bytes, but the value has {}", place.size, value.len());
                return Err(Error::invalid(subject(), message));
            }
            let plan = self.maps.get(place.map.index());
            let plan = plan.ok_or_else(|| Error::invalid(subject(), "its section is no map"))?;
            if plan.def.kind == MapKind::Kconfig {
                let message = "a value of the kernel's configuration; set it through the loader's kconfig";
                return Err(Error::invalid(subject(), message));
            }
            let initial = || plan.initial(self.object).into_owned();
            let contents = self.values.entry(place.map).or_insert_with(initial);
            let bytes = contents.get_mut(place.offset..);
            bytes
                .and_then(|rest| rest.get_mut(..value.len()))
                .ok_or_else(|| Error::invalid(subject(), "it lies outside of its section's map"))?
                .copy_from_slice(value);
        }
        Ok(())
    }

    fn place(&self, name: &str) -> Result<Place, Error> {
        if let Some(variable) = self.variables.iter().find(|variable| &*variable.name == name) {
            return Ok(Place {
                map: variable.map,
                offset: variable.offset as usize,
                size: variable.size as usize,
            });
        }
        let missing = |what| Error::not_found(Subject::Global(name.to_owned()), what);
        // No variable of C has a name with a dot.
        let table = name.split_once('.').and_then(|(table, member)| {
            let mut maps = self
                .maps
                .iter()
                .enumerate()
                .map(|(index, plan)| (index, plan.def));
            let (index, def) = maps.find(|(_, def)| def.kind == MapKind::StructOps && &*def.name == table)?;
            Some((
                MapIndex(index as u32),
                self.object.btf()?.ty(def.value_type?),
                member,
            ))
        });
        let Some((map, table, member)) = table else {
            return Err(missing("such global variable in the object"));
        };
        let bad = |cause| Error::new(Subject::Global(name.to_owned()), ErrorKind::Btf(cause));
        let table = table.map_err(bad)?;
        let member = table.member(member).map_err(bad)?;
        let member = member.ok_or_else(|| missing("such member of the struct_ops table"))?;
        let ty = table.btf().resolve(member.type_id).map_err(bad)?;
        let Some(offset) = member
            .byte_offset()
            .filter(|_| ty.kind() != Kind::PTR && member.bitfield_size == 0)
        else {
            let message = "it is a pointer or a bit field, which nobody can set here";
            return Err(Error::invalid(Subject::Global(name.to_owned()), message));
        };
        Ok(Place {
            map,
            offset: offset as usize,
            size: table.btf().resolve_size(ty.id()).map_err(bad)? as usize,
        })
    }
}
