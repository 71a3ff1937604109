//! Attaching with and without links, and what can be told of it.

use std::fs::File;
use std::os::fd::{AsFd as _, AsRawFd as _};

use bpfld_sys::{
    AttachFlags, AttachType, Errno, LinkBuffers, LinkCreate, LinkDetails, LinkKind, LinkType, LinkUpdate,
    MapType, NetfilterFlags, NetfilterHook, PerfEventKind, PerfSoftware, ProgAttach, ProgDetach, ProgLoad,
    ProgQuery, ProgramType, Relative, Target, TaskFdType, UprobeFile, UprobeMultiFlags, iter_create,
    link_create, link_detach, link_info, link_info_with, link_update, perf, prog_attach, prog_detach,
    prog_info, prog_load, prog_query, raw_tracepoint_open, task_fd_query,
};
use bpfld_tests::{Cgroup, Need, require, sandbox};

use super::{map, program, returns};

/// A program that is loaded for an attach type.
fn program_for(prog_type: ProgramType, attach_type: AttachType, value: i32) -> std::os::fd::OwnedFd {
    let insns = returns(value);
    let mut wanted = ProgLoad::new(prog_type, &insns, c"GPL");
    wanted.expected_attach_type = attach_type;
    prog_load(&wanted, None).unwrap()
}

#[test]
fn a_cgroup_without_links() {
    require!(Need::Root, Need::Linux(4, 15));
    let cgroup = Cgroup::new().unwrap();
    let directory = File::open(cgroup.path()).unwrap();
    let target = Target::Fd(directory.as_fd());
    let program = program(ProgramType::CGROUP_SKB, 1);
    const WHERE: AttachType = AttachType::CGROUP_INET_EGRESS;
    let mut wanted = ProgAttach::new(program.as_fd(), target, WHERE);
    wanted.flags = AttachFlags::ALLOW_MULTI;
    prog_attach(&wanted).unwrap();

    let mut ids = [0; 2];
    let answer = prog_query(&mut ProgQuery::new(target, WHERE, &mut ids)).unwrap();
    assert_eq!((answer.count, answer.attach_flags), (1, AttachFlags::ALLOW_MULTI));
    assert_eq!(ids, [prog_info(&program).unwrap().id, 0]);
    // No room is no error.
    assert_eq!(
        prog_query(&mut ProgQuery::new(target, WHERE, &mut []))
            .unwrap()
            .count,
        1
    );

    let mut wrong = [AttachFlags::empty(); 3];
    let mut query = ProgQuery::new(target, WHERE, &mut ids);
    query.program_flags = &mut wrong;
    assert!(prog_query(&mut query).unwrap_err().refused_argument().is_some());

    let other = ProgDetach::new(Some(program.as_fd()), target, AttachType::CGROUP_INET_INGRESS);
    assert_eq!(prog_detach(&other).unwrap_err().errno(), Errno::ENOENT);
    prog_detach(&ProgDetach::new(Some(program.as_fd()), target, WHERE)).unwrap();
    assert_eq!(
        prog_query(&mut ProgQuery::new(target, WHERE, &mut []))
            .unwrap()
            .count,
        0
    );
}

#[test]
fn a_cgroup_with_a_link() {
    require!(Need::Root, Need::Linux(5, 9));
    let cgroup = Cgroup::new().unwrap();
    let directory = File::open(cgroup.path()).unwrap();
    let (first, second) = (
        program(ProgramType::CGROUP_SKB, 1),
        program(ProgramType::CGROUP_SKB, 1),
    );
    let target = Target::Fd(directory.as_fd());
    let wanted = LinkCreate::new(
        first.as_fd(),
        target,
        AttachType::CGROUP_INET_INGRESS,
        LinkKind::Plain,
    );
    let link = link_create(&wanted).unwrap();
    let info = link_info(&link).unwrap();
    assert_eq!(
        (info.link_type, info.program_id),
        (LinkType::CGROUP, prog_info(&first).unwrap().id)
    );
    let LinkDetails::Cgroup(details) = info.details else {
        panic!("{info:?}")
    };
    assert_eq!(details.attach_type, AttachType::CGROUP_INET_INGRESS);
    assert!(details.cgroup_id > 0);

    let mut update = LinkUpdate::new(second.as_fd());
    update.old = Some(second.as_fd());
    assert_eq!(link_update(&link, &update).unwrap_err().errno(), Errno::EPERM);
    update.old = Some(first.as_fd());
    link_update(&link, &update).unwrap();
    assert_eq!(
        link_info(&link).unwrap().program_id,
        prog_info(&second).unwrap().id
    );
    link_detach(&link).unwrap();
    assert_eq!(link_update(&link, &update).unwrap_err().errno(), Errno::ENOLINK);
}

#[test]
fn places_in_a_chain() {
    require!(Need::Root, Need::Linux(6, 6), Need::Config("CONFIG_NET_XGRESS"));
    sandbox(|room| {
        let target = Target::Ifindex(room.loopback());
        let programs = [(); 3].map(|()| program(ProgramType::SCHED_CLS, 0));
        let ids = [0, 1, 2].map(|at| prog_info(&programs[at]).unwrap().id);
        let attach = |at: usize, relative, flags: AttachFlags, expected_revision| {
            let kind = LinkKind::Tcx {
                relative,
                expected_revision,
            };
            let mut wanted = LinkCreate::new(programs[at].as_fd(), target, AttachType::TCX_INGRESS, kind);
            wanted.flags = flags.bits();
            link_create(&wanted)
        };
        let first = attach(0, Relative::None, AttachFlags::empty(), 0).unwrap();
        let _second = attach(1, Relative::Link(first.as_fd()), AttachFlags::BEFORE, 0).unwrap();
        let stale = attach(2, Relative::None, AttachFlags::empty(), 1);
        assert_eq!(stale.unwrap_err().errno(), Errno::ESTALE);
        let _third = attach(2, Relative::ProgramId(ids[1]), AttachFlags::AFTER, 0).unwrap();

        let (mut found, mut links) = ([0; 4], [0; 4]);
        let mut query = ProgQuery::new(target, AttachType::TCX_INGRESS, &mut found);
        query.link_ids = &mut links;
        let answer = prog_query(&mut query).unwrap();
        assert_eq!((answer.count, answer.revision), (3, 4));
        assert_eq!(found, [ids[1], ids[2], ids[0], 0]);
        assert_eq!(links[2], link_info(&first).unwrap().id);
        let LinkDetails::Tcx(details) = link_info(&first).unwrap().details else {
            panic!()
        };
        assert_eq!(
            (details.ifindex, details.attach_type),
            (room.loopback(), AttachType::TCX_INGRESS)
        );
    });
}

#[test]
fn a_raw_tracepoint_has_a_name() {
    require!(Need::Root, Need::Linux(5, 8));
    let program = program(ProgramType::RAW_TRACEPOINT, 0);
    assert_eq!(
        raw_tracepoint_open(Some(c"no such one"), &program, 0)
            .unwrap_err()
            .errno(),
        Errno::ENOENT
    );
    let link = raw_tracepoint_open(Some(c"sched_switch"), &program, 0).unwrap();
    let mut name = [0xff; 32];
    let mut buffers = LinkBuffers::default();
    buffers.name = &mut name;
    let info = link_info_with(&link, &mut buffers).unwrap();
    let LinkDetails::RawTracepoint(details) = info.details else {
        panic!("{info:?}")
    };
    assert_eq!((details.tp_name_len, details.tp_name), (13, 0));
    assert_eq!(&name[..14], b"sched_switch\0\xff");

    let mut short = [0xff; 8];
    let mut buffers = LinkBuffers::default();
    buffers.name = &mut short[..6];
    assert_eq!(
        link_info_with(&link, &mut buffers).unwrap_err().errno(),
        Errno::ENOSPC
    );
    assert_eq!(&short, b"sched\0\xff\xff");

    let (mut name, fd) = ([0; 32], link.as_raw_fd().cast_unsigned());
    // The thread, which has descriptors of its own.
    let thread = nix::unistd::gettid().as_raw().cast_unsigned();
    let told = task_fd_query(thread, fd, &mut name).unwrap();
    assert_eq!((told.kind, told.name_len), (TaskFdType::RAW_TRACEPOINT, 12));
    assert_eq!(told.program_id, prog_info(&program).unwrap().id);
    assert_eq!(&name[..13], b"sched_switch\0");
}

#[test]
fn only_links_are_described_as_such() {
    require!(Need::Root, Need::Linux(5, 8));
    let mut name = [0; 32];
    let mut buffers = LinkBuffers::default();
    buffers.name = &mut name;
    for object in [program(ProgramType::XDP, 2), map(MapType::ARRAY, 4, 4, 1).into()] {
        let error = link_info_with(&object, &mut buffers).unwrap_err();
        assert_eq!(error.refused_argument(), Some("not a link"));
    }
    let error = iter_create(program(ProgramType::XDP, 2)).unwrap_err();
    assert_eq!(error.errno(), Errno::EINVAL);
}

#[test]
fn a_perf_event() {
    require!(Need::Root, Need::Linux(5, 15));
    let clock = perf::Attr::software(PerfSoftware::CPU_CLOCK).period(1_000_000);
    let event = perf::perf_event_open(&clock, perf::Scope::Process(0)).unwrap();
    let program = program(ProgramType::PERF_EVENT, 0);
    let kind = LinkKind::PerfEvent { cookie: 7 };
    let wanted = LinkCreate::new(
        program.as_fd(),
        Target::Fd(event.as_fd()),
        AttachType::PERF_EVENT,
        kind,
    );
    let link = link_create(&wanted).unwrap();
    let LinkDetails::PerfOther(details) = link_info(&link).unwrap().details else {
        panic!()
    };
    require!(Need::Linux(6, 6));
    assert_eq!(details.kind, PerfEventKind::EVENT);
    assert_eq!(details.config, 0);
}

#[test]
fn a_netfilter_hook() {
    require!(
        Need::Root,
        Need::Linux(6, 4),
        Need::Config("CONFIG_NETFILTER_BPF_LINK")
    );
    sandbox(|_| {
        let program = program_for(ProgramType::NETFILTER, AttachType::NETFILTER, 1);
        let kind = LinkKind::Netfilter {
            family: 2,
            hook: NetfilterHook::LOCAL_IN,
            priority: -128,
            flags: NetfilterFlags::empty(),
        };
        let link = link_create(&LinkCreate::new(
            program.as_fd(),
            Target::None,
            AttachType::NETFILTER,
            kind,
        ))
        .unwrap();
        let LinkDetails::Netfilter(details) = link_info(&link).unwrap().details else {
            panic!()
        };
        assert_eq!(
            (details.pf, details.hooknum, details.priority),
            (2, NetfilterHook::LOCAL_IN, -128)
        );
    });
}

#[test]
fn many_places_of_a_file() {
    require!(Need::Root, Need::Linux(6, 8), Need::Config("CONFIG_UPROBES"));
    let program = program_for(ProgramType::KPROBE, AttachType::TRACE_UPROBE_MULTI, 0);
    // Where this program begins to run: nobody goes there again.
    let file = std::fs::read("/proc/self/exe").unwrap();
    let elf = goblin::elf::Elf::parse(&file).unwrap();
    let segment = elf
        .program_headers
        .iter()
        .find(|segment| segment.is_executable())
        .unwrap();
    let entry = elf.header.e_entry - segment.p_vaddr + segment.p_offset;
    let create = |offsets: &[u64], cookies: &[u64]| {
        let kind = LinkKind::UprobeMulti {
            file: UprobeFile::Path(c"/proc/self/exe"),
            offsets,
            ref_ctr_offsets: &[],
            cookies,
            flags: UprobeMultiFlags::empty(),
            pid: 0,
        };
        link_create(&LinkCreate::new(
            program.as_fd(),
            Target::None,
            AttachType::TRACE_UPROBE_MULTI,
            kind,
        ))
    };
    assert!(
        create(&[entry], &[1, 2])
            .unwrap_err()
            .refused_argument()
            .is_some()
    );
    let link = create(&[entry], &[77]).unwrap();
    let (mut name, mut offsets, mut cookies) = (vec![0; 4096], [0; 4], [0; 4]);
    let mut buffers = LinkBuffers::default();
    buffers.name = &mut name;
    buffers.addresses = &mut offsets;
    buffers.cookies = &mut cookies;
    let LinkDetails::UprobeMulti(details) = link_info_with(&link, &mut buffers).unwrap().details else {
        panic!()
    };
    assert_eq!(
        (details.count, offsets, cookies),
        (1, [entry, 0, 0, 0], [77, 0, 0, 0])
    );
    let path = std::ffi::CStr::from_bytes_until_nul(&name)
        .unwrap()
        .to_str()
        .unwrap();
    assert_eq!(
        std::path::Path::new(path),
        std::fs::read_link("/proc/self/exe").unwrap()
    );
}
