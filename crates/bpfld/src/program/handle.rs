//! The handle of a loaded program.

use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
    sync::Arc,
};

use bpfld_insn::Slot;
use bpfld_object::ProgramSpec;
use bpfld_sys::{self as sys, AttachType, ProgramType};

use super::{ProgramBuilder, ProgramInfo, Translated, UsdtTable, auto};
use crate::{
    Error, Link, Map, ModuleBtf, Result, Subject,
    info::{Kind, check_kind},
    test_run::TestRun,
};

/// A program in the kernel.
///
/// A handle is cheap to clone; the program is let go with the last clone (and lives on for as long as it is
/// attached or pinned). What a program can be attached to depends on its kind: the types beside this one
/// ([`Xdp`](crate::Xdp), [`Tracepoint`](crate::Tracepoint) …) are made from a handle with `try_into`.
/// [`attach`](Program::attach) does what the program's section name says.
///
/// ```no_run
/// use bpfld::{Loader, Object, Xdp, XdpMode};
///
/// let object = Object::open("fw.bpf.o")?;
/// let loaded = Loader::new().load(&object)?;
/// let count: Xdp = loaded.program("count")?.try_into()?;
/// let link = count.attach("eth0", XdpMode::Auto)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Program {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    fd: OwnedFd,
    meta: ProgramMeta,
}

/// What is known about a program beside its descriptor.
#[derive(Clone, Debug)]
pub(crate) struct ProgramMeta {
    /// Name, whole.
    pub(crate) name: String,
    /// Type that it was loaded with.
    pub(crate) program_type: ProgramType,
    /// Expected attach type that it was loaded with; the kernel does not tell it afterwards.
    pub(crate) attach_type: Option<AttachType>,
    /// Section of the object it came from.
    pub(crate) section: Option<String>,
    /// The object's table of static probes, if it has one.
    pub(crate) usdt: Option<UsdtTable>,
    /// Module that it was loaded for, where its functions are told only when it is attached.
    pub(crate) module: Option<Arc<ModuleBtf>>,
}

impl Program {
    /// Describes a program put together in memory; [`ProgramBuilder::load`] loads it.
    ///
    /// What comes out of a compiler is [`Loader`](crate::Loader)'s.
    pub fn builder<'a>(program_type: ProgramType, name: &'a str, insns: &'a [Slot]) -> ProgramBuilder<'a> {
        ProgramBuilder::new(program_type, name, insns)
    }

    /// Wraps a descriptor whose description is known.
    pub(crate) fn from_parts(fd: OwnedFd, meta: ProgramMeta) -> Program {
        Program {
            inner: Arc::new(Inner { fd, meta }),
        }
    }

    /// Takes over a descriptor, asking the kernel what it is.
    ///
    /// # Errors
    ///
    /// When it is no program, or on kernels before 4.13, which cannot tell.
    pub fn from_fd(fd: OwnedFd) -> Result<Program> {
        Program::identify(fd, || Subject::Program("?".into()))
    }

    /// Opens the program with an id (4.13; needs CAP_SYS_ADMIN).
    ///
    /// # Errors
    ///
    /// When there is no such program, or no right to open it.
    #[doc(alias = "BPF_PROG_GET_FD_BY_ID")]
    pub fn from_id(id: u32) -> Result<Program> {
        let subject = || Subject::Program(format!("id {id}"));
        let fd = sys::prog_get_fd_by_id(id);
        Program::identify(fd.map_err(|source| Error::by_id(subject(), source))?, subject)
    }

    /// Opens a program pinned in a BPF file system.
    ///
    /// # Errors
    ///
    /// When there is nothing at the path, or something other than a program.
    #[doc(alias = "BPF_OBJ_GET")]
    pub fn open_pinned(path: impl AsRef<Path>) -> Result<Program> {
        let path = path.as_ref();
        Program::identify(crate::pin::open(path)?, || Subject::File(path.to_owned()))
    }

    /// Pins the program: it stays loaded until the file is removed.
    ///
    /// Directories on the way are made. The path must lie in a BPF file system, usually below `/sys/fs/bpf`.
    ///
    /// # Errors
    ///
    /// When something is at the path already, or it lies in no BPF file system.
    #[doc(alias = "BPF_OBJ_PIN")]
    pub fn pin(&self, path: impl AsRef<Path>) -> Result<()> {
        crate::pin::pin(self.as_fd(), path.as_ref(), self.subject()).map(drop)
    }

    /// Name of the program, as the object spelt it or, for programs opened from elsewhere, as the kernel keeps it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.meta.name
    }

    /// Type of the program.
    #[must_use]
    pub fn program_type(&self) -> ProgramType {
        self.inner.meta.program_type
    }

    /// Attach type that the program was loaded for; `None` if it was loaded without, and for a program opened from a
    /// pin or by id, as the kernel does not tell.
    #[must_use]
    pub fn attach_type(&self) -> Option<AttachType> {
        self.inner.meta.attach_type
    }

    /// Section of the object that the program came from, if it came from one.
    #[must_use]
    pub fn section(&self) -> Option<&str> {
        self.inner.meta.section.as_deref()
    }

    /// What the kernel says about the program now (4.13).
    ///
    /// # Errors
    ///
    /// On kernels that cannot tell.
    pub fn info(&self) -> Result<ProgramInfo> {
        ProgramInfo::of(self.as_fd()).map_err(|source| self.failed("describe", source))
    }

    /// The instructions as the kernel runs them: after the verifier's changes, before they become machine code (4.13).
    ///
    /// # Errors
    ///
    /// When this process may not see them: this needs CAP_SYS_ADMIN, and that the kernel does not hide its addresses.
    pub fn translated(&self) -> Result<Translated> {
        Translated::of(self)
    }

    /// Attaches the program to what its section name says, as `tracepoint/sched/sched_switch`.
    ///
    /// # Errors
    ///
    /// When the section does not say enough (`xdp` names no interface): then the method of the program's own kind
    /// takes what is missing. And whenever the kernel refuses.
    pub fn attach(&self) -> Result<Link> {
        auto::attach(self)
    }

    /// Whether the section name says all that [`attach`](Program::attach) needs.
    #[must_use]
    pub fn attaches_itself(&self) -> bool {
        auto::says_where(self)
    }

    /// Ties a map to the program, which keeps it for as long as it is loaded although no instruction refers to it (5.10). Those who look at the
    /// program find the map among [its own](ProgramInfo::map_ids); a map that it refers to is there already.
    ///
    /// The loader does this with the constants of an object, in which programs may say things of themselves.
    ///
    /// ```no_run
    /// # fn example(program: bpfld::Program) -> Result<(), bpfld::Error> {
    /// use bpfld::Array;
    ///
    /// let notes = Array::<[u8; 64]>::create("notes", 1)?;
    /// program.bind_map(notes.map())?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// EINVAL on kernels before 5.10.
    #[doc(alias = "BPF_PROG_BIND_MAP")]
    pub fn bind_map(&self, map: &Map) -> Result<()> {
        sys::prog_bind_map(self, map)
            .map_err(|source| self.failed(format!("tie map '{}' to it", map.name()), source))
    }

    /// Runs the program on made-up input, without attaching it (4.12): say what it gets, then
    /// [`run`](TestRun::run).
    pub fn test_run(&self) -> TestRun<'_> {
        TestRun::new(self)
    }

    /// What the section name says about the program.
    pub(crate) fn spec(&self) -> Option<ProgramSpec> {
        ProgramSpec::from_section(self.section()?)
    }

    /// The table in which the program looks up arguments of static probes.
    pub(crate) fn usdt_table(&self) -> Option<&UsdtTable> {
        self.inner.meta.usdt.as_ref()
    }

    /// The module whose functions it is for.
    pub(crate) fn module(&self) -> Option<&Arc<ModuleBtf>> {
        self.inner.meta.module.as_ref()
    }

    pub(crate) fn subject(&self) -> Subject {
        Subject::Program(self.name().to_owned())
    }

    pub(crate) fn failed(
        &self,
        doing: impl Into<std::borrow::Cow<'static, str>>,
        source: sys::Error,
    ) -> Error {
        Error::kernel(self.subject(), doing, source)
    }

    fn identify(fd: OwnedFd, subject: impl Fn() -> Subject) -> Result<Program> {
        check_kind(fd.as_fd(), Kind::Program, subject())?;
        let info =
            ProgramInfo::of(fd.as_fd()).map_err(|source| Error::kernel(subject(), "describe", source))?;
        let meta = ProgramMeta {
            name: info.name(),
            program_type: info.program_type(),
            attach_type: None,
            section: None,
            usdt: None,
            module: None,
        };
        Ok(Program::from_parts(fd, meta))
    }
}

impl AsFd for Program {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.fd.as_fd()
    }
}
