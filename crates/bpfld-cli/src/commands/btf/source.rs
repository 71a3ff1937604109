//! Where types come from: a file, the running kernel, one of its modules, or a BTF object by its id.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use anyhow::{Context, Result};
use bpfld::KernelBtf;
use bpfld_btf::Btf;
use bpfld_object::BtfFile;

use crate::commands::inspect::open;
use crate::exit::Usage;
use crate::select::by_id;

/// The end of `bpfld btf --help`.
pub(super) const HELP: &str = "\
Where types come from (SOURCE):
  a path, or the name of a file that is there: BTF itself, or an ELF file with a section .BTF
    (BPF object, kernel module, uncompressed kernel), or assembly
  vmlinux: the running kernel
  a number: the BTF object with this id in the running kernel
  any other name: the module of this name in the running kernel";

/// Where types come from, as the command line names it.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// A file: BTF, or ELF with BTF in it, or assembly.
    File(PathBuf),
    /// The running kernel.
    Kernel,
    /// A BTF object of the running kernel.
    Id(u32),
    /// A module of the running kernel.
    Module(String),
}

impl FromStr for Source {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Source, Self::Err> {
        let path = Path::new(text);
        Ok(if text.contains(['/', '.']) || path.is_file() {
            Source::File(path.to_owned())
        } else if text == "vmlinux" {
            Source::Kernel
        } else if let Ok(id) = text.parse() {
            Source::Id(id)
        } else {
            Source::Module(text.to_owned())
        })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::File(path) => write!(f, "{}", path.display()),
            Source::Kernel => write!(f, "vmlinux"),
            Source::Id(id) => write!(f, "{id}"),
            Source::Module(name) => write!(f, "{name}"),
        }
    }
}

impl Source {
    /// Reads the types. `base` is what a file's types continue, if they do.
    pub(crate) fn read(&self, base: Option<Arc<Btf>>) -> Result<Arc<Btf>> {
        Ok(match self {
            Source::File(path) => read_file(path, base)?,
            Source::Kernel => Arc::clone(KernelBtf::shared()?.vmlinux()),
            Source::Id(id) => by_id("BTF", *id, KernelBtf::by_id(*id))?,
            Source::Module(name) => {
                let modules = KernelBtf::shared()?.modules()?;
                let module = modules.iter().find(|module| module.name() == name);
                let module = module.ok_or_else(|| {
                    Usage(format!(
                        "{name} is neither a file nor a module with types in the running kernel"
                    ))
                })?;
                Arc::clone(module.btf())
            }
        })
    }

    /// The name of the module whose types these are: that of the file, up to the first dot, spelt as the kernel spells it.
    pub(crate) fn module_name(&self) -> String {
        let Source::File(path) = self else {
            return self.to_string();
        };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = name.split('.').next().unwrap_or_default();
        name.replace('-', "_")
    }

    /// Reads the types of this source, on those of another.
    pub(crate) fn read_on(&self, base: Option<&Source>) -> Result<Arc<Btf>> {
        let base = base.map(|base| base.read(None)).transpose()?;
        self.read(base)
    }
}

/// Reads the types of a file; errors name it.
fn read_file(path: &Path, base: Option<Arc<Btf>>) -> Result<Arc<Btf>> {
    let is_alone = base.is_none();
    let bytes = fs::read(path).with_context(|| format!("{}: cannot be read", path.display()))?;
    let is_text = std::str::from_utf8(&bytes).is_ok_and(|text| !text.contains('\0'));
    if is_text {
        let object = open(path)?;
        let types = object
            .btf()
            .with_context(|| format!("{}: has no types", path.display()))?;
        return Ok(Arc::clone(types));
    }
    let file = BtfFile::new(bytes).with_context(|| path.display().to_string())?;
    let btf = file.parse(base).with_context(|| path.display().to_string())?;
    let has_base = file.distilled_base().is_some();
    // References that lead nowhere are most often those to a base that was not named.
    if is_alone
        && !has_base
        && let Err(error) = btf.validate()
    {
        let error = anyhow::Error::from(error).context(format!(
            "{}: refers to what is not there; types of a module need those of its kernel: --base",
            path.display()
        ));
        return Err(error);
    }
    Ok(Arc::new(btf))
}
