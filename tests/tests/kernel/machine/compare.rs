//! One object in both engines: its programs run one after the other, and maps are compared after each.

use std::collections::BTreeMap;

use bpfld::{Loaded, MapType, Program};
use bpfld_insn::Helper;
use bpfld_object::{Object, Relocation, Target};
use bpfld_tests::sandbox;
use bpfld_vm::{FaultKind, Problem, Uninitialised, Vm};

use super::contents::{keeps_objects, maps_differ};
use super::engines::{Failed, load, machine, run_here, run_there};
use super::inputs::inputs;

/// What came of one program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The same from both.
    Agrees,
    /// The kernel does not run it on made-up input, or did not load it.
    NotInKernel(String),
    /// The machine lacks something: a helper, a kernel function, a CO-RE answer.
    NotHere(String),
    /// It asks for the time, chance or the kernel's own memory: no two runs are the same.
    Unsteady,
    /// Not the same.
    Differs(String),
}

/// Helpers whose answers cannot be foreseen.
const UNSTEADY: &[Helper] = &[
    Helper::KTIME_GET_NS,
    Helper::KTIME_GET_BOOT_NS,
    Helper::KTIME_GET_COARSE_NS,
    Helper::KTIME_GET_TAI_NS,
    Helper::JIFFIES64,
    Helper::GET_PRANDOM_U32,
    Helper::GET_CURRENT_TASK,
    Helper::GET_CURRENT_TASK_BTF,
    Helper::GET_CURRENT_CGROUP_ID,
    Helper::GET_LOCAL_STORAGE,
    Helper::GET_STACK,
    Helper::GET_STACKID,
    Helper::GET_SOCKET_COOKIE,
    Helper::TIMER_START,
];

/// Compares all programs of an object, by name.
pub(super) fn compare(object: &Object) -> BTreeMap<String, Verdict> {
    let all = |verdict: &Verdict| {
        let programs = object.programs().iter();
        programs
            .map(|program| (program.name.to_string(), verdict.clone()))
            .collect()
    };
    let partial = match load(object) {
        Ok(partial) => partial,
        Err(error) => return all(&Verdict::NotInKernel(error.to_string())),
    };
    let mut vm = match machine(object, Uninitialised::Stale) {
        Ok(vm) => vm,
        Err(error) => return all(&Verdict::NotHere(error)),
    };
    let mut verdicts = BTreeMap::new();
    for program in object.programs() {
        let name = &*program.name;
        let verdict = match partial.loaded.program(name) {
            Ok(kernel) => match one(object, name, kernel, &partial.loaded, &mut vm) {
                Verdict::Differs(_) => alone(object, name),
                verdict => verdict,
            },
            Err(error) => {
                let failed = partial.failed.iter().find(|(failed, _)| failed == name);
                Verdict::NotInKernel(failed.map_or(error.to_string(), |(_, error)| error.to_string()))
            }
        };
        verdicts.insert(name.to_owned(), verdict);
    }
    verdicts
}

/// One program with maps that nothing has been in before: others that are never the same twice leave something there.
fn alone(object: &Object, name: &str) -> Verdict {
    let Ok(partial) = load(object) else {
        return Verdict::NotInKernel("not a second time".to_owned());
    };
    let verdict = match (
        partial.loaded.program(name),
        machine(object, Uninitialised::Stale),
    ) {
        (Ok(kernel), Ok(mut vm)) => one(object, name, kernel, &partial.loaded, &mut vm),
        _ => return Verdict::NotInKernel("not a second time".to_owned()),
    };
    // what was on the stack before is nobody's business
    let reads_stale_stack = || {
        let mut vm = machine(object, Uninitialised::Fault).unwrap();
        let program_type = vm.program(name).unwrap().program_type();
        inputs(program_type).iter().any(|input| {
            matches!(
                run_here(&mut vm, name, program_type, input),
                Err(Failed::Fault(fault)) if matches!(
                    &fault.kind,
                    FaultKind::Access(access) if matches!(access.problem, Problem::Uninitialised { .. })
                )
            )
        })
    };
    match verdict {
        Verdict::Differs(_) if reads_stale_stack() => Verdict::Unsteady,
        verdict => verdict,
    }
}

fn one(object: &Object, name: &str, kernel: &Program, loaded: &Loaded, vm: &mut Vm) -> Verdict {
    let program_type = kernel.program_type();
    let linked = object.program(name).and_then(|program| object.link(program).ok());
    let is_unsteady = linked.is_some_and(|linked| {
        let calls = |helper: &Helper| {
            linked
                .insns
                .iter()
                .any(|slot| slot.is_helper_call() && slot.imm as u32 == helper.0)
        };
        let is_address =
            |relocation: &Relocation| matches!(relocation.target, Target::Ksym(_) | Target::KfuncAddress(_));
        // so are addresses of the kernel's, and those of arenas
        let has_arena = object.maps().iter().any(|map| map.map_type == MapType::ARENA);
        UNSTEADY.iter().any(calls) || linked.relocations.iter().any(is_address) || has_arena
    });
    for input in inputs(program_type) {
        // here first: what goes on to the kernel calls no function that the machine does not know
        let ours = match run_here(vm, name, program_type, &input) {
            Ok(left) => left,
            Err(Failed::Other(problem)) => return Verdict::NotHere(problem),
            Err(Failed::Fault(fault)) => match &fault.kind {
                FaultKind::UnknownHelper(_) | FaultKind::UnknownKfunc(_) => {
                    return Verdict::NotHere(fault.to_string());
                }
                _ if is_unsteady => return Verdict::Unsteady,
                _ => return Verdict::Differs(format!("{fault:#}")),
            },
        };
        let theirs = match run_there(kernel, &input) {
            Ok(left) => left,
            Err(error) => return Verdict::NotInKernel(error),
        };
        if is_unsteady {
            return Verdict::Unsteady;
        }
        if ours != theirs {
            return Verdict::Differs(format!("kernel {theirs:02x?}\nours   {ours:02x?}"));
        }
        if let Some(difference) = maps_differ(loaded, vm, keeps_objects(object)) {
            return Verdict::Differs(difference);
        }
    }
    Verdict::Agrees
}

/// All programs of a text return the same, and leave the same in packets and maps.
#[track_caller]
pub(super) fn check(text: &str) {
    let text = format!(".license \"GPL\"\n{text}");
    let object = Object::parse(text.into_bytes()).unwrap();
    let verdicts = sandbox(|_room| compare(&object));
    assert!(!verdicts.is_empty());
    for (program, verdict) in verdicts {
        assert_eq!(verdict, Verdict::Agrees, "{program}");
    }
}
