//! aya, the Rust loader that most people know.

use std::os::fd::AsFd;

use anyhow::{Context as _, Result, bail};
use aya::{
    Btf, Ebpf, EbpfLoader,
    maps::{HashMap, Map, MapData, PerfEventArray, RingBuf, perf::PerfEventArrayBuffer},
    programs::Program,
};
use aya_obj::btf::BtfKind;

use crate::{channels::BYTES, raw};

pub(crate) fn open(bytes: &[u8]) -> Result<aya_obj::Object> {
    Ok(aya_obj::Object::parse(bytes)?)
}

/// Programs that attach by BTF are given a BTF of their own, as aya's documentation shows.
pub(crate) fn load(bytes: &[u8]) -> Result<Ebpf> {
    let btf = Btf::from_sys_fs()?;
    let mut loaded = EbpfLoader::new().btf(Some(&btf)).load(bytes)?;
    for (name, program) in loaded.programs_mut() {
        match program {
            Program::RawTracePoint(program) => program.load(),
            Program::BtfTracePoint(program) => {
                let target = if name == "change" {
                    "sched_switch"
                } else {
                    "sched_process_exit"
                };
                program.load(target, &btf)
            }
            Program::TracePoint(program) => program.load(),
            Program::KProbe(program) => program.load(),
            Program::UProbe(program) => program.load(),
            Program::PerfEvent(program) => program.load(),
            Program::Xdp(program) => program.load(),
            Program::SchedClassifier(program) => program.load(),
            Program::SocketFilter(program) => program.load(),
            Program::CgroupSkb(program) => program.load(),
            Program::CgroupSockAddr(program) => program.load(),
            Program::SockOps(program) => program.load(),
            Program::SkMsg(program) => program.load(),
            Program::SkLookup(program) => program.load(),
            other => bail!("{name} is a {:?}", other.prog_type()),
        }
        .with_context(|| format!("cannot load {name}"))?;
    }
    Ok(loaded)
}

pub(crate) fn find(names: &[&str]) -> Result<u32> {
    let btf = Btf::from_sys_fs()?;
    let mut last = 0;
    for name in names {
        last = btf
            .id_by_type_name_kind(name, BtfKind::Struct)
            .with_context(|| format!("no {name}"))?;
    }
    Ok(last)
}

pub(crate) fn relocate(bytes: &[u8]) -> Result<aya_obj::Object> {
    let btf = Btf::from_sys_fs()?;
    let mut object = open(bytes)?;
    object.relocate_btf(&btf)?;
    Ok(object)
}

pub(crate) fn hash(map: raw::Map) -> Result<HashMap<MapData, u32, u64>> {
    Ok(HashMap::try_from(Map::HashMap(MapData::from_fd(map.fd)?))?)
}

pub(crate) fn ring(map: impl AsFd) -> Result<RingBuf<MapData>> {
    Ok(RingBuf::try_from(Map::RingBuf(data(map)?))?)
}

/// The buffer of one CPU.
pub(crate) fn perf(map: impl AsFd, cpu: u32) -> Result<PerfEventArrayBuffer<MapData>> {
    let mut array = PerfEventArray::try_from(Map::PerfEventArray(data(map)?))?;
    Ok(array.open(cpu, Some(BYTES as usize / bpfld_sys::mmap::page_size()))?)
}

fn data(map: impl AsFd) -> Result<MapData> {
    Ok(MapData::from_fd(map.as_fd().try_clone_to_owned()?)?)
}
