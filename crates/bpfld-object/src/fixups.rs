//! The object's BTF, completed for the kernel.

use alloc::string::String;

use bpfld_btf::{Draft, Kind, Linkage as BtfLinkage, Placement};
use hashbrown::{HashMap, HashSet};

use crate::{Error, ExternKind, Linkage, Object};

impl Object {
    /// The object's BTF as the kernel wants it: with the sizes and offsets that compilers leave open, hidden functions
    /// and variables made static, and externs made variables. What an old kernel does not know is still in there;
    /// [`Draft::downgrade`] takes it out. `None` if the object has no BTF.
    ///
    /// # Errors
    ///
    /// If the BTF is malformed, or has types that this library does not know.
    pub fn btf_draft(&self) -> Result<Option<Draft>, Error> {
        let Some(btf) = &self.btf else { return Ok(None) };
        let bad = |cause| Error::btf("cannot be completed for the kernel", cause).section(".BTF");
        let mut draft = Draft::new(btf).map_err(bad)?;

        let kconfig = self.externs.iter().filter_map(|item| match item.kind {
            ExternKind::Kconfig { offset, size, .. } => Some((&*item.name, (offset, size))),
            _ => None,
        });
        let kconfig: HashMap<&str, (u32, u32)> = kconfig.collect();
        if !kconfig.is_empty() {
            let size = kconfig
                .values()
                .map(|(offset, size)| offset + size)
                .max()
                .unwrap_or(0);
            draft
                .allocate_kconfig(size, |name| kconfig.get(name).map(|(offset, _)| *offset))
                .map_err(bad)?;
        }

        let sizes: HashMap<&str, u32> = self
            .data_sections
            .iter()
            .map(|section| (&*section.name, section.size))
            .collect();
        let mut places: HashMap<String, Placement> = HashMap::new();
        for variable in self
            .data_sections
            .iter()
            .filter(|section| !section.is_extern())
            .flat_map(|s| &s.variables)
        {
            let ty = btf.ty(variable.id).map_err(bad)?;
            if ty.kind() == Kind::VAR && ty.linkage() == Some(BtfLinkage::GLOBAL) {
                let is_hidden = variable.linkage == BtfLinkage::STATIC;
                let name = ty.name().map_err(bad)?;
                places.insert(
                    name.into(),
                    Placement {
                        offset: variable.offset,
                        is_hidden,
                    },
                );
            }
        }
        draft
            .place_variables(|name| sizes.get(name).copied(), |name| places.get(name).copied())
            .map_err(bad)?;
        draft.allocate_ksyms().map_err(bad)?;

        let hidden = self
            .functions
            .iter()
            .filter(|function| function.hidden && function.linkage != Linkage::Static);
        let hidden: HashSet<&str> = hidden.map(|function| &*function.name).collect();
        if !hidden.is_empty() {
            draft.make_static(|name| hidden.contains(name));
        }
        Ok(Some(draft))
    }
}
