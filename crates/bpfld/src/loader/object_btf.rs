//! The object's type information, made fit for the kernel and loaded.

use std::collections::BTreeMap;
use std::os::fd::{BorrowedFd, OwnedFd};

use bpfld_btf::{BtfFeature, BtfFeatures, Draft, TypeId};
use bpfld_features::{Feature, Probes};
use bpfld_object::Object;
use bpfld_sys::{self as sys, ProgramType};

use super::verifier;
use crate::adaptation::{Adaptations, Measure, of_btf};
use crate::error::{Error, ErrorKind, Subject};
use crate::memlock::{self, Memlock};

/// How it is loaded.
pub(crate) struct Request<'a> {
    pub(crate) object: &'a Object,
    pub(crate) probes: &'a Probes,
    pub(crate) token: Option<BorrowedFd<'a>>,
    pub(crate) memlock: Memlock,
    /// The types of the programs that may be loaded with it.
    pub(crate) programs: Vec<ProgramType>,
    pub(crate) adaptations: &'a Adaptations,
}

/// What was loaded.
#[derive(Debug, Default)]
pub(crate) struct ObjectBtf {
    /// `None`: the object has none, or the kernel knows no BTF.
    pub(crate) fd: Option<OwnedFd>,
    /// For a struct of this name as context: copies of functions, by the function.
    copies: Copies,
}

impl ObjectBtf {
    /// The function that a program of a type names in its function records.
    pub(crate) fn function(&self, kind: ProgramType, function: TypeId) -> TypeId {
        let copy = || self.copies.get(&(context(kind)?, function)).copied();
        copy().unwrap_or(function)
    }

    /// Whether a program of a type has other functions than those of the object.
    pub(crate) fn is_copy(&self, kind: ProgramType, function: TypeId) -> bool {
        self.function(kind, function) != function
    }
}

/// Loads the object's BTF.
///
/// The kernel gets it whole first; only if it refuses, it is asked what it lacks.
pub(crate) fn load(request: &Request<'_>) -> Result<ObjectBtf, Error> {
    let Request {
        object,
        probes,
        token,
        memlock,
        programs,
        adaptations,
    } = request;
    let Some((mut draft, copies)) = draft(object, probes, programs)? else {
        return Ok(ObjectBtf::default());
    };
    // A kernel that is played by a record is not asked.
    if probes.is_live() {
        let whole = draft.to_bytes();
        let mut load = sys::BtfLoad::new(&whole);
        load.token = *token;
        if let Ok(fd) = memlock::within(*memlock, || sys::btf_load(&load, None)) {
            return Ok(ObjectBtf { fd: Some(fd), copies });
        }
    }
    if !rewrite(&mut draft, probes, adaptations)? {
        return Ok(ObjectBtf::default());
    }
    let fd = verifier::load_btf(&draft.to_bytes(), *token)?;
    Ok(ObjectBtf { fd: Some(fd), copies })
}

/// What would be loaded, without a descriptor.
pub(crate) fn foresee(request: &Request<'_>) -> Result<ObjectBtf, Error> {
    let Some((mut draft, copies)) = draft(request.object, request.probes, &request.programs)? else {
        return Ok(ObjectBtf::default());
    };
    Ok(match rewrite(&mut draft, request.probes, request.adaptations)? {
        true => ObjectBtf { fd: None, copies },
        false => ObjectBtf::default(),
    })
}

/// Copies of functions, by the name of the context and the function.
type Copies = BTreeMap<(&'static str, TypeId), TypeId>;

/// The object's types with the copies that the kernel needs; nothing if it has none.
fn draft(
    object: &Object,
    probes: &Probes,
    programs: &[ProgramType],
) -> Result<Option<(Draft, Copies)>, Error> {
    let draft = object
        .btf_draft()
        .map_err(|error| Error::new(Subject::ObjectBtf, ErrorKind::Object(error)))?;
    let Some(mut draft) = draft else {
        return Ok(None);
    };
    let copies = contexts(&mut draft, probes, programs).map_err(bad)?;
    Ok(Some((draft, copies)))
}

/// Leaves out what the kernel does not know. Returns whether it takes types at all.
fn rewrite(draft: &mut Draft, probes: &Probes, adaptations: &Adaptations) -> Result<bool, Error> {
    if probes.probe(Feature::Btf).is_no() {
        adaptations.note(Subject::ObjectBtf, Measure::TypesOmitted);
        return Ok(false);
    }
    for missing in draft.downgrade(features(probes)).map_err(bad)? {
        adaptations.note(Subject::ObjectBtf, Measure::TypesRewritten(missing));
    }
    Ok(true)
}

fn bad(error: bpfld_btf::Error) -> Error {
    Error::new(Subject::ObjectBtf, ErrorKind::Btf(error))
}

/// What the kernel has of all that BTF can say.
fn features(probes: &Probes) -> BtfFeatures {
    BtfFeature::ALL
        .into_iter()
        .filter(|feature| !probes.probe(of_btf(*feature)).is_no())
        .collect()
}

/// Copies of functions with parameters tagged as context, for kernels that know the context by its type only.
fn contexts(
    draft: &mut Draft,
    probes: &Probes,
    programs: &[ProgramType],
) -> Result<Copies, bpfld_btf::Error> {
    let mut copies = BTreeMap::new();
    let functions = draft.context_parameters();
    if functions.is_empty() || !probes.probe(Feature::ArgCtx).is_no() {
        return Ok(copies);
    }
    for name in programs.iter().filter_map(|kind| context(*kind)) {
        for (function, parameters) in &functions {
            if copies.contains_key(&(name, *function)) {
                continue;
            }
            if let Some(copy) = draft.with_context(*function, parameters, name)? {
                copies.insert((name, *function), copy);
            }
        }
    }
    Ok(copies)
}

/// The type that is the context of programs, for those whose context has a type with a name.
fn context(kind: ProgramType) -> Option<&'static str> {
    Some(match kind {
        ProgramType::CGROUP_DEVICE => "bpf_cgroup_dev_ctx",
        ProgramType::CGROUP_SOCK => "bpf_sock",
        ProgramType::CGROUP_SOCK_ADDR => "bpf_sock_addr",
        ProgramType::CGROUP_SOCKOPT => "bpf_sockopt",
        ProgramType::CGROUP_SYSCTL => "bpf_sysctl",
        ProgramType::CGROUP_SKB
        | ProgramType::FLOW_DISSECTOR
        | ProgramType::LWT_IN
        | ProgramType::LWT_OUT
        | ProgramType::LWT_SEG6LOCAL
        | ProgramType::LWT_XMIT
        | ProgramType::SCHED_ACT
        | ProgramType::SCHED_CLS
        | ProgramType::SK_SKB
        | ProgramType::SOCKET_FILTER => "__sk_buff",
        ProgramType::KPROBE => "bpf_user_pt_regs_t",
        ProgramType::NETFILTER => "bpf_nf_ctx",
        ProgramType::PERF_EVENT => "bpf_perf_event_data",
        ProgramType::RAW_TRACEPOINT | ProgramType::RAW_TRACEPOINT_WRITABLE => "bpf_raw_tracepoint_args",
        ProgramType::SK_LOOKUP => "bpf_sk_lookup",
        ProgramType::SK_MSG => "sk_msg_md",
        ProgramType::SK_REUSEPORT => "sk_reuseport_md",
        ProgramType::SOCK_OPS => "bpf_sock_ops",
        ProgramType::XDP => "xdp_md",
        _ => return None,
    })
}
