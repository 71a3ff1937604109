//! Which programs the kernel takes.

use std::os::fd::AsFd;

use bpfld_insn::Helper;
use bpfld_sys::{AttachType, Errno, ProgFlags, ProgramType};

use super::code::{
    EXIT, RETURN_0, add_imm, call as call_helper, call_function, jump_if_not, map_value, mov_imm, mov_reg,
    store_imm,
};
use super::kernel::{self, Load};
use super::map::with_array;
use super::verdict::{judge, refused, refused_program};
use crate::probe::btf;
use crate::{Answer, Config, Feature};

/// Programs that get a verdict only with a target are asked for with an impossible one: the complaint about the target
/// shows that the kernel knows the type.
pub(crate) struct Complaint {
    errno: Errno,
    text: &'static str,
}

const NO_FUNCTION: Complaint = Complaint {
    errno: Errno::EINVAL,
    text: "attach_btf_id 1 is not a function",
};
const NO_TYPEDEF: Complaint = Complaint {
    errno: Errno::EINVAL,
    text: "attach_btf_id 1 is not a typedef",
};
const NO_PROGRAM: Complaint = Complaint {
    errno: Errno::EINVAL,
    text: "Cannot replace kernel functions",
};
const NO_STRUCT: Complaint = Complaint {
    errno: Errno::ENOTSUPP,
    text: "",
};

/// Whether programs of a type load.
pub(crate) fn load(kind: ProgramType) -> Answer {
    let (load, complaint) = match Load::new(kind, &RETURN_0).for_type() {
        Some(load) => load,
        None => return Answer::unknown("no probe for this program type"),
    };
    answer(load, complaint, "loading the smallest program of this type")
}

/// Whether tracing programs attach so, to a target that cannot be.
pub(crate) fn traces(attach: AttachType) -> Answer {
    let complaint = match attach {
        AttachType::TRACE_RAW_TP => NO_TYPEDEF,
        _ => NO_FUNCTION,
    };
    let load = Load {
        attach_type: attach,
        attach_btf_id: 1,
        ..Load::new(ProgramType::TRACING, &RETURN_0)
    };
    answer(
        load,
        Some(complaint),
        "loading a program for an impossible target",
    )
}

/// Whether tracing programs attach to many functions; they are loaded without a target.
pub(crate) fn traces_many(attach: AttachType) -> Answer {
    let load = Load {
        attach_type: attach,
        ..Load::new(ProgramType::TRACING, &RETURN_0)
    };
    answer(load, None, "loading a program without a target")
}

fn answer(load: Load<'_>, complaint: Option<Complaint>, how: &'static str) -> Answer {
    let Some(expected) = complaint else {
        return match load.run() {
            Ok(_) => Answer::Yes,
            Err(errno) => refused_program(load.kind, errno, how),
        };
    };
    let (result, log) = load.run_with_log();
    match result {
        Ok(_) => Answer::Yes,
        Err(errno) if errno == expected.errno && log.contains(expected.text) => Answer::Yes,
        Err(errno) => refused_program(load.kind, errno, how),
    }
}

impl<'a> Load<'a> {
    /// What else the kernel wants to know for a program of this type. `None` for types that this build does not know.
    pub(crate) fn for_type(self) -> Option<(Load<'a>, Option<Complaint>)> {
        let attach = |attach| {
            Some((
                Load {
                    attach_type: attach,
                    ..self
                },
                None,
            ))
        };
        let target = |attach, complaint| {
            Some((
                Load {
                    attach_type: attach,
                    attach_btf_id: 1,
                    ..self
                },
                Some(complaint),
            ))
        };
        match self.kind {
            ProgramType::UNSPEC => None,
            ProgramType::CGROUP_SOCK_ADDR => attach(AttachType::CGROUP_INET4_CONNECT),
            ProgramType::CGROUP_SOCKOPT => attach(AttachType::CGROUP_GETSOCKOPT),
            ProgramType::SK_LOOKUP => attach(AttachType::SK_LOOKUP),
            ProgramType::NETFILTER => attach(AttachType::NETFILTER),
            ProgramType::LIRC_MODE2 => attach(AttachType::LIRC_MODE2),
            ProgramType::TRACING => target(AttachType::TRACE_RAW_TP, NO_TYPEDEF),
            ProgramType::LSM => target(AttachType::LSM_MAC, NO_FUNCTION),
            ProgramType::EXT => target(AttachType(0), NO_PROGRAM),
            ProgramType::STRUCT_OPS => Some((self, Some(NO_STRUCT))),
            ProgramType::SYSCALL => Some((
                Load {
                    flags: ProgFlags::SLEEPABLE,
                    ..self
                },
                None,
            )),
            _ if self.kind.name().is_some() => Some((self, None)),
            _ => None,
        }
    }
}

/// Whether programs of a type may call a helper. The verifier looks at the arguments of a call only when it knows the
/// helper and allows it, so any other complaint is a yes.
pub(crate) fn call(kind: ProgramType, helper: Helper) -> Answer {
    let code = [call_helper(helper), EXIT];
    let (load, complaint) = match Load::new(kind, &code).for_type() {
        Some(load) => load,
        None => return Answer::unknown("no probe for this program type"),
    };
    if complaint.is_some() {
        return Answer::unknown("programs of this type get no verdict without a target");
    }
    let (result, log) = load.run_with_log();
    let Err(errno) = result else {
        return Answer::Yes;
    };
    let refusals = [
        "invalid func ",
        "unknown func ",
        "program of this type cannot use helper",
    ];
    match refusals.iter().any(|refusal| log.contains(refusal)) {
        true => Answer::No(crate::Evidence {
            errno: Some(errno),
            how: "the verifier does not know the helper here".into(),
        }),
        false if log.is_empty() => refused_program(kind, errno, "loading a program that calls the helper"),
        false => Answer::Yes,
    }
}

/// Kernels without trampolines know such programs, too, and cannot attach them.
pub(crate) fn fentry() -> Answer {
    let config = Config::current();
    let is_off = |option: &&&str| config.is_some_and(|config| !config.is_on(option));
    match Feature::Fentry.options().iter().find(is_off) {
        Some(option) => Answer::no(format!("the kernel is built without {option}")),
        None => traces(AttachType::TRACE_FENTRY),
    }
}

/// More than the 4096 instructions that were the limit before.
pub(crate) fn large() -> Answer {
    let mut code = vec![mov_imm(0, 0); 4096];
    code.push(EXIT);
    judge(
        Load::new(ProgramType::SOCKET_FILTER, &code).run(),
        "loading a program of 4097 instructions",
    )
}

pub(crate) fn bounded_loop() -> Answer {
    let code = [mov_imm(0, 10), add_imm(0, -1), jump_if_not(0, 0, -2), EXIT];
    judge(
        Load::new(ProgramType::SOCKET_FILTER, &code).run(),
        "loading a program that counts from 10 to 0",
    )
}

pub(crate) fn fd_array_count() -> Answer {
    with_array(|map| {
        let load = Load {
            fd_array: &[kernel::number(map)],
            ..Load::new(ProgramType::SOCKET_FILTER, &RETURN_0)
        };
        judge(load.run(), "loading a program with an array of one descriptor")
    })
}

pub(crate) fn name() -> Answer {
    let load = Load {
        name: "bpfld_probe",
        ..Load::new(ProgramType::SOCKET_FILTER, &RETURN_0)
    };
    judge(load.run(), "loading a program with a name")
}

pub(crate) fn expected_attach_type() -> Answer {
    let load = Load::new(ProgramType::CGROUP_SOCK, &RETURN_0);
    let load = Load {
        attach_type: AttachType::CGROUP_INET_SOCK_CREATE,
        ..load
    };
    judge(load.run(), "loading a program with an attach type")
}

pub(crate) fn global_data() -> Answer {
    with_array(|map| {
        let [low, high] = map_value(1, kernel::number(map), 16);
        let code = [low, high, store_imm(1, 42), mov_imm(0, 0), EXIT];
        judge(
            Load::new(ProgramType::SOCKET_FILTER, &code).run(),
            "loading a program that writes to the value of a map",
        )
    })
}

/// The limit is checked before the size of the map.
pub(crate) fn full_map_value_offset() -> Answer {
    with_array(|map| {
        let [low, high] = map_value(1, kernel::number(map), 1 << 30);
        let code = [low, high, EXIT];
        match Load::new(ProgramType::SOCKET_FILTER, &code).run_with_log() {
            (Ok(_), _) => Answer::Yes,
            (Err(errno), log) if log.is_empty() => {
                refused(errno, "loading a program with an offset of 1 GiB")
            }
            (Err(_), log) if log.contains("direct value offset of") => {
                Answer::no("the verifier limits the offset")
            }
            (Err(_), _) => Answer::Yes,
        }
    })
}

pub(crate) fn probe_read_kernel() -> Answer {
    let code = [
        mov_reg(1, 10),
        add_imm(1, -8),
        mov_imm(2, 8),
        mov_imm(3, 0),
        call_helper(Helper::PROBE_READ_KERNEL),
        EXIT,
    ];
    judge(
        Load::new(ProgramType::TRACEPOINT, &code).run(),
        "loading a program that calls bpf_probe_read_kernel",
    )
}

pub(crate) fn attach_cookie() -> Answer {
    let code = [call_helper(Helper::GET_ATTACH_COOKIE), EXIT];
    judge(
        Load::new(ProgramType::TRACEPOINT, &code).run(),
        "loading a program that calls bpf_get_attach_cookie",
    )
}

/// The accounting itself cannot be seen; this helper came with the same release, and distributions took both or none.
pub(crate) fn memcg_accounting() -> Answer {
    let code = [call_helper(Helper::KTIME_GET_COARSE_NS), EXIT];
    judge(
        Load::new(ProgramType::SOCKET_FILTER, &code).run(),
        "loading a program that calls bpf_ktime_get_coarse_ns",
    )
}

pub(crate) fn arg_ctx() -> Answer {
    let btf = match btf::context_argument().map(|bytes| kernel::load_btf(&bytes)) {
        Ok(Ok(btf)) => btf,
        Ok(Err(errno)) => return refused(errno, "loading BTF with a tag on a parameter"),
        Err(error) => return Answer::unknown(error.to_string()),
    };
    // the helper takes nothing but a context
    let code = [call_function(1), EXIT, call_helper(Helper::GET_FUNC_IP), EXIT];
    let load = Load::new(ProgramType::KPROBE, &code);
    let load = Load {
        name: "a",
        btf: Some(btf.as_fd()),
        functions: &[[0, 4], [2, 6]],
        ..load
    };
    judge(
        load.run(),
        "loading a function with a parameter tagged as context",
    )
}
