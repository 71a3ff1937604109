//! The running kernel's type information: read once per process, shared by everything that needs it.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::DirEntryExt;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use bpfld_btf::{Btf, Bytes, Kind, TypeId};
use bpfld_sys::mmap::Mmap;
use bpfld_sys::{self as sys, Errno};

use crate::error::{Error, ErrorKind, Subject};

const DIRECTORY: &str = "/sys/kernel/btf";
const VMLINUX: &str = "vmlinux";

/// The running kernel's types: those of vmlinux, and those of the modules that are loaded.
///
/// There is one for the process, see [`KernelBtf::shared`]. vmlinux is indexed once; modules are read when something
/// is looked for that vmlinux does not have.
///
/// ```no_run
/// use bpfld::{KernelBtf, btf::Kind};
///
/// let kernel = KernelBtf::shared()?;
/// let task = kernel.vmlinux().find("task_struct", Kind::STRUCT);
/// assert!(task.is_some());
/// # Ok::<(), bpfld::Error>(())
/// ```
pub struct KernelBtf {
    vmlinux: Arc<Btf>,
    modules: Mutex<Vec<Known>>,
    /// Whether it is the kernel that runs, and its modules can be read as they come and go.
    runs: bool,
}

/// The types of a kernel module (Linux 5.11).
pub struct ModuleBtf {
    name: String,
    btf: Arc<Btf>,
    fd: OnceLock<OwnedFd>,
}

/// A module whose types were read. They are kept; the descriptor lives for as long as somebody has the module.
struct Known {
    name: String,
    /// Tells one loading of the module from the next.
    inode: u64,
    btf: Arc<Btf>,
    lent: Weak<ModuleBtf>,
}

/// A type found in the kernel: where, and its number there.
#[derive(Clone, Debug)]
pub(crate) struct KernelType {
    /// `None`: vmlinux.
    pub(crate) module: Option<Arc<ModuleBtf>>,
    pub(crate) id: TypeId,
}

impl KernelBtf {
    /// The kernel's types, read at the first call.
    ///
    /// # Errors
    ///
    /// The kernel has none (`CONFIG_DEBUG_INFO_BTF`, Linux 5.4), or they cannot be read. Failures are not remembered.
    pub fn shared() -> Result<Arc<Self>, Error> {
        static SHARED: Mutex<Option<Arc<KernelBtf>>> = Mutex::new(None);
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kernel) = &*shared {
            return Ok(Arc::clone(kernel));
        }
        let kernel = Arc::new(Self {
            vmlinux: Arc::new(read_vmlinux()?),
            modules: Mutex::default(),
            runs: true,
        });
        *shared = Some(Arc::clone(&kernel));
        Ok(kernel)
    }

    /// The types of a kernel that is not here, and of these modules of it.
    pub(crate) fn elsewhere(vmlinux: Arc<Btf>, modules: &BTreeMap<String, Arc<Btf>>) -> Self {
        let modules = modules.iter().map(|(name, btf)| Known {
            name: name.clone(),
            inode: 0,
            btf: Arc::clone(btf),
            lent: Weak::new(),
        });
        Self {
            vmlinux,
            modules: Mutex::new(modules.collect()),
            runs: false,
        }
    }

    /// The types of the kernel proper.
    #[must_use]
    pub fn vmlinux(&self) -> &Arc<Btf> {
        &self.vmlinux
    }

    /// The types of all modules that are loaded now, by name. Those seen before are not read again.
    ///
    /// # Errors
    ///
    /// The directory or one of its files cannot be read.
    pub fn modules(&self) -> Result<Vec<Arc<ModuleBtf>>, Error> {
        if !self.runs {
            let mut modules = self.modules.lock().unwrap_or_else(PoisonError::into_inner);
            return Ok(modules.iter_mut().map(Known::lend).collect());
        }
        let failed = |error| Error::io(Subject::File(DIRECTORY.into()), "list modules", error);
        let mut entries = Vec::new();
        for entry in fs::read_dir(DIRECTORY).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            if name != VMLINUX {
                entries.push((name, entry.ino()));
            }
        }
        entries.sort();

        let mut modules = self.modules.lock().unwrap_or_else(PoisonError::into_inner);
        modules.retain(|module| entries.iter().any(|(name, inode)| module.is(name, *inode)));
        for (name, inode) in entries {
            if modules.iter().any(|module| module.is(&name, inode)) {
                continue;
            }
            // Gone again since the directory was listed: not our module.
            let Some(module) = Known::read(name, inode, &self.vmlinux)? else {
                continue;
            };
            modules.push(module);
        }
        modules.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(modules.iter_mut().map(Known::lend).collect())
    }

    /// The types of any BTF object of the running kernel, by its id: the kernel's own, a module's, or what a program
    /// brought along (Linux 4.18).
    ///
    /// # Errors
    ///
    /// There is no such object, this process lacks `CAP_SYS_ADMIN`, or the types are malformed.
    pub fn by_id(id: u32) -> Result<Arc<Btf>, Error> {
        let subject = || Subject::KernelBtf(format!("object {id}"));
        let failed = |doing, error| Error::kernel(subject(), doing, error);
        let fd = sys::btf_get_fd_by_id(id, None).map_err(|error| Error::by_id(subject(), error))?;
        let info = sys::btf_info(&fd).map_err(|error| failed("describe it", error))?;
        let mut name = [0; 512];
        let is_module = info.kernel_btf != 0
            && sys::btf_name(&fd, &mut name).is_ok_and(|name| name.to_bytes() != VMLINUX.as_bytes());
        let mut bytes = vec![0; info.btf_size as usize];
        sys::btf_data(&fd, &mut bytes).map_err(|error| failed("read it", error))?;
        let btf = if is_module {
            Btf::parse_split(bytes, Arc::clone(Self::shared()?.vmlinux()))
        } else {
            Btf::parse(bytes)
        };
        Ok(Arc::new(
            btf.map_err(|error| Error::new(subject(), ErrorKind::Btf(error)))?,
        ))
    }

    /// Finds a type in vmlinux, else in the modules.
    pub(crate) fn find(&self, name: &str, kind: Kind) -> Result<Option<KernelType>, Error> {
        if let Some(id) = self.vmlinux.find(name, kind) {
            return Ok(Some(KernelType { module: None, id }));
        }
        self.find_in_modules(name, kind, None)
    }

    /// Finds a type in the modules, or in the one of a name.
    pub(crate) fn find_in_modules(
        &self,
        name: &str,
        kind: Kind,
        module: Option<&str>,
    ) -> Result<Option<KernelType>, Error> {
        let modules = self.modules()?;
        let mut modules = modules
            .into_iter()
            .filter(|candidate| module.is_none_or(|name| name == candidate.name));
        Ok(modules.find_map(|module| {
            let id = module.btf.find_own(name, kind)?;
            Some(KernelType {
                module: Some(module),
                id,
            })
        }))
    }
}

impl KernelType {
    /// The types among which this one is.
    pub(crate) fn btf<'a>(&'a self, kernel: &'a KernelBtf) -> &'a Arc<Btf> {
        self.module.as_ref().map_or(&kernel.vmlinux, |module| &module.btf)
    }

    /// The descriptor that the kernel wants beside the number; none for vmlinux.
    pub(crate) fn fd(&self) -> Result<Option<BorrowedFd<'_>>, Error> {
        self.module.as_ref().map(|module| module.fd()).transpose()
    }

    /// The name to show: vmlinux or the module's.
    pub(crate) fn origin(&self) -> &str {
        self.module.as_ref().map_or(VMLINUX, |module| &module.name)
    }
}

impl ModuleBtf {
    /// The module's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its types; those of vmlinux are the base.
    #[must_use]
    pub fn btf(&self) -> &Arc<Btf> {
        &self.btf
    }

    /// A descriptor of the module's types, found among all of the system when first needed.
    pub(crate) fn fd(&self) -> Result<BorrowedFd<'_>, Error> {
        if let Some(fd) = self.fd.get() {
            return Ok(fd.as_fd());
        }
        let fd = find_module_fd(&self.name)?;
        Ok(self.fd.get_or_init(|| fd).as_fd())
    }
}

impl Known {
    fn is(&self, name: &str, inode: u64) -> bool {
        self.name == name && self.inode == inode
    }

    /// The module as others have it, too.
    fn lend(&mut self) -> Arc<ModuleBtf> {
        if let Some(lent) = self.lent.upgrade() {
            return lent;
        }
        let module = Arc::new(ModuleBtf {
            name: self.name.clone(),
            btf: Arc::clone(&self.btf),
            fd: OnceLock::new(),
        });
        self.lent = Arc::downgrade(&module);
        module
    }

    fn read(name: String, inode: u64, vmlinux: &Arc<Btf>) -> Result<Option<Self>, Error> {
        let subject = || Subject::KernelBtf(name.clone());
        let bytes = match fs::read(Path::new(DIRECTORY).join(&name)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io(subject(), "read it", error)),
        };
        let btf = Btf::parse_split(bytes, Arc::clone(vmlinux))
            .map_err(|error| Error::new(subject(), ErrorKind::Btf(error)))?;
        Ok(Some(Self {
            name,
            btf: Arc::new(btf),
            inode,
            lent: Weak::new(),
        }))
    }
}

/// Maps the kernel's types into memory where it allows that (Linux 6.16), else reads them.
fn read_vmlinux() -> Result<Btf, Error> {
    let subject = || Subject::KernelBtf(VMLINUX.into());
    let bytes = match Mmap::kernel_btf(c"vmlinux") {
        Ok(mapping) => {
            let shared: Arc<dyn AsRef<[u8]> + Send + Sync> = Arc::new(mapping);
            Bytes::from(shared)
        }
        Err(_) => {
            let path = Path::new(DIRECTORY).join(VMLINUX);
            Bytes::from(fs::read(&path).map_err(|error| {
                let error = Error::io(subject(), format!("read {}", path.display()), error);
                error.with_hint(
                    "the kernel must be built with CONFIG_DEBUG_INFO_BTF, which Linux 5.4 and later have",
                )
            })?)
        }
    };
    Btf::parse(bytes).map_err(|error| Error::new(subject(), ErrorKind::Btf(error)))
}

/// Walks over all BTF objects of the system to the one of a module.
fn find_module_fd(name: &str) -> Result<OwnedFd, Error> {
    let subject = || Subject::KernelBtf(name.to_owned());
    let failed = |error| {
        Error::kernel(subject(), "look for it among all type information", error)
            .with_hint("this needs CAP_SYS_ADMIN")
    };
    let mut id = 0;
    loop {
        id = match sys::btf_get_next_id(id) {
            Ok(Some(id)) => id,
            Ok(None) => break,
            Err(error) => return Err(failed(error)),
        };
        let fd = match sys::btf_get_fd_by_id(id, None) {
            Ok(fd) => fd,
            Err(error) if error.errno() == Errno::ENOENT => continue,
            Err(error) => return Err(failed(error)),
        };
        let Ok(info) = sys::btf_info(&fd) else { continue };
        if info.kernel_btf == 0 {
            continue;
        }
        let mut buffer = [0; 512];
        if sys::btf_name(&fd, &mut buffer).is_ok_and(|found| found.to_bytes() == name.as_bytes()) {
            return Ok(fd);
        }
    }
    Err(Error::not_found(subject(), "BTF object of this module"))
}

impl fmt::Debug for KernelBtf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KernelBtf")
            .field("vmlinux", &self.vmlinux)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ModuleBtf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModuleBtf")
            .field("name", &self.name)
            .field("btf", &self.btf)
            .finish_non_exhaustive()
    }
}
