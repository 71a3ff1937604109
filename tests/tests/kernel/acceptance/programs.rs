//! Programs (PRG). PRG-06 and PRG-07 stand with what is attached without links.

use std::{collections::BTreeSet, net::UdpSocket, time::Duration};

use bpfld::{
    Array, AttachType, Errno, Fit, Interface, Loader, LogLevel, Object, OtherKernel, Program, ProgramKind,
    ProgramType, SocketFilter, Tracepoint, Uprobe, Xdp, XdpMode, XdpReplace, remove_pin,
};
use bpfld_tests::{Need, fixture, record, require, sandbox};

use crate::counter::{Counter, eventually, exit, mov, mov_reg};

const PASS: i32 = 2;

#[test]
fn prg_01_every_type_loads_or_says_why_not() {
    require!(Need::Root, Need::Linux(4, 15));
    for program_type in ProgramType::ALL {
        match Program::builder(*program_type, "every_type", &[mov(0, 0), exit()]).load() {
            Ok(program) => {
                let id = program.info().unwrap().id();
                assert_eq!(program.program_type(), *program_type);
                drop(program);
                // With the last handle it is gone.
                eventually(|| Program::from_id(id).is_err());
            }
            Err(error) => assert!(
                error.errno().is_some() || error.verifier_log().is_some(),
                "{error}"
            ),
        }
    }
}

#[test]
fn prg_02_a_program_that_is_not_loaded_has_no_descriptor() {
    require!(Need::Root);
    let object = Object::open(fixture("network")).unwrap();
    let mut loader = Loader::new();
    loader.only(["xdp_count"]);
    let loaded = loader.load(&object).unwrap();
    // There is no value of type `Program` before it is loaded.
    let error = loaded.program("xdp_drop").unwrap_err().to_string();
    assert!(error.contains("was not loaded"), "{error}");
}

#[test]
fn prg_03_names() {
    require!(Need::Root, Need::Linux(4, 15));
    let load = |name| Program::builder(ProgramType::SOCKET_FILTER, name, &[mov(0, 0), exit()]).load();
    let fifteen = load("fifteen_letters").unwrap();
    assert_eq!(fifteen.info().unwrap().name(), "fifteen_letters");
    // A handle keeps the whole name, the kernel what fits.
    let sixteen = load("sixteen__letters").unwrap();
    assert_eq!(sixteen.name(), "sixteen__letters");
    assert_eq!(sixteen.info().unwrap().name(), "sixteen__letter");
    assert!(sixteen.info().unwrap().raw().name.ends_with(&[0]));
    for name in ["bad name", "bad-name", ""] {
        let error = load(name).unwrap_err().to_string();
        assert!(error.contains("a name has letters"), "{name}: {error}");
        let error = Array::<u64>::create(name, 1).unwrap_err().to_string();
        assert!(error.contains("a name has letters"), "{name}: {error}");
    }
}

#[test]
fn prg_04_loading() {
    require!(Need::Root);
    let object = Object::open(fixture("network")).unwrap();
    // (a) with and without a log
    for (level, has_log) in [
        (LogLevel::empty(), false),
        (LogLevel::BASIC, true),
        (LogLevel::FULL, true),
    ] {
        let mut loader = Loader::new();
        loader.log_level(level).only(["xdp_count"]);
        let loaded = loader.load(&object).unwrap();
        let log = loaded.log("xdp_count").map(|log| !log.as_str().is_empty());
        assert_eq!(log.unwrap_or(false), has_log);
        // (c) the maps it uses were made
        loaded.map("hits").unwrap();
    }
    // (b) rejected, with a log; (d) and what was tried before changes nothing
    let code = [mov_reg(0, 5), exit()];
    let tags: Vec<_> = (0..2)
        .map(|_| {
            let error = Program::builder(ProgramType::XDP, "bad", &code)
                .load()
                .unwrap_err();
            assert!(
                error
                    .verifier_log()
                    .is_some_and(|log| log.as_str().contains("R5")),
                "{error:#}"
            );
            let loaded = Loader::new().load(&object).unwrap();
            loaded.program("xdp_count").unwrap().info().unwrap().tag()
        })
        .collect();
    assert_eq!(tags[0], tags[1]);
    // (e) stands with what loads: that a signal may interrupt it cannot be arranged here.
}

/// Of a kernel that is not here, so that no system call can be asked.
#[test]
fn prg_04_f_a_type_that_a_kernel_does_not_have() {
    let object = Object::open(fixture("programs")).unwrap();
    let record = record("5.10");
    let kernel = OtherKernel::new(record.probes()).release(record.release().unwrap());
    let check = Loader::new().check(&object, &kernel).unwrap();
    let hook = check.program("hook").unwrap();
    assert_eq!(hook.fit(), Fit::Refused);
    let told: Vec<String> = hook
        .findings
        .iter()
        .map(|finding| format!("{finding:?}"))
        .collect();
    assert!(
        told.iter()
            .any(|told| told.contains("netfilter") && told.contains("6.4")),
        "{told:?}"
    );
}

#[test]
fn prg_04_g_lines_are_those_of_the_source() {
    require!(Need::Root, Need::Linux(5, 0));
    let object = Object::open(fixture("network")).unwrap();
    let mut loader = Loader::new();
    loader.only(["xdp_count"]);
    let loaded = loader.load(&object).unwrap();
    let program = loaded.program("xdp_count").unwrap();
    let info = program.info().unwrap();
    let mut lines = vec![[0; 4]; info.raw().nr_line_info as usize];
    let mut buffers = bpfld_sys::ProgBuffers::default();
    buffers.line_info = &mut lines;
    bpfld_sys::prog_info_with(program, &mut buffers).unwrap();
    assert!(lines.len() > 5, "{lines:?}");
    let types = bpfld::KernelBtf::by_id(info.btf_id().unwrap()).unwrap();
    let string = |offset| types.string(offset).unwrap();
    let (mut slots, mut found) = (Vec::new(), BTreeSet::new());
    for [slot, file, _, place] in lines {
        slots.push(slot);
        // Some are of the header that it includes.
        if string(file).ends_with("network.bpf.c") {
            found.insert(place >> 10);
        }
    }
    assert!(slots[0] == 0 && slots.is_sorted(), "{slots:?}");
    // What the source has there: the function that counts, which is put into the program, and the program.
    let source = std::fs::read_to_string(fixture("network").with_file_name("network.bpf.c")).unwrap();
    let line = |text: &str| source.lines().position(|line| line.contains(text)).unwrap() as u32 + 1;
    let (program, count) = (line("int xdp_count("), line("void hit("));
    assert_eq!(found.last(), Some(&program));
    for text in [
        "map_lookup_elem(&hits",
        "__sync_fetch_and_add(value",
        "map_lookup_elem(&cpu_hits",
        "*value += 1;",
    ] {
        assert!(found.contains(&line(text)), "{text}: {found:?}");
    }
    assert!(
        found
            .iter()
            .all(|found| (count..count + 9).contains(found) || *found == program),
        "{found:?}"
    );
}

#[test]
fn prg_05_options_of_loading() {
    require!(Need::Root, Need::Linux(5, 9));
    let load = |attach_type| {
        let code = [mov(0, PASS), exit()];
        let mut builder = Program::builder(ProgramType::XDP, "x", &code);
        if let Some(attach_type) = attach_type {
            builder = builder.attach_type(attach_type);
        }
        builder.load()
    };
    load(None).unwrap();
    for attach_type in [AttachType::XDP, AttachType::XDP_CPUMAP, AttachType::XDP_DEVMAP] {
        assert_eq!(load(Some(attach_type)).unwrap().attach_type(), Some(attach_type));
    }
    // What the kernel lets through it refuses at an interface.
    for attach_type in [AttachType::XDP_CPUMAP, AttachType::XDP_DEVMAP] {
        sandbox(|_| {
            let program = Xdp::try_from(load(Some(attach_type)).unwrap()).unwrap();
            let error = program.attach("lo", XdpMode::Generic).unwrap_err();
            assert_eq!(error.errno(), Some(Errno::EINVAL), "{error}");
        });
    }
}

#[test]
fn prg_09_a_pinned_program_is_taken_over_with_its_interfaces() {
    require!(Need::Root, Need::Linux(5, 7));
    sandbox(|room| {
        let counter = Counter::new(ProgramType::XDP, None, PASS);
        let program: Xdp = (&counter.program).try_into().unwrap();
        program
            .attach_without_link("lo", XdpMode::Generic, XdpReplace::Never)
            .unwrap()
            .forget();
        let path = room.bpffs().join("xdp");
        program.program().pin(&path).unwrap();
        let id = counter.program.info().unwrap().id();
        drop(program);

        let again = Xdp::open_pinned(&path).unwrap();
        assert_eq!(again.program().info().unwrap().id(), id);
        let lo = Interface::by_name("lo").unwrap();
        assert!(lo.xdp_programs().unwrap().contains(id));
        let link = again
            .attach_without_link(&lo, XdpMode::Generic, XdpReplace::Only(again.program()))
            .unwrap();
        assert_eq!(counter.runs_in(|| room.send(9, 1, 100)), 1);
        drop(link);
        assert!(!lo.xdp_programs().unwrap().contains(id));
        remove_pin(&path).unwrap();
    });
}

#[test]
fn prg_10_socket_filters_on_udp() {
    require!(Need::Root);
    sandbox(|_| {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        let send = |text: &[u8]| {
            client.send_to(text, server.local_addr().unwrap()).unwrap();
        };
        let receive = || {
            let mut buffer = [0; 16];
            server.recv(&mut buffer).map(|length| buffer[..length].to_vec())
        };
        let filter = |verdict| {
            SocketFilter::try_from(&Counter::new(ProgramType::SOCKET_FILTER, None, verdict).program).unwrap()
        };
        let link = filter(0).attach(&server).unwrap();
        send(b"dropped");
        drop(link);
        let link = filter(-1).attach(&server).unwrap();
        send(b"kept");
        server.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        assert_eq!(receive().unwrap(), b"kept");
        link.detach().unwrap();
        send(b"free");
        assert_eq!(receive().unwrap(), b"free");
    });
}

#[test]
fn prg_11_tracepoints_by_section_and_by_name() {
    require!(Need::Root, Need::Config("CONFIG_FTRACE_SYSCALLS"));
    let object = Object::open(fixture("tracing")).unwrap();
    let mut loader = Loader::new();
    loader.global("wanted", &std::process::id());
    loader.only(["on_tracepoint"]);
    let loaded = loader.load(&object).unwrap();
    let program = loaded.program("on_tracepoint").unwrap();
    let hits = || loaded.global::<[u64; 8]>("hits").unwrap().get().unwrap()[0];
    let work = || {
        std::hint::black_box(std::os::unix::process::parent_id());
    };
    // By the section, and by category and name.
    let elsewhere = Tracepoint::try_from(program).unwrap();
    for attach in [
        &(|| program.attach()) as &dyn Fn() -> bpfld::Result<bpfld::Link>,
        &|| elsewhere.attach("syscalls", "sys_enter_getppid"),
    ] {
        let link = attach().unwrap();
        let before = hits();
        work();
        assert!(hits() > before);
        link.detach().unwrap();
        let after = hits();
        work();
        assert_eq!(hits(), after);
    }
}

#[expect(
    unsafe_code,
    reason = "a symbol that is found by name must not be there twice; this one is not"
)]
#[unsafe(export_name = "bpfld_acceptance_target")]
#[inline(never)]
extern "C" fn target(number: u64) -> u64 {
    std::hint::black_box(number) + 1
}

#[test]
fn prg_12_two_probes_of_one_program() {
    require!(Need::Root, Need::Config("CONFIG_UPROBE_EVENTS"));
    let counter = Counter::new(ProgramType::KPROBE, None, 0);
    let program: Uprobe = (&counter.program).try_into().unwrap();
    let run = || assert_eq!(target(1), 2);
    let entry = program
        .attach("/proc/self/exe", "bpfld_acceptance_target")
        .unwrap();
    let leave = program
        .attach_return("/proc/self/exe", "bpfld_acceptance_target")
        .unwrap();
    assert_eq!(counter.runs_in(run), 2);
    drop(entry);
    assert_eq!(counter.runs_in(run), 1);
    drop(leave);
    assert_eq!(counter.runs_in(run), 0);
}

#[test]
fn prg_13_pins_of_programs() {
    require!(Need::Root, Need::Linux(4, 15));
    sandbox(|room| {
        let counter = Counter::new(ProgramType::XDP, None, PASS);
        let path = room.bpffs().join("program");
        counter.program.pin(&path).unwrap();
        assert_eq!(
            counter.program.pin(&path).unwrap_err().errno(),
            Some(Errno::EEXIST)
        );
        let again = Program::open_pinned(&path).unwrap();
        let (one, two) = (counter.program.info().unwrap(), again.info().unwrap());
        assert_eq!(
            (one.id(), one.tag(), one.name(), one.map_ids()),
            (two.id(), two.tag(), two.name(), two.map_ids())
        );
        // Not for another kind.
        SocketFilter::open_pinned(&path).unwrap_err();
        remove_pin(&path).unwrap();
        assert!(!path.exists());
        Program::open_pinned(&path).unwrap_err();
    });
}

/// The golden files of listings are in the crate of instructions; this is what the kernel made of a program.
#[test]
fn prg_14_and_15_programs_of_the_system() {
    require!(Need::Root, Need::Linux(4, 15));
    let descriptors = || std::fs::read_dir("/proc/thread-self/fd").unwrap().count();
    let one = Counter::new(ProgramType::XDP, None, PASS);
    let two = Counter::new(ProgramType::SOCKET_FILTER, None, 0);
    let before = descriptors();
    assert!(Program::all().map(Result::unwrap).count() >= 2);
    assert_eq!(descriptors(), before);
    for counter in [&one, &two] {
        let info = counter.program.info().unwrap();
        let listed = Program::all()
            .map(Result::unwrap)
            .find(|program| program.info().is_ok_and(|other| other.id() == info.id()))
            .unwrap();
        let other = listed.info().unwrap();
        assert_eq!(
            (other.program_type(), other.tag(), other.name(), other.map_ids()),
            (
                info.program_type(),
                info.tag(),
                String::from("counter"),
                info.map_ids()
            )
        );
        let mut slots = vec![0; info.translated_len() as usize];
        let mut buffers = bpfld_sys::ProgBuffers::default();
        buffers.xlated = &mut slots;
        bpfld_sys::prog_info_with(&listed, &mut buffers).unwrap();
        let (decoded, rest) = bpfld_insn::slots_from_bytes(&slots, bpfld_insn::Endian::NATIVE);
        assert!(decoded.len() >= 5 && rest.is_empty());
    }
}
