//! One benchmark of one implementation per process: `bpfld-bench CASE IMPLEMENTATION`.
//!
//! Prints the nanoseconds of the first call and of the fastest one. `cargo xtask bench` starts the processes of all
//! implementations in turn, several times, and compares.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use anyhow::{Result, bail, ensure};

mod btf;
mod channels;
mod elements;
mod instructions;
mod machine;
mod ours;
mod raw;
mod theirs_aya;
mod theirs_btf;
mod theirs_libbpf;
mod veth;
mod xsk;

/// The object that is opened and loaded.
const OBJECT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/big.el.o");

/// Kernel types to find, structs all: those that the object relocates against, in the order of their use there.
const TYPES: [&str; 40] = [
    "task_struct",
    "mm_struct",
    "signal_struct",
    "files_struct",
    "fs_struct",
    "nsproxy",
    "pid",
    "pid_namespace",
    "cred",
    "user_namespace",
    "file",
    "inode",
    "dentry",
    "super_block",
    "vfsmount",
    "path",
    "address_space",
    "vm_area_struct",
    "page",
    "sock",
    "sock_common",
    "inet_sock",
    "tcp_sock",
    "sk_buff",
    "net_device",
    "net",
    "socket",
    "cgroup",
    "css_set",
    "cgroup_subsys_state",
    "kernfs_node",
    "bio",
    "request",
    "gendisk",
    "block_device",
    "timer_list",
    "work_struct",
    "bpf_prog",
    "bpf_map",
    "perf_event",
];

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (case, implementation, rest) = match *arguments.as_slice() {
        [case, implementation, ref rest @ ..] => (case, implementation, rest),
        _ => bail!("usage: bpfld-bench CASE IMPLEMENTATION [NAME]"),
    };
    if btf::run(case, implementation, rest)?
        || elements::run(case, implementation)?
        || channels::run(case, implementation)?
        || machine::run(case, implementation)?
        || xsk::run(case, implementation)?
    {
        return Ok(());
    }
    match case {
        "open" => {
            let bytes: &'static [u8] = std::fs::read(OBJECT)?.leak();
            match implementation {
                "bpfld" => report(|| ours::open(bytes)),
                "libbpf" => report(|| theirs_libbpf::open(bytes)),
                "aya" => report(|| theirs_aya::open(bytes)),
                other => bail!("{other} opens no objects"),
            }
        }
        "load" => {
            let bytes: &'static [u8] = std::fs::read(OBJECT)?.leak();
            match implementation {
                "bpfld" => report(|| ours::load(bytes, 1)),
                "bpfld-2" => report(|| ours::load(bytes, 2)),
                "libbpf" => report(|| theirs_libbpf::load(bytes)),
                "aya" => report(|| theirs_aya::load(bytes)),
                other => bail!("{other} loads no objects"),
            }
        }
        "decode" | "encode" | "print" | "assemble" => {
            instructions::run(case, implementation, &std::fs::read(OBJECT)?)
        }
        "types" => types(implementation, &TYPES),
        "type" => types(implementation, rest),
        other => bail!("there is no benchmark {other}"),
    }
}

/// Kernel BTF until all these structs are found, from nothing and back to nothing.
fn types(implementation: &str, names: &[&str]) -> Result<()> {
    ensure!(!names.is_empty(), "which type?");
    match implementation {
        "bpfld" => report(|| ours::find(names)),
        "libbpf" => report(|| theirs_libbpf::find(names)),
        "aya" => report(|| theirs_aya::find(names)),
        "btf" => report(|| theirs_btf::find(names)),
        other => bail!("{other} reads no BTF"),
    }
}

/// Times a call: the first, and the fastest of as many as fit in a second, but at least 7.
fn report<R>(mut call: impl FnMut() -> Result<R>) -> Result<()> {
    let mut once = || -> Result<Duration> {
        let start = Instant::now();
        black_box(call()?);
        Ok(start.elapsed())
    };
    fastest(&mut once)
}

/// Times a call on something that it uses up and that is made anew for each, untimed; as often as [`report`].
fn used_up<T>(mut make: impl FnMut() -> Result<T>, mut call: impl FnMut(&T) -> Result<()>) -> Result<()> {
    let mut once = || -> Result<Duration> {
        let thing = make()?;
        let start = Instant::now();
        call(&thing)?;
        Ok(start.elapsed())
    };
    fastest(&mut once)
}

/// Times calls for all keys in turn and prints the average of the first and of the fastest pass.
fn each(mut call: impl FnMut(u32) -> Result<()>) -> Result<()> {
    let mut pass = || -> Result<Duration> {
        let start = Instant::now();
        for key in 0..elements::ELEMENTS {
            call(key)?;
        }
        Ok(start.elapsed() / elements::ELEMENTS)
    };
    fastest(&mut pass)
}

/// Prints the first time, and the least of as many as fit in a second, but at least 7.
fn fastest(once: &mut dyn FnMut() -> Result<Duration>) -> Result<()> {
    let first = once()?;
    let (start, mut samples, mut least) = (Instant::now(), 0, Duration::MAX);
    while samples < 7 || start.elapsed() < Duration::from_secs(1) {
        least = least.min(once()?);
        samples += 1;
    }
    println!("{} {}", first.as_nanos(), least.as_nanos());
    Ok(())
}
