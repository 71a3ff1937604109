//! The userspace machine for commands: an object with what the running kernel can tell, input for its programs, its maps.

use anyhow::{Result, anyhow};
use bpfld::{KernelBtf, ProgramType};
use bpfld_features::{Config, ConfigValue, Release};
use bpfld_object::{ExternKind, Object};
use bpfld_vm::{Bytes, Flow, MapType, Observer, Registers, Setting, Skb, Structure, Uninitialised, Vm, Xdp};

use crate::contents::Raw;
use crate::input::Takes;

/// The object with the types and the configuration of the running kernel, as far as they can be read.
pub(crate) fn load(object: &Object) -> Result<Vm> {
    let mut builder = Vm::builder();
    builder.cpus(bpfld_sys::possible_cpus().unwrap_or(1));
    builder.uninitialised(Uninitialised::Stale);
    if let Ok(kernel) = KernelBtf::shared() {
        builder.core_btf(kernel.vmlinux().clone());
    }
    let config = Config::current();
    for item in object.externs() {
        let ExternKind::Kconfig { .. } = item.kind else {
            continue;
        };
        let setting = match config.and_then(|config| config.get(&item.name)) {
            Some(ConfigValue::Yes) => Setting::Yes,
            Some(ConfigValue::Module) => Setting::Module,
            Some(ConfigValue::No) => Setting::No,
            Some(ConfigValue::Number(number)) => Setting::Number(number),
            Some(ConfigValue::Text(text)) => Setting::Text(text.to_owned()),
            Some(ConfigValue::Other(_)) | None => match (&*item.name, Release::current()) {
                ("LINUX_KERNEL_VERSION", Some(release)) => Setting::Number(release.version_code().into()),
                _ => continue,
            },
        };
        builder.kconfig(&*item.name, setting);
    }
    Ok(builder.load(object)?)
}

/// What a program is run on.
pub(crate) enum Input {
    Xdp(Xdp),
    Skb(Box<Skb>),
    Flow(Flow),
    Structure(Structure),
    Registers(Registers),
    Bytes(Bytes),
}

impl Input {
    /// For a program of this type: a packet, without data one of 64 zeros; or the context itself, without data all zero where its
    /// fields are known.
    pub(crate) fn new(kind: ProgramType, data: Option<&[u8]>) -> Input {
        let packet = data.unwrap_or(&[0; 64]);
        match (Takes::of(kind), kind) {
            (Takes::Packet, ProgramType::XDP) => Input::Xdp(Xdp::new(packet)),
            (Takes::Packet, ProgramType::FLOW_DISSECTOR) => Input::Flow(Flow::new(packet)),
            (Takes::Packet, _) => Input::Skb(Box::new(Skb::new(packet))),
            (Takes::Context, ProgramType::KPROBE) if data.is_none() => Input::Registers(Registers::new()),
            (Takes::Context, _) => {
                let bytes = data.unwrap_or_default();
                let structure = Structure::from_bytes(kind, bytes);
                structure.map_or_else(|| Input::Bytes(Bytes::new(bytes)), Input::Structure)
            }
        }
    }

    /// Run a program, and let somebody watch.
    pub(crate) fn run(
        &mut self,
        vm: &mut Vm,
        program: &str,
        observer: Option<&mut dyn Observer>,
    ) -> Result<u32> {
        let mut program = vm.program(program)?;
        let result = match (self, observer) {
            (Input::Xdp(context), None) => program.run_on(context),
            (Input::Skb(context), None) => program.run_on(&mut **context),
            (Input::Flow(context), None) => program.run_on(context),
            (Input::Structure(context), None) => program.run_on(context),
            (Input::Registers(context), None) => program.run_on(context),
            (Input::Bytes(context), None) => program.run_on(context),
            (Input::Xdp(context), Some(observer)) => program.observe(context, observer),
            (Input::Skb(context), Some(observer)) => program.observe(&mut **context, observer),
            (Input::Flow(context), Some(observer)) => program.observe(context, observer),
            (Input::Structure(context), Some(observer)) => program.observe(context, observer),
            (Input::Registers(context), Some(observer)) => program.observe(context, observer),
            (Input::Bytes(context), Some(observer)) => program.observe(context, observer),
        };
        // the long form, with the line, the instruction and the registers
        result.map(|r0| r0 as u32).map_err(|fault| anyhow!("{fault:#}"))
    }

    /// The packet as it is now, or what was found in it; empty if there is none.
    pub(crate) fn packet(&self) -> &[u8] {
        match self {
            Input::Xdp(context) => context.packet(),
            Input::Skb(context) => context.packet(),
            Input::Flow(context) => context.keys(),
            Input::Structure(_) | Input::Registers(_) | Input::Bytes(_) => &[],
        }
    }

    /// The context as it is now, if that is all there is.
    pub(crate) fn context(&self) -> &[u8] {
        match self {
            Input::Xdp(_) | Input::Skb(_) | Input::Flow(_) | Input::Registers(_) => &[],
            Input::Structure(context) => context.bytes(),
            Input::Bytes(context) => context.bytes(),
        }
    }
}

/// What is in all maps.
pub(crate) fn contents(vm: &mut Vm) -> Vec<Raw> {
    let count = vm.maps().count();
    (0..count).filter_map(|number| raw(vm, number)).collect()
}

fn raw(vm: &mut Vm, number: usize) -> Option<Raw> {
    let mut map = vm.map_at(number)?;
    let spec = map.spec().clone();
    let records = match spec.map_type {
        MapType::RINGBUF => map.take_records(),
        MapType::PERF_EVENT_ARRAY => map.take_events().into_iter().map(|event| event.data).collect(),
        _ => Vec::new(),
    };
    if !records.is_empty() {
        return Some(Raw::records(&spec.name, spec.map_type, spec.max_entries, records));
    }
    let keys = map.keys();
    let elements = keys
        .into_iter()
        .map(|key| map.get_bytes(&key).map(|values| (key, values)));
    Some(Raw::collect(
        &spec.name,
        spec.map_type,
        spec.max_entries,
        elements,
    ))
}
