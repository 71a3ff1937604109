//! Externs: what an object expects from the kernel, found there when a program needs it.

pub(crate) mod kallsyms;
pub(crate) mod kconfig;

use std::borrow::Cow;

use bpfld_btf::{Kind, types_are_compatible};
use bpfld_features::{Config, Feature, Probes, Release};
use bpfld_object::{Extern, ExternIndex, ExternKind, Object};

use crate::error::{Error, ErrorKind, Subject};
use crate::kernel_btf::{KernelBtf, KernelType};
use kallsyms::Symbol;

/// What stands for an extern in instructions.
#[derive(Clone, Debug)]
pub(crate) enum Resolution {
    /// An address.
    Address(u64),
    /// A variable or function, by its number in the kernel's types.
    Type(KernelType),
    /// Nothing; the program says that it can do without.
    Missing,
}

fn subject(item: &Extern) -> Subject {
    Subject::Extern(item.name.to_string())
}

/// Finds the kernel's side of an extern that has a type.
///
/// # Errors
///
/// It is not in the kernel, or of another type there, and the object cannot do without.
pub(crate) fn resolve(object: &Object, item: &Extern, kernel: &KernelBtf) -> Result<Resolution, Error> {
    let (kind, name, local) = match item.kind {
        ExternKind::Ksym { ty: Some(ty) } => (Kind::VAR, &*item.name, ty),
        ExternKind::Kfunc { prototype } => (Kind::FUNC, item.essential_name(), prototype),
        _ => {
            return Err(Error::invalid(
                subject(item),
                "no program can use it: it is not defined",
            ));
        }
    };
    let Some(btf) = object.btf() else {
        return Err(Error::invalid(
            subject(item),
            "the object has no type information",
        ));
    };
    let noun = if kind == Kind::FUNC {
        "function"
    } else {
        "variable"
    };
    let Some(found) = kernel.find(name, kind)? else {
        if item.weak {
            return Ok(Resolution::Missing);
        }
        return Err(
            Error::unsupported(subject(item), format!("a kernel {noun} of this name"), None, None)
                .with_hint("neither vmlinux nor a module that is loaded has it"),
        );
    };
    let core_error = |error| Error::new(subject(item), ErrorKind::Core(error));
    let btf_error = |error| Error::new(subject(item), ErrorKind::Btf(error));
    let target = found.btf(kernel);
    let target_type = target
        .ty(found.id)
        .map_err(btf_error)?
        .target()
        .unwrap_or_default();
    if types_are_compatible(btf, local, target, target_type).map_err(core_error)? {
        return Ok(Resolution::Type(found));
    }
    // A function that changed is as good as one that is gone; a variable never was meant to.
    if item.weak && kind == Kind::FUNC {
        return Ok(Resolution::Missing);
    }
    let message = format!("the {noun} has another type in {}", found.origin());
    Err(Error::invalid(subject(item), message))
}

/// Finds addresses, all in one pass over the kernel's symbols. Answers come in the order of the question.
///
/// # Errors
///
/// A symbol is missing, ambiguous or hidden, and the object cannot do without.
pub(crate) fn addresses(object: &Object, wanted: &[ExternIndex]) -> Result<Vec<Resolution>, Error> {
    let items: Vec<&Extern> = wanted
        .iter()
        .filter_map(|index| object.externs().get(index.index()))
        .collect();
    let found = kallsyms::find(items.iter().map(|item| &*item.name)).map_err(|error| {
        Error::io(
            Subject::File("/proc/kallsyms".into()),
            "read the kernel's symbols",
            error,
        )
    })?;
    items
        .iter()
        .map(|item| address(item, found.get(&*item.name).copied()))
        .collect()
}

fn address(item: &Extern, found: Option<Symbol>) -> Result<Resolution, Error> {
    let error = match found {
        Some(Symbol::At(address)) => return Ok(Resolution::Address(address)),
        Some(Symbol::Ambiguous(first, second)) => {
            return Err(Error::invalid(
                subject(item),
                format!("two kernel symbols have this name, at {first:#x} and at {second:#x}"),
            ));
        }
        Some(Symbol::Hidden) => Error::invalid(subject(item), "the kernel hides addresses of its symbols")
            .with_hint("this needs CAP_SYSLOG and kernel.kptr_restrict below 2"),
        None => Error::not_found(subject(item), "kernel symbol of this name"),
    };
    if item.weak {
        Ok(Resolution::Missing)
    } else {
        Err(error)
    }
}

/// The contents of the map of configuration values.
///
/// # Errors
///
/// A value is missing and the object cannot do without, or it does not fit its variable.
pub(crate) fn kconfig_values(
    object: &Object,
    size: usize,
    extra: Option<&str>,
    probes: &Probes,
) -> Result<Vec<u8>, Error> {
    let mut values = vec![0; size];
    let extra = extra.map(Config::parse);
    for item in object.externs() {
        let ExternKind::Kconfig {
            value: shape,
            offset,
            size,
            ..
        } = item.kind
        else {
            continue;
        };
        let place = values
            .get_mut(offset as usize..)
            .and_then(|rest| rest.get_mut(..size as usize));
        let place = place.ok_or_else(|| Error::invalid(subject(item), "lies outside of its map"))?;
        let invalid = |message: Cow<'static, str>| Error::invalid(subject(item), message);
        if let Some(value) = virtual_value(&item.name, probes) {
            let value =
                value.ok_or_else(|| invalid("the release of the running kernel is not known".into()))?;
            shape
                .write_number(value, place, bpfld_insn::Endian::NATIVE)
                .map_err(invalid)?;
            continue;
        }
        let own = extra.as_ref().and_then(|config| config.get(&item.name));
        let value = match own {
            None if item.name.starts_with("CONFIG_") => {
                Config::current().and_then(|config| config.get(&item.name))
            }
            own => own,
        };
        match value {
            Some(value) => kconfig::write(shape, value, place).map_err(invalid)?,
            None if item.weak => {}
            None => return Err(missing_value(item)),
        }
    }
    Ok(values)
}

/// Values that no configuration file has. The inner `None`: not known.
fn virtual_value(name: &str, probes: &Probes) -> Option<Option<u64>> {
    Some(match name {
        "LINUX_KERNEL_VERSION" => Release::current().map(|release| release.version_code().into()),
        "LINUX_HAS_BPF_COOKIE" => Some(probes.has(Feature::AttachCookie).into()),
        "LINUX_HAS_SYSCALL_WRAPPER" => Some(probes.has(Feature::SyscallWrapper).into()),
        _ => return None,
    })
}

fn missing_value(item: &Extern) -> Error {
    if !item.name.starts_with("CONFIG_") {
        let message = "unknown; names of values begin with CONFIG_, those of the loader with LINUX_";
        return Error::invalid(subject(item), message);
    }
    let error = Error::not_found(subject(item), "value for it in the kernel's configuration");
    match Config::current() {
        Some(_) => error.with_hint("declare it weak, or give the loader a configuration of your own"),
        None => error.with_hint("neither /boot/config-$(uname -r) nor /proc/config.gz can be read"),
    }
}
