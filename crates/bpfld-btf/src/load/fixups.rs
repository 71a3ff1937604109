//! What compilers leave open in an object's BTF, filled in from its symbols; and externs, made acceptable to kernels.

use alloc::vec::Vec;

use super::Draft;
use crate::{
    Error, ErrorKind, IntEncoding, Kind, Linkage, TypeId,
    record::{MAX_VLEN, info},
};

/// What an object's symbol table says of a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The offset in the section, in bytes.
    pub offset: u32,
    /// Whether the symbol has hidden or internal visibility.
    pub is_hidden: bool,
}

/// The sections whose variables have no place in the object.
const KSYMS: &str = ".ksyms";
const KCONFIG: &str = ".kconfig";
/// The size each kernel symbol is given: that of an `int`.
const KSYM_SIZE: u32 = 4;

impl Draft {
    /// Fills in what compilers leave at zero: the size of each section, which `section_size` tells by name, and the
    /// offset of each global variable, which `symbol` tells by name. Variables with hidden symbols become static. The
    /// variables of each section are sorted by offset. Sections that a linker has completed already keep their
    /// offsets.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unplaced`] when a section or global variable is not known to the closures;
    /// [`ErrorKind::UnexpectedKind`] when a section holds something other than variables.
    pub fn place_variables(
        &mut self,
        mut section_size: impl FnMut(&str) -> Option<u32>,
        mut symbol: impl FnMut(&str) -> Option<Placement>,
    ) -> Result<(), Error> {
        for id in self
            .ids()
            .filter(|id| self.kind(*id) == Some(Kind::DATASEC))
            .collect::<Vec<_>>()
        {
            let Some([_, _, old_size]) = self.head(id) else {
                continue;
            };
            let unplaced = |id| Error::new(ErrorKind::Unplaced(id), 0);
            let name = self.name(id).ok_or_else(|| unplaced(id))?;
            let mut entries = self.entries(id);
            if name != KSYMS && name != KCONFIG {
                let is_open = old_size == 0;
                if is_open {
                    let size = section_size(name)
                        .filter(|size| *size != 0)
                        .ok_or_else(|| unplaced(id))?;
                    self.set_size(id, size);
                }
                for [variable, offset, _] in &mut entries {
                    let variable = TypeId(*variable);
                    let linkage = self.variable_linkage(variable)?;
                    if linkage != Linkage::GLOBAL {
                        continue;
                    }
                    let placement = self
                        .name(variable)
                        .and_then(&mut symbol)
                        .ok_or_else(|| unplaced(variable))?;
                    if is_open {
                        *offset = placement.offset;
                    }
                    if placement.is_hidden {
                        self.set_variable(variable, None, Linkage::STATIC);
                    }
                }
            }
            entries.sort_by_key(|[_, offset, _]| *offset);
            self.set_entries(id, &entries);
        }
        Ok(())
    }

    /// Turns the externs of `.ksyms` into what a kernel accepts: each variable becomes an allocated `int`, functions
    /// become global and give their place in the section to such a variable, and their unnamed parameters get a name.
    ///
    /// # Errors
    ///
    /// When the format has no room for what must be added.
    pub fn allocate_ksyms(&mut self) -> Result<(), Error> {
        let Some(section) = self.find_section(KSYMS) else {
            return Ok(());
        };
        let mut entries = self.entries(section);
        if entries.is_empty() {
            return Ok(());
        }
        let int = self.find_int()?;
        let has_functions = entries
            .iter()
            .any(|[id, _, _]| self.kind(TypeId(*id)) == Some(Kind::FUNC));
        let stand_in = match has_functions {
            true => self.builder.variable("dummy_ksym", int, Linkage::GLOBAL)?,
            false => TypeId::VOID,
        };
        let stand_in_name = self.head(stand_in).map_or(0, |[name, ..]| name);
        for (number, [id, offset, size]) in entries.iter_mut().enumerate() {
            match self.kind(TypeId(*id)) {
                Some(Kind::FUNC) => {
                    self.globalize_function(TypeId(*id), stand_in_name);
                    *id = stand_in.0;
                }
                Some(Kind::VAR) => self.set_variable(TypeId(*id), Some(int), Linkage::GLOBAL),
                _ => {}
            }
            // The number of entries is limited to 24 bits.
            (*offset, *size) = (number as u32 * KSYM_SIZE, KSYM_SIZE);
        }
        self.set_entries(section, &entries);
        self.set_size(section, entries.len() as u32 * KSYM_SIZE);
        Ok(())
    }

    /// Turns the externs of `.kconfig` into allocated variables at the offsets that `offset` tells by name, in a
    /// section of `size` bytes. Call it before [`Draft::place_variables`], which sorts them.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unplaced`] when a variable is not known to the closure.
    pub fn allocate_kconfig(
        &mut self,
        size: u32,
        mut offset: impl FnMut(&str) -> Option<u32>,
    ) -> Result<(), Error> {
        let Some(section) = self.find_section(KCONFIG) else {
            return Ok(());
        };
        let mut entries = self.entries(section);
        for [id, place, _] in &mut entries {
            let id = TypeId(*id);
            let found = self.name(id).and_then(&mut offset);
            *place = found.ok_or_else(|| Error::new(ErrorKind::Unplaced(id), 0))?;
            self.set_variable(id, None, Linkage::GLOBAL);
        }
        self.set_entries(section, &entries);
        self.set_size(section, size);
        Ok(())
    }

    /// Makes global functions static for which `is_hidden` says, by name, that their symbol has hidden or internal
    /// visibility: the kernel then verifies them in the context of their callers.
    pub fn make_static(&mut self, mut is_hidden: impl FnMut(&str) -> bool) {
        for id in self.ids() {
            let Some([_, head, _]) = self.head(id) else {
                continue;
            };
            let is_global = self.kind(id) == Some(Kind::FUNC) && head & MAX_VLEN == Linkage::GLOBAL.0;
            if is_global && self.name(id).is_some_and(&mut is_hidden) {
                self.set_function_linkage(id, Linkage::STATIC);
            }
        }
    }

    fn find_section(&self, name: &str) -> Option<TypeId> {
        self.ids()
            .find(|id| self.kind(*id) == Some(Kind::DATASEC) && self.name(*id) == Some(name))
    }

    /// The first integer of 32 bits; one is added if there is none.
    fn find_int(&mut self) -> Result<TypeId, Error> {
        let is_word = |id: &TypeId| {
            let bits = self.builder.record(*id).and_then(|words| words.get(3));
            self.kind(*id) == Some(Kind::INT) && bits.is_some_and(|word| word & 0xff == 32)
        };
        match self.ids().find(is_word) {
            Some(int) => Ok(int),
            None => self.builder.int("int", 4, IntEncoding::SIGNED),
        }
    }

    /// The variables of a section: id, offset, size.
    fn entries(&self, section: TypeId) -> Vec<[u32; 3]> {
        let body = self
            .builder
            .record(section)
            .and_then(|words| words.get(3..))
            .unwrap_or_default();
        body.as_chunks().0.to_vec()
    }

    fn set_entries(&mut self, section: TypeId, entries: &[[u32; 3]]) {
        let Some((_, body)) = self.record_mut(section) else {
            return;
        };
        for (place, entry) in body.as_chunks_mut().0.iter_mut().zip(entries) {
            *place = *entry;
        }
    }

    fn set_size(&mut self, section: TypeId, new: u32) {
        if let Some(([_, _, size], _)) = self.record_mut(section) {
            *size = new;
        }
    }

    fn variable_linkage(&self, id: TypeId) -> Result<Linkage, Error> {
        let kind = self.kind(id).unwrap_or(Kind::VOID);
        match self.builder.record(id) {
            Some([_, _, _, linkage]) if kind == Kind::VAR => Ok(Linkage(*linkage)),
            _ => {
                let kind = ErrorKind::UnexpectedKind {
                    id,
                    kind,
                    expected: "VAR",
                };
                Err(Error::new(kind, 0))
            }
        }
    }

    fn set_variable(&mut self, id: TypeId, ty: Option<TypeId>, new: Linkage) {
        if self.kind(id) != Some(Kind::VAR) {
            return;
        }
        if let Some(([_, _, target], [linkage, ..])) = self.record_mut(id) {
            *target = ty.map_or(*target, |ty| ty.0);
            *linkage = new.0;
        }
    }

    fn set_function_linkage(&mut self, id: TypeId, linkage: Linkage) {
        if let Some(([_, head, _], _)) = self.record_mut(id) {
            *head = info(Kind::FUNC, linkage.0, false);
        }
    }

    fn globalize_function(&mut self, id: TypeId, parameter_name: u32) {
        self.set_function_linkage(id, Linkage::GLOBAL);
        let prototype = self.head(id).map(|[_, _, target]| TypeId(target));
        let Some(prototype) = prototype.filter(|id| self.kind(*id) == Some(Kind::FUNC_PROTO)) else {
            return;
        };
        let Some((_, params)) = self.record_mut(prototype) else {
            return;
        };
        for [name, ty] in params.as_chunks_mut().0 {
            if *ty != 0 && *name == 0 {
                *name = parameter_name;
            }
        }
    }
}
