//! Programs: the handle, one type per kind with what that kind can be attached to, and attaching by section name.

mod auto;
mod binary;
mod builder;
mod debug_file;
mod handle;
mod info;
mod interface;
mod kind;
mod machine_code;
mod mapping;
mod section;
mod stream;
mod tracefs;
mod tracefs_event;
mod translated;
mod usdt_table;

mod cgroup;
mod filter;
mod iter;
mod kprobe;
mod kprobe_multi;
mod net;
mod pattern;
mod perf_event;
mod socket;
mod tracepoint;
mod tracing;
mod tracing_multi;
mod tunnel;
mod uprobe;
mod uprobe_multi;
mod usdt;
mod xdp;

pub(crate) use self::{
    auto::says_where,
    handle::ProgramMeta,
    tracefs_event::TracefsEvent,
    usdt_table::{ADDRESSES as USDT_ADDRESSES, SPECS as USDT_SPECS, UsdtRecords, UsdtTable},
};
pub use self::{
    builder::ProgramBuilder,
    cgroup::CgroupDirection,
    filter::FilterOptions,
    handle::Program,
    info::{ProgramInfo, Tag},
    interface::{Interface, ToInterface},
    iter::{IterLink, IterReader, IterTarget},
    kind::*,
    kprobe::{KprobeOptions, ProbeWay},
    kprobe_multi::MultiOptions,
    machine_code::MachineFunction,
    net::{NetfilterFamily, NetkitSide, TcxDirection},
    stream::Stream,
    translated::Translated,
    uprobe::{UprobeOptions, UprobePoint},
    usdt::UsdtOptions,
    xdp::{XdpMode, XdpReplace},
};
