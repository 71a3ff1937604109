//! Attaching to many kernel functions through trampolines and one link.

use std::{collections::HashSet, sync::Arc};

use bpfld_btf::{Btf, Kind, Type, TypeId};
use bpfld_sys::{AttachType, Errno, LinkKind, Target};

use super::{
    Program, ProgramKind, TracingMulti, kprobe_multi::is_function, pattern::matches, tracefs::Tracefs,
};
use crate::{Error, KernelBtf, Link, Result, link::create::link};

/// Most arguments, and most bytes of one, that a trampoline passes on.
const MOST_ARGUMENTS: usize = 12;
const MOST_BYTES: u32 = 16;

impl TracingMulti {
    /// Attaches to kernel functions by name (7.2), with a number for each that the program gets from
    /// `bpf_get_attach_cookie`, or none at all. A program loaded for sessions runs at entry and return of each.
    ///
    /// The functions are those of the module that the program was loaded for (section `fentry.multi/MODULE:…`), else those
    /// of the kernel proper.
    ///
    /// ```no_run
    /// # fn example(count: bpfld::TracingMulti) -> Result<(), bpfld::Error> {
    /// let link = count.attach(&["vfs_read", "vfs_write"], &[1, 2])?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When there is no such function in the kernel's types, one cannot be traced, or there are not as many cookies.
    pub fn attach(&self, functions: &[&str], cookies: &[u64]) -> Result<Link> {
        let btf = btf(self.program())?;
        let id = |name: &&str| {
            btf.find(name, Kind::FUNC).ok_or_else(|| {
                Error::not_found(
                    self.program().subject(),
                    format!("kernel function '{name}' to trace"),
                )
            })
        };
        let ids = functions.iter().map(id).collect::<Result<Vec<_>>>()?;
        self.attach_ids(&ids, cookies)
    }

    /// Attaches to kernel functions by their number in the types of the module that the program was loaded for, else of the
    /// kernel proper.
    ///
    /// # Errors
    ///
    /// As [`attach`](Self::attach).
    pub fn attach_ids(&self, functions: &[TypeId], cookies: &[u64]) -> Result<Link> {
        let target = match functions {
            [function] => format!("kernel function of type {}", function.0),
            _ => format!("{} kernel functions", functions.len()),
        };
        attach(self.program(), functions, cookies, target)
    }

    /// Attaches to all kernel functions that match a pattern, in which `*` stands for any text and `?` for any character,
    /// and that can be traced so: with at most 12 arguments, none larger than 16 bytes, and a result that is no struct.
    /// `MODULE:PATTERN` is allowed for a program that was loaded for the module.
    ///
    /// A program that sleeps (section `fentry.multi.s`) may trace only where the kernel lets errors be injected or that it
    /// marks so, and one other function among those that match is one too many.
    ///
    /// # Errors
    ///
    /// When none matches, or the kernel refuses.
    pub fn attach_matching(&self, pattern: &str) -> Result<Link> {
        attach_matching(self.program(), pattern)
    }
}

pub(super) fn attach_matching(program: &Program, pattern: &str) -> Result<Link> {
    let own = program.module().map_or("vmlinux", |module| module.name());
    let functions = match pattern.split_once(':') {
        Some((module, _)) if module != own => {
            let message = format!("was loaded for functions of {own}, not of {module}");
            return Err(Error::invalid(program.subject(), message));
        }
        Some((_, functions)) => functions,
        None => pattern,
    };
    let btf = btf(program)?;
    let ids = matching(&btf, functions, listed().as_ref());
    if ids.is_empty() {
        let what = format!("kernel function '{functions}' to trace in {own}");
        return Err(Error::not_found(program.subject(), what));
    }
    attach(program, &ids, &[], format!("kernel functions {pattern}"))
}

fn attach(program: &Program, functions: &[TypeId], cookies: &[u64], target: String) -> Result<Link> {
    if !cookies.is_empty() && cookies.len() != functions.len() {
        let message = "there must be as many cookies as functions";
        return Err(Error::invalid(program.subject(), message));
    }
    let Some(
        attach_type @ (AttachType::TRACE_FENTRY_MULTI
        | AttachType::TRACE_FEXIT_MULTI
        | AttachType::TRACE_FSESSION_MULTI),
    ) = program.attach_type()
    else {
        let message = "the attach type is not known, as the program came from no object";
        return Err(Error::invalid(program.subject(), message));
    };
    let btf_ids: Vec<u32> = functions.iter().map(|id| id.0).collect();
    let kind = LinkKind::TracingMulti {
        btf_ids: &btf_ids,
        cookies,
    };
    let result = link(program, Target::None, attach_type, kind, target);
    result.map_err(|error| {
        let sleeps = program.spec().is_some_and(|spec| spec.flags.sleepable);
        // Which functions these are the kernel does not list in full.
        if sleeps && error.errno() == Some(Errno::EINVAL) {
            error.with_hint(
                "programs that sleep may trace only functions where the kernel lets errors be injected, and must name no others",
            )
        } else {
            error
        }
    })
}

/// The types in which the kernel looks functions up by number.
fn btf(program: &Program) -> Result<Arc<Btf>> {
    match program.module() {
        Some(module) => Ok(Arc::clone(module.btf())),
        None => Ok(Arc::clone(KernelBtf::shared()?.vmlinux())),
    }
}

/// Names of functions that can be traced at all, where the kernel tells.
fn listed() -> Option<HashSet<String>> {
    let list = Tracefs::open().ok()?.read("available_filter_functions").ok()?;
    let names = list
        .lines()
        .filter_map(|line| line.split_ascii_whitespace().next());
    Some(
        names
            .filter(|name| is_function(name))
            .map(str::to_owned)
            .collect(),
    )
}

fn matching(btf: &Btf, pattern: &str, listed: Option<&HashSet<String>>) -> Vec<TypeId> {
    btf.own_types()
        .filter(|ty| ty.kind() == Kind::FUNC)
        .filter(|ty| {
            ty.name()
                .is_ok_and(|name| matches(pattern, name) && listed.is_none_or(|listed| listed.contains(name)))
        })
        .filter(|ty| is_traceable(btf, ty))
        .map(|ty| ty.id())
        .collect()
}

/// Whether a trampoline can pass on what the function takes and returns.
fn is_traceable(btf: &Btf, function: &Type<'_>) -> bool {
    let proto = function.target().and_then(|id| btf.ty(id).ok());
    let Some(proto) = proto.filter(|proto| proto.kind() == Kind::FUNC_PROTO) else {
        return false;
    };
    let mut params = proto.params();
    let result = proto.target().unwrap_or(TypeId::VOID);
    let has_plain_result = result == TypeId::VOID
        || btf
            .skip_modifiers(result)
            .is_ok_and(|ty| !ty.kind().is_composite());
    // `void` as the last one stands for "...".
    let is_passed = |id: TypeId| {
        id != TypeId::VOID
            && btf
                .resolve_size(id)
                .is_ok_and(|size| (1..=MOST_BYTES).contains(&size))
    };
    params.len() <= MOST_ARGUMENTS && has_plain_result && params.all(|param| is_passed(param.type_id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_traced_matches() {
        let Ok(kernel) = KernelBtf::shared() else {
            return; // a kernel without types
        };
        let btf = kernel.vmlinux();
        let ids = matching(btf, "bpf_fentry_test?", None);
        let names: Vec<_> = ids
            .iter()
            .map(|id| btf.ty(*id).and_then(|ty| ty.name()).expect("a name"))
            .collect();
        assert!(names.contains(&"bpf_fentry_test1"), "{names:?}");
        // It takes a variable number of arguments.
        assert!(matching(btf, "_printk", None).is_empty());
        assert!(matching(btf, "no_such_function*", None).is_empty());
        let listed = HashSet::from(["bpf_fentry_test2".to_owned()]);
        assert_eq!(matching(btf, "bpf_fentry_test?", Some(&listed)).len(), 1);
        assert!(matching(btf, "*", None).len() > 1000);
    }
}
