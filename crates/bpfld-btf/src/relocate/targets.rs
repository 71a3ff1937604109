//! The kernel's types: vmlinux, and modules for what vmlinux does not have.

use alloc::{boxed::Box, string::String, sync::Arc, vec::Vec};
use core::fmt;

use super::compatible::kinds_are_compatible;
use crate::{Btf, Kind, Type, TypeId, essential_name, lazy::Lazy};

/// The BTF of a kernel module.
#[derive(Clone, Debug)]
pub struct Module {
    /// The module's name.
    pub name: String,
    /// Its BTF, split on that of vmlinux.
    pub btf: Arc<Btf>,
}

/// What CO-RE relocations are resolved against. Shared by any number of objects and threads.
///
/// ```
/// use std::sync::Arc;
/// use bpfld_btf::{Btf, Targets};
///
/// # fn example(bytes: Vec<u8>) -> Result<(), bpfld_btf::Error> {
/// let targets = Targets::new(Arc::new(Btf::parse(bytes)?));
/// # Ok(())
/// # }
/// ```
pub struct Targets {
    vmlinux: Arc<Btf>,
    modules: Lazy<Vec<Module>>,
    load: Option<Box<dyn Fn() -> Vec<Module> + Send + Sync>>,
}

impl Targets {
    /// One BTF, without modules: a kernel's that was saved to a file, or an override.
    pub fn new(vmlinux: Arc<Btf>) -> Self {
        Self {
            vmlinux,
            modules: Lazy::new(),
            load: None,
        }
    }

    /// Looks into modules for what vmlinux does not have. `load` is called once, when the first such type is asked for.
    #[must_use]
    pub fn with_modules(mut self, load: impl Fn() -> Vec<Module> + Send + Sync + 'static) -> Self {
        self.load = Some(Box::new(load));
        self
    }

    /// The BTF of the kernel proper.
    pub fn vmlinux(&self) -> &Arc<Btf> {
        &self.vmlinux
    }

    /// The modules; loads them if that was not yet done.
    pub fn modules(&self) -> &[Module] {
        self.modules
            .get(|| self.load.as_ref().map(|load| load()).unwrap_or_default())
    }

    /// All types that `local` may stand for: of the same name, flavours aside, and the same kind (struct and union are
    /// two kinds, enumerations of either width one). Those of vmlinux; if there are none, those of the modules.
    pub fn candidates(&self, local: &Type<'_>) -> Vec<Candidate<'_>> {
        let Ok(name) = local.name_bytes() else {
            return Vec::new();
        };
        let name = essential_name(name);
        let mut found = Vec::new();
        // The BTF to be used as the kernel's may itself be split.
        let mut vmlinux = Some(&self.vmlinux);
        while let Some(btf) = vmlinux {
            own_candidates(btf, None, local.kind(), name, &mut found);
            vmlinux = btf.base();
        }
        found.sort_by_key(|candidate| candidate.id);
        if found.is_empty() {
            // Modules are many, and most do not even have the name among their strings.
            let modules = self.modules();
            let is_in_base = !modules.is_empty() && is_mentioned(&self.vmlinux, name);
            for Module { btf, name: module } in modules {
                if is_in_base || btf.is_indexed() || btf.mentions(name) {
                    own_candidates(btf, Some(module), local.kind(), name, &mut found);
                }
            }
        }
        found
    }
}

/// Whether a module's type may have its name from the strings of the BTF that it is split on.
fn is_mentioned(vmlinux: &Btf, name: &[u8]) -> bool {
    vmlinux.mentions(name) || vmlinux.base().is_some_and(|base| is_mentioned(base, name))
}

/// Adds the types written in `btf` itself.
fn own_candidates<'a>(
    btf: &'a Arc<Btf>,
    module: Option<&'a str>,
    kind: Kind,
    essential: &[u8],
    found: &mut Vec<Candidate<'a>>,
) {
    let types = btf
        .own_flavors(essential, kind)
        .filter(|ty| kinds_are_compatible(kind, ty.kind()));
    found.extend(types.map(|ty| Candidate {
        btf,
        module,
        id: ty.id(),
    }));
}

impl fmt::Debug for Targets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Targets")
            .field("vmlinux", &self.vmlinux)
            .finish_non_exhaustive()
    }
}

/// A type of the kernel that a type of the object may stand for.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Candidate<'a> {
    /// The BTF it is in.
    pub btf: &'a Arc<Btf>,
    /// The module it is in; `None` for vmlinux.
    pub module: Option<&'a str>,
    /// Its id there.
    pub id: TypeId,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Builder;

    #[test]
    fn modules_without_the_name_are_not_indexed() {
        let mut local = Builder::new();
        let id = local.structure("wanted___mine", 4, &[]).unwrap();
        let local = local.finish().unwrap();
        let mut vmlinux = Builder::new();
        vmlinux.structure("other", 4, &[]).unwrap();
        vmlinux.typedef("of_base", TypeId::VOID).unwrap();
        let vmlinux = Arc::new(vmlinux.finish().unwrap());
        let module = |name: &str| {
            let mut builder = Builder::split(Arc::clone(&vmlinux));
            builder.structure(name, 8, &[]).unwrap();
            Module {
                name: name.into(),
                btf: Arc::new(builder.finish().unwrap()),
            }
        };
        let modules = ["unwanted2", "wanted___theirs", "wanted_too"].map(module);
        let kept = modules.clone();
        let targets = Targets::new(vmlinux).with_modules(move || modules.to_vec());
        let found = targets.candidates(&local.ty(id).unwrap());
        assert_eq!(found.len(), 1);
        assert_eq!(found.first().unwrap().module, Some("wanted___theirs"));
        let indexed = kept.map(|module| module.btf.is_indexed());
        assert_eq!(indexed, [false, true, true]);
    }
}
