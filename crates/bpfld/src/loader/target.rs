//! Attach targets that the kernel wants to know when a program is loaded, by their number in its types.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use bpfld_btf::{Kind, TypeId};
use bpfld_sys::{self as sys, AttachType};

use super::program_options::Target;
use crate::error::{Error, Subject};
use crate::kernel_btf::{KernelBtf, KernelType, ModuleBtf};
use crate::program::Program;

/// What a program is tied to.
#[derive(Clone, Debug)]
pub(crate) enum AttachTarget {
    /// Something in the kernel.
    Kernel(KernelType),
    /// Functions of a module, told when the program is attached.
    Module(Arc<ModuleBtf>),
    /// A function of another program.
    Program { program: Program, function: TypeId },
}

impl AttachTarget {
    pub(crate) fn btf_id(&self) -> u32 {
        match self {
            Self::Kernel(found) => found.id.0,
            Self::Module(_) => 0,
            Self::Program { function, .. } => function.0,
        }
    }

    /// Where the number is from: a module's types or a program. Nothing for the kernel's own types.
    pub(crate) fn fd(&self) -> Result<Option<BorrowedFd<'_>>, Error> {
        match self {
            Self::Kernel(found) => found.fd(),
            Self::Module(module) => module.fd().map(Some),
            Self::Program { program, .. } => Ok(Some(program.as_fd())),
        }
    }
}

/// Finds what a program attaches to.
pub(crate) fn find(
    subject: &Subject,
    attach_type: AttachType,
    target: &Target,
    kernel: impl FnOnce() -> Result<Arc<KernelBtf>, Error>,
) -> Result<AttachTarget, Error> {
    match target {
        Target::Kernel(name) => in_kernel(subject, attach_type, name, &*kernel()?),
        Target::Program {
            program,
            function: Some(function),
        } => in_program(subject, program, function),
        Target::Program { function: None, .. } => {
            let message = "its section name does not tell which function of the other program";
            Err(Error::invalid(subject.clone(), message))
        }
    }
}

/// The module of `MODULE:PATTERN`, for programs that are told their functions only when they are attached.
pub(crate) fn module_of(
    subject: &Subject,
    pattern: &str,
    kernel: impl FnOnce() -> Result<Arc<KernelBtf>, Error>,
) -> Result<Option<AttachTarget>, Error> {
    let Some((name, _)) = pattern.split_once(':').filter(|(name, _)| *name != "vmlinux") else {
        return Ok(None);
    };
    let modules = kernel()?.modules()?;
    let found = modules.into_iter().find(|module| module.name() == name);
    found
        .map(|module| Some(AttachTarget::Module(module)))
        .ok_or_else(|| Error::not_found(subject.clone(), format!("types of a module {name}")))
}

/// How the kernel spells targets of an attach type in its types.
fn spelling(attach_type: AttachType) -> (&'static str, Kind, &'static str) {
    match attach_type {
        AttachType::TRACE_RAW_TP => ("btf_trace_", Kind::TYPEDEF, "tracepoint"),
        AttachType::LSM_MAC | AttachType::LSM_CGROUP => ("bpf_lsm_", Kind::FUNC, "security hook"),
        AttachType::TRACE_ITER => ("bpf_iter_", Kind::FUNC, "iterator"),
        _ => ("", Kind::FUNC, "function"),
    }
}

fn in_kernel(
    subject: &Subject,
    attach_type: AttachType,
    name: &str,
    kernel: &KernelBtf,
) -> Result<AttachTarget, Error> {
    let (prefix, kind, noun) = spelling(attach_type);
    let (module, name) = match name.split_once(':') {
        Some((module, name)) => (Some(module), name),
        None => (None, name),
    };
    let spelt = format!("{prefix}{name}");
    let found = match module {
        None => kernel.find(&spelt, kind)?,
        Some("vmlinux") => kernel
            .vmlinux()
            .find(&spelt, kind)
            .map(|id| KernelType { module: None, id }),
        Some(module) => kernel.find_in_modules(&spelt, kind, Some(module))?,
    };
    let place = module.map_or_else(
        || "the kernel and its modules".to_owned(),
        |module| format!("module {module}"),
    );
    found
        .map(AttachTarget::Kernel)
        .ok_or_else(|| Error::not_found(subject.clone(), format!("{noun} {name} to attach to in {place}")))
}

fn in_program(subject: &Subject, program: &Program, function: &str) -> Result<AttachTarget, Error> {
    let kernel = |doing, error| Error::kernel(subject.clone(), doing, error);
    let info = sys::prog_info(program.as_fd())
        .map_err(|error| kernel("ask about the program to attach to", error))?;
    if info.btf_id == 0 {
        let message = format!(
            "program '{}', which it attaches to, has no type information",
            program.name()
        );
        return Err(Error::invalid(subject.clone(), message));
    }
    let btf = KernelBtf::by_id(info.btf_id)?;
    let id = btf.find(function, Kind::FUNC).ok_or_else(|| {
        let what = format!("function {function} in program '{}'", program.name());
        Error::not_found(subject.clone(), what)
    })?;
    Ok(AttachTarget::Program {
        program: program.clone(),
        function: id,
    })
}
