//! One object in both engines: its programs run one after the other, and maps are compared after each.

use std::collections::BTreeMap;

use bpfld::{KernelBtf, Loaded, Loader, MapType, Program, ProgramType, RingBuf};
use bpfld_features::{Config, ConfigValue};
use bpfld_insn::Helper;
use bpfld_object::{ExternKind, Object, Pinning, Relocation, Target};
use bpfld_vm::{
    Arguments, Bytes, Fault, FaultKind, Flow, Problem, Setting, Skb, Structure, Uninitialised, Vm, Xdp,
};

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

/// What a program returned and left in its packet or context.
#[derive(Debug, PartialEq, Eq)]
struct Left {
    value: u32,
    data: Vec<u8>,
}

/// Packets of several kinds.
fn packets() -> Vec<Vec<u8>> {
    let mut udp = vec![0; 14];
    udp[12] = 0x08;
    udp.extend([
        0x45, 0, 0, 46, 0, 1, 0, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 2,
    ]);
    udp.extend([0x04, 0xd2, 0x00, 0x35, 0, 26, 0, 0]);
    udp.extend(0..18);
    let mut tcp = vec![0x33; 12];
    tcp.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 40, 6, 64]);
    tcp.extend([0; 15]);
    tcp.push(1);
    tcp.extend([0; 15]);
    tcp.push(2);
    tcp.extend([
        0x1f, 0x90, 0x00, 0x50, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0x20, 0, 0, 0, 0, 0,
    ]);
    tcp.extend([7; 20]);
    vec![vec![0; 64], udp, tcp]
}

fn is_packet(program_type: ProgramType) -> bool {
    matches!(
        program_type,
        ProgramType::SCHED_CLS
            | ProgramType::SCHED_ACT
            | ProgramType::SOCKET_FILTER
            | ProgramType::CGROUP_SKB
            | ProgramType::LWT_IN
            | ProgramType::LWT_OUT
            | ProgramType::LWT_XMIT
            | ProgramType::LWT_SEG6LOCAL
    )
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

fn load(object: &Object) -> Result<bpfld::PartiallyLoaded, bpfld::Error> {
    let mut loader = Loader::new();
    for map in object.maps().iter().filter(|map| map.pinning != Pinning::None) {
        loader.map(&*map.name).no_pin();
    }
    loader.load_partial(object)
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

fn inputs(program_type: ProgramType) -> Vec<Vec<u8>> {
    match program_type {
        ProgramType::SYSCALL | ProgramType::RAW_TRACEPOINT => vec![vec![0; 96]],
        ProgramType::SK_LOOKUP => lookups(),
        _ => packets(),
    }
}

/// `struct bpf_sk_lookup` of look-ups that programs may want to answer: IPv4 over TCP, IPv6 over UDP.
fn lookups() -> Vec<Vec<u8>> {
    let lookup = |family: u32, protocol: u32, local: u32| {
        let mut bytes = vec![0; 72];
        for (at, word) in [(8, family), (12, protocol), (60, local)] {
            bytes[at..at + 4].copy_from_slice(&word.to_ne_bytes());
        }
        bytes[36..38].copy_from_slice(&40_000u16.to_be_bytes());
        bytes
    };
    let mut v4 = lookup(2, 6, 7);
    v4[16..20].copy_from_slice(&[127, 0, 0, 1]);
    v4[40..44].copy_from_slice(&[127, 0, 0, 2]);
    let mut v6 = lookup(10, 17, 8008);
    v6[35] = 1;
    v6[59] = 2;
    vec![v4, v6]
}

fn machine(object: &Object, uninitialised: Uninitialised) -> Result<Vm, String> {
    let mut builder = Vm::builder();
    builder.cpus(bpfld_sys::possible_cpus().unwrap());
    builder.uninitialised(uninitialised);
    if let Ok(kernel) = KernelBtf::shared() {
        builder.core_btf(kernel.vmlinux().clone());
    }
    for item in object.externs() {
        if !matches!(item.kind, ExternKind::Kconfig { .. }) {
            continue;
        }
        let setting = match Config::current().and_then(|config| config.get(&item.name)) {
            Some(ConfigValue::Yes) => Setting::Yes,
            Some(ConfigValue::Module) => Setting::Module,
            Some(ConfigValue::No) => Setting::No,
            Some(ConfigValue::Number(number)) => Setting::Number(number),
            Some(ConfigValue::Text(text)) => Setting::Text(text.to_owned()),
            _ if &*item.name == "LINUX_KERNEL_VERSION" => {
                let release = bpfld_features::Release::current().unwrap();
                Setting::Number(release.version_code().into())
            }
            _ => continue,
        };
        builder.kconfig(&*item.name, setting);
    }
    let mut vm = builder.load(object).map_err(|error| error.to_string())?;
    let task = &mut vm.scenario_mut().task;
    task.tgid = std::process::id();
    task.pid = nix::unistd::gettid().as_raw() as u32;
    task.comm = std::fs::read_to_string("/proc/thread-self/comm")
        .unwrap()
        .trim_end()
        .to_owned();
    Ok(vm)
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

enum Failed {
    Fault(Fault),
    Other(String),
}

impl From<Fault> for Failed {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

fn run_here(vm: &mut Vm, name: &str, program_type: ProgramType, input: &[u8]) -> Result<Left, Failed> {
    let mut program = vm
        .program(name)
        .map_err(|error| Failed::Other(error.to_string()))?;
    Ok(match program_type {
        ProgramType::XDP => {
            let outcome = program.run(Xdp::new(input))?;
            let data = [outcome.context.metadata(), outcome.context.packet()].concat();
            Left {
                value: outcome.return_value(),
                data,
            }
        }
        _ if is_packet(program_type) => {
            let outcome = program.run(Skb::new(input))?;
            let mut data = outcome.context.packet().to_vec();
            if !matches!(program_type, ProgramType::SCHED_CLS | ProgramType::SCHED_ACT) {
                data.iter_mut().take(14).for_each(|byte| *byte = 0);
            }
            Left {
                value: outcome.return_value(),
                data,
            }
        }
        ProgramType::RAW_TRACEPOINT => Left {
            value: program.run(Arguments::new(&[0; 12]))?.return_value(),
            data: Vec::new(),
        },
        ProgramType::SYSCALL => {
            let outcome = program.run(Bytes::new(input))?;
            Left {
                value: outcome.return_value(),
                data: outcome.context.bytes().to_vec(),
            }
        }
        ProgramType::FLOW_DISSECTOR => {
            let outcome = program.run(Flow::new(input))?;
            Left {
                value: outcome.return_value(),
                data: outcome.context.keys().to_vec(),
            }
        }
        ProgramType::SK_LOOKUP => Left {
            value: program
                .run(Structure::from_bytes(program_type, input).unwrap())?
                .return_value(),
            data: Vec::new(),
        },
        _ => {
            return Err(Failed::Other(format!(
                "programs of type {program_type} are not compared"
            )));
        }
    })
}

fn run_there(program: &Program, input: &[u8]) -> Result<Left, String> {
    let result = match program.program_type() {
        ProgramType::SYSCALL | ProgramType::RAW_TRACEPOINT | ProgramType::SK_LOOKUP => {
            program.test_run().context(input).run()
        }
        _ => program.test_run().data(input).run(),
    };
    let result = result.map_err(|error| error.to_string())?;
    Ok(Left {
        value: result.return_value,
        data: match program.program_type() {
            ProgramType::SYSCALL => result.context,
            ProgramType::RAW_TRACEPOINT | ProgramType::SK_LOOKUP => Vec::new(),
            _ => result.data,
        },
    })
}

/// Whether programs of an object make objects of their own, which are linked by addresses.
fn keeps_objects(object: &Object) -> bool {
    let makes = |name: &str| name.starts_with("bpf_obj_new") || name.starts_with("bpf_refcount_acquire");
    object.externs().iter().any(|item| makes(item.essential_name()))
}

/// Whether two values are the same but for words that are addresses of the kernel's in one, and of the machine's in the
/// other. Those that the kernel keeps to itself, and links of what was never used, are zero.
fn only_addresses_differ(here: &[u8], there: &[u8]) -> bool {
    let words = |bytes: &[u8]| -> Vec<u64> { bytes.chunks(8).map(word).collect() };
    here.len() == there.len()
        && words(here).into_iter().zip(words(there)).all(|(here, there)| {
            let (ours, theirs) = (here >> 40 != 0 && here >> 56 == 0, there >> 47 == 0x1_ffff);
            here == there || (ours || here == 0) && (theirs || there == 0)
        })
}

/// Up to eight bytes as a number of this machine.
fn word(bytes: &[u8]) -> u64 {
    let mut wide = [0; 8];
    let start = if cfg!(target_endian = "big") {
        8 - bytes.len()
    } else {
        0
    };
    wide[start..start + bytes.len()].copy_from_slice(bytes);
    u64::from_ne_bytes(wide)
}

/// The first difference between the maps of both, in words.
///
/// Of objects that hold addresses of other objects, those may differ.
fn maps_differ(loaded: &Loaded, vm: &mut Vm, objects: bool) -> Option<String> {
    for theirs in loaded.maps() {
        let name = theirs.name();
        let Ok(mut ours) = vm.map(name) else {
            return Some(format!("map {name} is not there"));
        };
        match theirs.map_type() {
            MapType::ARRAY
            | MapType::PERCPU_ARRAY
            | MapType::HASH
            | MapType::PERCPU_HASH
            | MapType::LRU_HASH
            | MapType::LRU_PERCPU_HASH
            | MapType::LPM_TRIE => {
                let mut seen = 0;
                let mut entries = theirs.entries();
                while let Ok(Some((key, value))) = entries.lend() {
                    seen += 1;
                    let here = ours.get_bytes(key).unwrap();
                    let stride = value.len() / here.len().max(1);
                    let size = ours.spec().value_size as usize;
                    let there: Vec<&[u8]> = value
                        .chunks(stride.max(1))
                        .map(|value| &value[..size.min(value.len())])
                        .collect();
                    let same = |(here, there): (&Vec<u8>, &&[u8])| {
                        here == there || (objects && only_addresses_differ(here, there))
                    };
                    if here.len() != there.len() || !here.iter().zip(&there).all(same) {
                        return Some(format!(
                            "map {name}, key {key:02x?}: kernel {there:02x?}\nours   {here:02x?}"
                        ));
                    }
                }
                if !matches!(theirs.map_type(), MapType::ARRAY | MapType::PERCPU_ARRAY) && seen != ours.len()
                {
                    return Some(format!(
                        "map {name} has {seen} keys in the kernel, {} here",
                        ours.len()
                    ));
                }
            }
            MapType::RINGBUF => {
                let mut ring = RingBuf::try_from(theirs).unwrap();
                let mut there: Vec<Vec<u8>> = Vec::new();
                while let Ok(Some(record)) = ring.read() {
                    there.push(record.to_vec());
                }
                let here = ours.take_records();
                if here != there {
                    return Some(format!(
                        "ring buffer {name}: kernel {there:02x?}\nours   {here:02x?}"
                    ));
                }
            }
            _ => {}
        }
    }
    None
}
