//! Where programs can be attached.

use bpfld_sys::{self as sys, AttachType, MapCreate, MapFlags, MapType, ProgramType};

use super::code::RETURN_0;
use super::kernel::{self, Load};
use super::verdict::{judge, refused};
use super::{command, link, map, program};
use crate::Answer;

/// Whether programs can be attached there.
pub(crate) fn to(attach: AttachType) -> Answer {
    match attach {
        AttachType::TRACE_RAW_TP
        | AttachType::TRACE_FENTRY
        | AttachType::TRACE_FEXIT
        | AttachType::MODIFY_RETURN
        | AttachType::TRACE_ITER
        | AttachType::TRACE_FSESSION => program::traces(attach),
        AttachType::TRACE_FENTRY_MULTI | AttachType::TRACE_FEXIT_MULTI | AttachType::TRACE_FSESSION_MULTI => {
            program::traces_many(attach)
        }
        AttachType::LSM_MAC => program::load(ProgramType::LSM),
        AttachType::NETFILTER => program::load(ProgramType::NETFILTER),
        AttachType::STRUCT_OPS => map::struct_ops(MapFlags::LINK),
        AttachType::PERF_EVENT => link::perf(),
        AttachType::TRACE_KPROBE_MULTI | AttachType::TRACE_KPROBE_SESSION => link::kprobe_multi(attach),
        AttachType::TRACE_UPROBE_MULTI | AttachType::TRACE_UPROBE_SESSION => link::uprobe_multi_as(attach),
        AttachType::XDP_DEVMAP => value_with_program(MapType::DEVMAP),
        AttachType::XDP_CPUMAP => value_with_program(MapType::CPUMAP),
        AttachType::SK_REUSEPORT_SELECT | AttachType::SK_REUSEPORT_SELECT_OR_MIGRATE => {
            at_load(ProgramType::SK_REUSEPORT, attach)
        }
        // Without control groups in the kernel, only the list of what is attached says no.
        _ if attach.name().is_some_and(|name| name.starts_with("cgroup_")) => command::knows(
            sys::inquire_query(attach),
            "asking what is attached to a control group that is none",
        ),
        _ if attach.name().is_some() => command::attaches_to(attach),
        _ => Answer::unknown("no probe for this attach type"),
    }
}

/// Values of such maps have had room for a program since one can be run from them.
fn value_with_program(kind: MapType) -> Answer {
    judge(
        kernel::create(&MapCreate::new(kind, 4, 8, 1)),
        "creating a map whose values have room for a program",
    )
}

/// Kernels that look at the attach type of such a program refuse one that does not exist.
fn at_load(kind: ProgramType, attach: AttachType) -> Answer {
    let load = |attach_type| {
        let load = Load::new(kind, &RETURN_0);
        Load { attach_type, ..load }.run()
    };
    match load(attach) {
        Err(errno) => refused(errno, "loading a program with the attach type"),
        Ok(_) if load(AttachType(0x7fff)).is_ok() => {
            Answer::no("the kernel does not look at the attach type of such programs")
        }
        Ok(_) => Answer::Yes,
    }
}
