//! Kernel functions that programs may call: there is no table of them but the kernel itself.

use std::collections::BTreeMap;
use std::fs;

use bpfld_btf::{Btf, Kind, TypeId};
use bpfld_insn::{Slot, pseudo};
use bpfld_sys::ProgramType;

use crate::Release;
use crate::capabilities_for;
use crate::probe::code::{EXIT, RETURN_0};
use crate::probe::kernel::Load;
use crate::probe::verdict::missing_right;

/// The kernel functions that programs may call (Linux 5.13), by name, with the types of programs that may call each.
///
/// Functions of modules are not among them. Types of programs that get no verdict without a target (tracing, LSM, freplace,
/// struct_ops) are not asked for; what tracing programs may call, programs for tracepoints may call since Linux 6.10.
///
/// ```no_run
/// use bpfld_features::Kfuncs;
/// use bpfld_sys::ProgramType;
///
/// let kfuncs = Kfuncs::of_running_kernel()?;
/// if let Some(callers) = kfuncs.callers("bpf_cgroup_acquire") {
///     println!("from programs for tracepoints: {}", callers.contains(&ProgramType::TRACEPOINT));
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kfuncs {
    /// The types of programs that were asked for.
    pub asked: Vec<ProgramType>,
    /// Of those, by name of the function, who may call it. Where nobody of them may, others still may.
    pub functions: BTreeMap<String, Vec<ProgramType>>,
}

/// One program type for each set of functions that kernels have.
const ASKED: &[ProgramType] = &[
    ProgramType::SOCKET_FILTER,
    ProgramType::KPROBE,
    ProgramType::SCHED_CLS,
    ProgramType::SCHED_ACT,
    ProgramType::TRACEPOINT,
    ProgramType::XDP,
    ProgramType::CGROUP_SKB,
    ProgramType::LWT_IN,
    ProgramType::SK_SKB,
    ProgramType::SYSCALL,
    ProgramType::NETFILTER,
];

impl Kfuncs {
    /// Ask the running kernel: its type information for the names, its verifier for the callers. Kernels before 6.10 mostly do not say in
    /// their type information which functions these are; then only functions whose names begin with `bpf_` are tried.
    ///
    /// # Errors
    ///
    /// The kernel's type information cannot be read (`CONFIG_DEBUG_INFO_BTF`), or rights are missing.
    pub fn of_running_kernel() -> Result<Kfuncs, KfuncError> {
        let bytes = fs::read("/sys/kernel/btf/vmlinux").map_err(KfuncError::Io)?;
        let btf = Btf::parse(bytes).map_err(KfuncError::Btf)?;
        let loads = |kind: &ProgramType| program(*kind, &RETURN_0).0.is_ok();
        let asked: Vec<ProgramType> = ASKED.iter().copied().filter(loads).collect();
        if let Some(missing) = ASKED
            .iter()
            .find_map(|kind| missing_right(&capabilities_for(*kind)))
        {
            return Err(KfuncError::Rights(missing.into_owned()));
        }
        let (candidates, tagged) = candidates(&btf);
        let mut functions = BTreeMap::new();
        for (name, id) in candidates {
            let callers: Vec<ProgramType> =
                asked.iter().copied().filter(|kind| may_call(*kind, id)).collect();
            if tagged || !callers.is_empty() {
                functions.insert(name, callers);
            }
        }
        Ok(Kfuncs { asked, functions })
    }

    /// Who may call a function, of those that were asked for; nothing if the kernel has no such function.
    pub fn callers(&self, name: &str) -> Option<&[ProgramType]> {
        self.functions.get(name).map(Vec::as_slice)
    }

    /// Whether programs of a type may call a function; nothing if that cannot be told.
    pub fn may_call(&self, kind: ProgramType, name: &str) -> Option<bool> {
        match self.callers(name) {
            None => Some(false),
            Some(callers) => self.asked.contains(&kind).then(|| callers.contains(&kind)),
        }
    }
}

/// Why the kernel's functions could not be found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KfuncError {
    /// The type information could not be read.
    #[error("cannot read /sys/kernel/btf/vmlinux (CONFIG_DEBUG_INFO_BTF)")]
    Io(#[source] std::io::Error),
    /// The type information makes no sense.
    #[error("cannot parse /sys/kernel/btf/vmlinux")]
    Btf(#[source] bpfld_btf::Error),
    /// This process may not load programs.
    #[error("the verifier cannot be asked who may call kernel functions: {0}")]
    Rights(String),
}

/// Functions that may be meant, and whether the kernel says that they are.
fn candidates(btf: &Btf) -> (Vec<(String, TypeId)>, bool) {
    let named = |id: TypeId| {
        let ty = btf.ty(id).ok().filter(|ty| ty.kind() == Kind::FUNC)?;
        Some((ty.name().ok()?.to_owned(), id))
    };
    let tags = btf
        .types()
        .filter(|ty| ty.kind() == Kind::DECL_TAG && ty.name() == Ok("bpf_kfunc"));
    let tagged: Vec<_> = tags.filter_map(|tag| named(tag.target()?)).collect();
    if !tagged.is_empty() {
        return (tagged, true);
    }
    // Before 5.13 there are none.
    if Release::current().is_some_and(|release| release < Release::new(5, 10)) {
        return (Vec::new(), false);
    }
    let functions = btf.types().filter(|ty| ty.kind() == Kind::FUNC);
    let ours = functions.filter(|ty| ty.name().is_ok_and(|name| name.starts_with("bpf_")));
    (ours.filter_map(|ty| named(ty.id())).collect(), false)
}

/// The verifier asks for the right to call before it looks at arguments.
fn may_call(kind: ProgramType, function: TypeId) -> bool {
    let call = Slot::new(0x85, 0, pseudo::CALL_KFUNC, 0, function.0 as i32);
    let (result, log) = program(kind, &[call, EXIT]);
    let refusals = [
        "is not allowed",
        "uses reserved fields",
        "is not a kernel function",
        "cannot find address",
        "JIT",
    ];
    result.is_ok() || !(log.is_empty() || refusals.iter().any(|refusal| log.contains(refusal)))
}

fn program(kind: ProgramType, code: &[Slot]) -> (Result<std::os::fd::OwnedFd, bpfld_sys::Errno>, String) {
    match Load::new(kind, code).for_type() {
        Some((load, _)) => load.run_with_log(),
        None => (Err(bpfld_sys::Errno::EINVAL), String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_asked_is_not_told() {
        let kfuncs = Kfuncs {
            asked: vec![ProgramType::XDP, ProgramType::SYSCALL],
            functions: BTreeMap::from([("bpf_f".to_owned(), vec![ProgramType::XDP])]),
        };
        assert_eq!(kfuncs.may_call(ProgramType::XDP, "bpf_f"), Some(true));
        assert_eq!(kfuncs.may_call(ProgramType::SYSCALL, "bpf_f"), Some(false));
        assert_eq!(kfuncs.may_call(ProgramType::LSM, "bpf_f"), None);
        assert_eq!(kfuncs.may_call(ProgramType::LSM, "bpf_g"), Some(false));
    }
}
