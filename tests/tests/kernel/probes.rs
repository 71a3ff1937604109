//! Programs on tracepoints, probes, perf events and kernel functions.

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
};

use bpfld::{
    AttachType, BtfTracepoint, Errno, Error, ErrorKind, Fentry, Kprobe, KprobeMulti, KprobeOptions, Link,
    LinkDetails, LinkType, Lsm, MultiOptions, PerfEvent, Program, ProgramKind, ProgramType, RawTracepoint,
    Tracepoint, Uprobe, UprobeMulti, UprobeOptions,
    btf::{Btf, Kind, TypeId},
    perf::{Attr, Scope},
};
use bpfld_features::Feature;
use bpfld_insn::Slot;
use bpfld_object::Executable;
use bpfld_sys::PerfSoftware;
use bpfld_tests::{Need, require, sandbox};
use nix::mount::{MsFlags, mount};

use crate::counter::{Counter, call, check_cookie, exit, mov, mov_reg, since};

const GET_ATTACH_COOKIE: i32 = 174;

/// Makes a few system calls, reading among them.
fn make_call() {
    fs::read("/proc/thread-self/comm").unwrap();
}

#[test]
fn tracepoints() {
    require!(Need::Root);
    let counter = Counter::new(ProgramType::TRACEPOINT, None, 0);
    let program: Tracepoint = (&counter.program).try_into().unwrap();
    let link = program.attach("raw_syscalls", "sys_enter").unwrap();
    counter.sees(make_call);
    // Before that it is an event with a program, and the same for the user.
    assert_eq!(link.is_kernel_link(), since(5, 15));
    if since(6, 6) {
        let info = link.info().unwrap();
        assert_eq!(info.link_type(), LinkType::PERF_EVENT);
        assert_eq!(info.name(), Some("sys_enter"), "{info:?}");
        assert!(matches!(info.details(), LinkDetails::PerfTracepoint(_)));
    }
    drop(link);
    assert_eq!(counter.runs_in(make_call), 0);

    match program.attach_with_cookie("raw_syscalls", "sys_enter", 77) {
        Ok(link) => check_cookie(&link, 77, (6, 9)),
        Err(error) => unsupported(&error, "5.15"),
    }
    let error = program.attach("sched", "no_such_tracepoint").unwrap_err();
    assert!(
        error.to_string().contains("tracepoint sched/no_such_tracepoint"),
        "{error}"
    );
    program.attach("sched/..", "x").unwrap_err();
}

#[test]
fn raw_tracepoints() {
    require!(Need::Root);
    let counter = Counter::new(ProgramType::RAW_TRACEPOINT, None, 0);
    let program: RawTracepoint = (&counter.program).try_into().unwrap();
    let link = program.attach("sys_enter").unwrap();
    counter.sees(make_call);
    assert_eq!(link.info().unwrap().name(), Some("sys_enter"));
    assert_eq!(link.to_string(), "raw tracepoint sys_enter");
    // This kind cannot be detached on demand: closing it does it.
    link.detach().unwrap();
    assert_eq!(counter.runs_in(make_call), 0);
    match program.attach_with_cookie("sys_enter", 5) {
        Ok(link) => check_cookie(&link, 5, (6, 17)),
        Err(error) => unsupported(&error, "6.10"),
    }
    let error = program.attach("no_such_tracepoint").unwrap_err();
    assert_eq!(error.errno(), Some(Errno::ENOENT), "{error}");
    program.attach("with\0nul").unwrap_err();
}

/// Checks that an error names a release that is newer than this kernel.
#[track_caller]
pub(crate) fn unsupported(error: &Error, first: &str) {
    assert!(
        matches!(error.kind(), ErrorKind::Unsupported { since: Some(since), .. } if since == first),
        "{error}"
    );
    let (major, minor) = first.split_once('.').unwrap();
    assert!(!since(major.parse().unwrap(), minor.parse().unwrap()), "{error}");
}

/// Loads a program for a target in the kernel's BTF; the reason if this kernel forbids such programs.
fn load_for(
    program_type: ProgramType,
    attach_type: AttachType,
    target: TypeId,
    code: &[Slot],
) -> Result<Program, Error> {
    Program::builder(program_type, "traced", code)
        .attach_type(attach_type)
        .attach_btf_id(target)
        .load()
}

pub(crate) fn kernel_btf() -> Btf {
    Btf::parse(fs::read("/sys/kernel/btf/vmlinux").unwrap()).unwrap()
}

#[test]
fn typed_tracepoints() {
    require!(Need::Root);
    let target = kernel_btf().find("btf_trace_sys_enter", Kind::TYPEDEF).unwrap();
    let program = load_for(
        ProgramType::TRACING,
        AttachType::TRACE_RAW_TP,
        target,
        &[mov(0, 0), exit()],
    )
    .unwrap();
    let program: BtfTracepoint = program.try_into().unwrap();
    let link = program.attach().unwrap();
    let info = link.info().unwrap();
    assert_eq!(info.program_id(), program.program().info().unwrap().id());
    drop(link);
    match program.attach_with_cookie(3) {
        Ok(link) => check_cookie(&link, 3, (6, 17)),
        Err(error) => unsupported(&error, "5.19"),
    }
    let error = Fentry::try_from(program.program()).unwrap_err().to_string();
    assert!(
        error.contains("was loaded to be attached as trace_raw_tp"),
        "{error}"
    );
}

#[test]
fn kernel_functions() {
    require!(Need::Root, Feature::Fentry);
    let target = kernel_btf().find("vfs_read", Kind::FUNC).unwrap();
    for attach_type in [AttachType::TRACE_FENTRY, AttachType::TRACE_FEXIT] {
        match load_for(ProgramType::TRACING, attach_type, target, &[mov(0, 0), exit()]) {
            Ok(program) if attach_type == AttachType::TRACE_FENTRY => {
                let link = Fentry::try_from(program).unwrap().attach().unwrap();
                assert_eq!(link.info().unwrap().link_type(), LinkType::TRACING);
            }
            Ok(program) => {
                let program = bpfld::Fexit::try_from(program).unwrap();
                drop(program.attach().unwrap());
                match program.attach_with_cookie(7) {
                    Ok(link) => check_cookie(&link, 7, (6, 17)),
                    Err(error) => unsupported(&error, "5.19"),
                }
            }
            Err(error) => panic!("{error:#}"),
        }
    }
}

#[test]
fn security_hooks() {
    require!(Need::Root, Feature::ProgramType(ProgramType::LSM));
    let target = kernel_btf().find("bpf_lsm_file_open", Kind::FUNC).unwrap();
    let code = [mov(0, 0), exit()];
    let program = load_for(ProgramType::LSM, AttachType::LSM_MAC, target, &code);
    let link = Lsm::try_from(program.unwrap()).unwrap().attach().unwrap();
    assert_eq!(link.info().unwrap().link_type(), LinkType::TRACING);
}

#[test]
fn kernel_probes() {
    require!(Need::Root);
    let counter = Counter::new(ProgramType::KPROBE, None, 0);
    let program: Kprobe = (&counter.program).try_into().unwrap();
    if !Path::new("/sys/bus/event_source/devices/kprobe").exists() {
        // What users of such a kernel see.
        let error = program.attach("vfs_read").unwrap_err().to_string();
        assert!(error.contains("CONFIG_KPROBE_EVENTS"), "{error}");
    }
    require!(Need::Config("CONFIG_KPROBE_EVENTS"));
    for options in [
        KprobeOptions::new(),
        KprobeOptions::new().at_return(),
        KprobeOptions::new().cookie(if since(5, 15) { 9 } else { 0 }),
    ] {
        let link = program.attach_with("vfs_read", options).unwrap();
        counter.sees(make_call);
        if since(6, 7) {
            let info = link.info().unwrap();
            assert!(matches!(info.details(), LinkDetails::PerfKprobe(probe) if probe.addr != 0));
            assert_eq!(info.name(), Some("vfs_read"));
            assert!(info.missed().is_some());
        }
        drop(link);
        assert_eq!(counter.runs_in(make_call), 0);
    }
    let link = program.attach_syscall("read").unwrap();
    counter.sees(make_call);
    drop(link);
    program.attach("no_such_function").unwrap_err();
}

/// Where a function of the kernel begins.
fn address_of(function: &str) -> u64 {
    let symbols = fs::read_to_string("/proc/kallsyms").unwrap();
    let mut lines = symbols.lines().map(|line| line.split_whitespace());
    let address = lines.find_map(|mut words| {
        let address = words.next()?;
        (words.nth(1)? == function).then(|| u64::from_str_radix(address, 16).unwrap())
    });
    address.unwrap()
}

#[test]
fn kernel_functions_by_address() {
    require!(Need::Root, Need::Config("CONFIG_KPROBE_EVENTS"));
    let counter = Counter::new(ProgramType::KPROBE, None, 0);
    let program: Kprobe = (&counter.program).try_into().unwrap();
    let (address, options) = (address_of("vfs_read"), KprobeOptions::new());
    let check = |link: bpfld::Result<Link>| {
        let link = link.unwrap();
        counter.sees(make_call);
        drop(link);
        assert_eq!(counter.runs_in(make_call), 0);
    };
    check(program.attach_address(address, options));
    check(program.attach_address(address, options.at_return()));
    check(program.attach_syscall_with("read", options.at_return()));
    let error = program
        .attach_address(address, options.offset(4))
        .unwrap_err()
        .to_string();
    assert!(error.contains("an address takes no offset"), "{error}");
    require!(Need::Config("CONFIG_FPROBE"));
    let counter = Counter::new(ProgramType::KPROBE, Some(AttachType::TRACE_KPROBE_MULTI), 0);
    let program: KprobeMulti = (&counter.program).try_into().unwrap();
    let link = program.attach_addresses(&[address], MultiOptions::new()).unwrap();
    counter.sees(make_call);
    drop(link);
}

#[test]
fn many_kernel_functions() {
    require!(
        Need::Root,
        Need::Config("CONFIG_KPROBES"),
        Need::Config("CONFIG_FPROBE")
    );
    let counter = Counter::new(ProgramType::KPROBE, Some(AttachType::TRACE_KPROBE_MULTI), 0);
    let program: KprobeMulti = (&counter.program).try_into().unwrap();
    let link = program
        .attach(&["vfs_read", "vfs_write"], MultiOptions::new().cookies(&[1, 2]))
        .unwrap();
    counter.sees(make_call);
    let info = link.info().unwrap();
    assert_eq!(info.addresses().len(), 2);
    assert!(matches!(info.details(), LinkDetails::KprobeMulti(link) if link.count == 2));
    // Of the kernel's order of functions, which is that of their addresses.
    if since(6, 9) {
        let mut cookies = info.cookies().to_vec();
        cookies.sort_unstable();
        assert_eq!(cookies, [1, 2]);
    }
    assert!(!since(6, 7) || info.missed().is_some());
    drop(link);
    let link = program
        .attach_matching("vfs_rea*", MultiOptions::new().at_return())
        .unwrap();
    counter.sees(make_call);
    drop(link);
}

#[inline(never)]
fn probed_function(number: u64) -> u64 {
    std::hint::black_box(number) + 1
}

/// Where the function above is.
struct Symbol {
    name: String,
    file_offset: u64,
}

/// The symbol of the function above, whose name the compiler decorates.
fn probed_symbol() -> Symbol {
    let bytes = fs::read("/proc/self/exe").unwrap();
    let executable = Executable::parse(&bytes).unwrap();
    let mut found = executable
        .functions()
        .filter(|function| function.name.contains("probed_function"));
    let function = found.next().unwrap();
    Symbol {
        name: function.name.to_owned(),
        file_offset: function.file_offset,
    }
}

#[test]
fn user_probes() {
    require!(Need::Root, Need::Config("CONFIG_UPROBE_EVENTS"));
    let counter = Counter::new(ProgramType::KPROBE, None, 0);
    let program: Uprobe = (&counter.program).try_into().unwrap();
    let symbol = probed_symbol();
    let run = || assert_eq!(probed_function(1), 2);
    let exe = "/proc/self/exe";
    let link = program.attach(exe, symbol.name.as_str()).unwrap();
    assert_eq!(counter.runs_in(run), 1);
    if since(6, 6) {
        let info = link.info().unwrap();
        let LinkDetails::PerfUprobe(probe) = info.details() else {
            panic!("{info:?}")
        };
        assert_eq!(u64::from(probe.offset), symbol.file_offset);
        assert!(info.name().unwrap().starts_with('/'), "{info:?}");
    }
    drop(link);
    assert_eq!(counter.runs_in(run), 0);

    let link = program.attach(exe, symbol.file_offset).unwrap();
    assert_eq!(counter.runs_in(run), 1);
    drop(link);
    let link = program.attach_return(exe, symbol.name.as_str()).unwrap();
    assert_eq!(counter.runs_in(run), 1);
    drop(link);
    let options = UprobeOptions::new().process(std::process::id());
    let link = program.attach_with(exe, symbol.file_offset, options).unwrap();
    assert_eq!(counter.runs_in(run), 1);
    drop(link);
    match program.attach_with(exe, symbol.file_offset, options.cookie(5)) {
        Ok(link) => check_cookie(&link, 5, (6, 9)),
        Err(error) => unsupported(&error, "5.15"),
    }
    let link = program
        .attach_with(exe, symbol.file_offset, UprobeOptions::new().process(1))
        .unwrap();
    assert_eq!(counter.runs_in(run), 0);
    drop(link);

    // By the name of a library.
    match program.attach("libc.so.6", "getrandom") {
        Ok(link) => assert!(link.to_string().ends_with("libc.so.6"), "{link}"),
        // Not every system has it: static test binaries run without.
        Err(error) => assert!(error.to_string().contains("not among the libraries"), "{error}"),
    }
    let error = program.attach(exe, "no_such_function").unwrap_err().to_string();
    assert!(
        error.contains("cannot attach to 'no_such_function' of /proc/self/exe"),
        "{error}"
    );
    let error = program.attach("no-such-program", "main").unwrap_err().to_string();
    assert!(error.contains("no-such-program"), "{error}");
    program.attach("/dev/null", "main").unwrap_err();
}

/// Set for the process that has files of its own.
const IN_CONTAINER: &str = "BPFLD_TEST_IN_CONTAINER";

#[test]
fn files_of_other_mount_namespaces() {
    if std::env::var_os(IN_CONTAINER).is_some() {
        std::io::stdin().read_line(&mut String::new()).unwrap();
        assert_eq!(probed_function(1), 2);
        return;
    }
    require!(Need::Root, Need::Config("CONFIG_UPROBE_EVENTS"));
    let (tell, told) = mpsc::channel();
    let (finish, finished) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let container = scope.spawn(move || {
            sandbox(move |room| {
                // Seen by nobody outside.
                mount(
                    None::<&str>,
                    room.bpffs(),
                    Some("tmpfs"),
                    MsFlags::empty(),
                    None::<&str>,
                )
                .unwrap();
                let binary = room.bpffs().join("probed");
                fs::copy("/proc/self/exe", &binary).unwrap();
                let mut process = Command::new(&binary)
                    .args(["--exact", "probes::files_of_other_mount_namespaces"])
                    .env(IN_CONTAINER, "1")
                    .stdin(Stdio::piped())
                    .stdout(Stdio::null())
                    .spawn()
                    .unwrap();
                tell.send((process.id(), binary)).unwrap();
                // Also when the other side has failed: then it goes on, and ends.
                let _ = finished.recv();
                process.stdin.take().unwrap().write_all(b"go\n").unwrap();
                assert!(process.wait().unwrap().success());
            });
        });
        let (process, binary) = told.recv().unwrap();
        assert!(!binary.exists());
        let counter = Counter::new(ProgramType::KPROBE, None, 0);
        let program: Uprobe = (&counter.program).try_into().unwrap();
        let seen = Path::new("/proc").join(process.to_string()).join("root");
        let seen = seen.join(binary.strip_prefix("/").unwrap());
        let link = program.attach(&seen, probed_symbol().name.as_str()).unwrap();
        assert_eq!(probed_function(1), 2);
        assert_eq!(counter.runs(), 0, "another file");
        drop(finish);
        container.join().unwrap();
        assert_eq!(counter.runs(), 1);
        drop(link);
    });
}

#[test]
fn many_places_of_a_binary() {
    require!(Need::Root, Feature::UprobeMulti);
    let counter = Counter::new(ProgramType::KPROBE, Some(AttachType::TRACE_UPROBE_MULTI), 0);
    let program: UprobeMulti = (&counter.program).try_into().unwrap();
    let symbol = probed_symbol();
    let run = || assert_eq!(probed_function(1), 2);
    let check = |link: Link| {
        assert_eq!(counter.runs_in(run), 1);
        let info = link.info().unwrap();
        drop(link);
        assert_eq!(counter.runs_in(run), 0);
        info
    };
    let exe = "/proc/self/exe";
    let info = check(
        program
            .attach(exe, &[&symbol.name], MultiOptions::new().cookies(&[8]))
            .unwrap(),
    );
    assert_eq!(
        (info.addresses(), info.cookies()),
        (&[symbol.file_offset][..], &[8][..])
    );
    check(
        program
            .attach_offsets(exe, &[symbol.file_offset], MultiOptions::new().at_return())
            .unwrap(),
    );
    check(
        program
            .attach_matching(exe, "*probed_function*", MultiOptions::new())
            .unwrap(),
    );
    program
        .attach_matching(exe, "no_such_*", MultiOptions::new())
        .unwrap_err();
    program
        .attach(exe, &[&symbol.name], MultiOptions::new().cookies(&[1, 2]))
        .unwrap_err();
    Uprobe::try_from(&counter.program).unwrap_err();

    // The cookie arrives: the program returns nothing that could be seen, so it stores it.
    let more = [mov_reg(1, 6), call(GET_ATTACH_COOKIE)];
    Counter::with(
        ProgramType::KPROBE,
        Some(AttachType::TRACE_UPROBE_MULTI),
        0,
        &more,
    );
}

#[test]
fn perf_events() {
    require!(Need::Root);
    let counter = Counter::new(ProgramType::PERF_EVENT, None, 0);
    let program: PerfEvent = (&counter.program).try_into().unwrap();
    let attr = Attr::software(PerfSoftware::TASK_CLOCK).period(100_000);
    let spin = || {
        let start = std::time::Instant::now();
        while start.elapsed().as_millis() < 20 {
            std::hint::black_box(start);
        }
    };
    let link = program.attach(&attr, Scope::Process(0)).unwrap();
    counter.sees(spin);
    assert_eq!(link.is_kernel_link(), since(5, 15));
    if since(6, 6) {
        let info = link.info().unwrap();
        assert!(matches!(info.details(), LinkDetails::PerfOther(_)), "{info:?}");
    }
    drop(link);
    assert_eq!(counter.runs_in(spin), 0);
    match program.attach_with_cookie(&attr, Scope::Process(0), 4) {
        Ok(link) => check_cookie(&link, 4, (6, 9)),
        Err(error) => unsupported(&error, "5.15"),
    }
    let event = bpfld_sys::perf::perf_event_open(&attr, Scope::Process(0)).unwrap();
    drop(program.attach_to(event, 0).unwrap());
    let error = program.attach(&attr, Scope::Cpu(60_000)).unwrap_err();
    assert!(error.errno().is_some(), "{error}");
}
