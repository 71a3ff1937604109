//! The two engines: an object loaded into each, and a program run in each.

use bpfld::{KernelBtf, Loader, Program, ProgramType};
use bpfld_features::{Config, ConfigValue};
use bpfld_object::{ExternKind, Object, Pinning};
use bpfld_vm::{Arguments, Bytes, Fault, Flow, Setting, Skb, Structure, Uninitialised, Vm, Xdp};

use super::inputs::is_packet;

/// What a program returned and left in its packet or context.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) value: u32,
    pub(super) data: Vec<u8>,
}

pub(super) fn load(object: &Object) -> Result<bpfld::PartiallyLoaded, bpfld::Error> {
    let mut loader = Loader::new();
    for map in object.maps().iter().filter(|map| map.pinning != Pinning::None) {
        loader.map(&*map.name).no_pin();
    }
    loader.load_partial(object)
}

pub(super) fn machine(object: &Object, uninitialised: Uninitialised) -> Result<Vm, String> {
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

pub(super) enum Failed {
    Fault(Fault),
    Other(String),
}

impl From<Fault> for Failed {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

pub(super) fn run_here(
    vm: &mut Vm,
    name: &str,
    program_type: ProgramType,
    input: &[u8],
) -> Result<Left, Failed> {
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

pub(super) fn run_there(program: &Program, input: &[u8]) -> Result<Left, String> {
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
