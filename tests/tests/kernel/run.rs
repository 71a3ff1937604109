//! Test runs, and what loaded programs tell about themselves.

use bpfld::{AttachType, Errno, Program, ProgramType, Syscall, TestRunFlags};
use bpfld_insn::Slot;
use bpfld_tests::{Need, require, sandbox};

use crate::counter::{Counter, exit, mov, since};

#[test]
fn packets_go_in_and_out() {
    require!(Need::Root);
    let counter = Counter::new(ProgramType::XDP, None, 2);
    let packet: Vec<u8> = (0..64).collect();
    let outcome = counter.program.test_run().data(&packet).run().unwrap();
    assert_eq!((outcome.return_value, outcome.data), (2, packet.clone()));
    assert_eq!(counter.runs(), 1);
    let outcome = counter
        .program
        .test_run()
        .data(&packet)
        .repeat(1000)
        .run()
        .unwrap();
    assert_eq!((counter.runs(), outcome.return_value), (1001, 2));
    assert!(outcome.duration.as_nanos() < 1_000_000);

    let error = counter
        .program
        .test_run()
        .data(&packet)
        .data_room(10)
        .run()
        .unwrap_err();
    assert_eq!(error.errno(), Some(Errno::ENOSPC));
    assert!(
        error
            .hint()
            .unwrap()
            .contains("64 bytes came out where there was room for 10"),
        "{error}"
    );
    if since(5, 12) {
        let error = counter.program.test_run().data(&packet[..10]).run().unwrap_err();
        assert_eq!(error.errno(), Some(Errno::EINVAL), "{error}");
    }
}

#[test]
fn contexts_go_in_and_out() {
    require!(Need::Root);
    // The mark of a socket buffer is at offset 8: *(u32 *)(r6 + 8) += 1
    let more = [
        Slot::new(0x61, 2, 6, 8, 0),
        Slot::new(0x07, 2, 0, 0, 1),
        Slot::new(0x63, 6, 2, 8, 0),
    ];
    let counter = Counter::with(ProgramType::SCHED_CLS, None, 7, &more);
    let mut context = [0u32; 48];
    context[2] = 41;
    let outcome = counter
        .program
        .test_run()
        .data(&[0; 64])
        .context(&context)
        .run()
        .unwrap();
    assert_eq!(outcome.return_value, 7);
    // As much as this kernel's context has.
    assert!(
        (180..=192).contains(&outcome.context.len()),
        "{}",
        outcome.context.len()
    );
    assert_eq!(outcome.context[8..12], 42u32.to_ne_bytes());
    // Room for less than the context is too little, and so told; for nothing, it is not asked for.
    let with_room = |bytes| {
        let run = counter.program.test_run().data(&[0; 64]).context(&context);
        run.context_room(bytes).run()
    };
    assert_eq!(with_room(8).unwrap_err().errno(), Some(Errno::ENOSPC));
    assert!(with_room(0).unwrap().context.is_empty());
}

#[test]
fn raw_tracepoints_run_on_a_cpu() {
    require!(Need::Root, Need::Linux(5, 10));
    // r0 = the first argument
    let code = [Slot::new(0x79, 0, 1, 0, 0), exit()];
    let program = bpfld::Program::builder(ProgramType::RAW_TRACEPOINT, "first", &code)
        .load()
        .unwrap();
    let outcome = program.test_run().context(&[99u64, 1]).on_cpu(0).run().unwrap();
    assert_eq!(outcome.return_value, 99);
    let error = program
        .test_run()
        .context(&[99u64, 1])
        .on_cpu(60_000)
        .run()
        .unwrap_err();
    assert!(error.errno().is_some(), "{error}");
}

#[test]
fn syscall_programs_change_their_context() {
    require!(Need::Root, Need::Linux(5, 14));
    // r2 = 5; *(u64 *)(r1 + 0) = r2
    let code = [mov(2, 5), Slot::new(0x7b, 1, 2, 0, 0), mov(0, 0), exit()];
    let program = bpfld::Program::builder(ProgramType::SYSCALL, "five", &code);
    let program = program.flags(bpfld::ProgFlags::SLEEPABLE).load().unwrap();
    let outcome = program.test_run().context(&[1u64]).run().unwrap();
    assert_eq!(outcome.context, 5u64.to_ne_bytes());
    Syscall::try_from(program).unwrap();
}

#[test]
fn kinds_that_cannot_run_say_so() {
    require!(Need::Root);
    let counter = Counter::new(ProgramType::CGROUP_SYSCTL, None, 1);
    let error = counter.program.test_run().run().unwrap_err();
    assert!(error.hint().unwrap().contains("cgroup_sysctl"), "{error}");
}

#[test]
fn live_frames_are_really_passed() {
    require!(Need::Root, Need::Linux(5, 18));
    sandbox(|_room| {
        // 1 drops them.
        let counter = Counter::new(ProgramType::XDP, None, 1);
        let run = counter
            .program
            .test_run()
            .data(&[0; 64])
            .repeat(100)
            .live_frames(0);
        let outcome = run.flags(TestRunFlags::empty()).run().unwrap();
        assert!(outcome.data.is_empty());
        assert_eq!(counter.runs(), 100);
    });
}

#[test]
fn programs_tell_about_themselves() {
    require!(Need::Root);
    let counter = Counter::new(ProgramType::XDP, Some(AttachType::XDP), 2);
    let info = counter.program.info().unwrap();
    assert_eq!(
        (info.name().as_str(), info.program_type()),
        ("counter", ProgramType::XDP)
    );
    assert_eq!(info.map_ids().len(), 1);
    assert_eq!(info.tag().to_string().len(), 16);
    assert!(info.translated_len() > 0 && info.loaded_at().as_secs() > 0);
    let machine_code = counter.program.machine_code();
    let bytes = machine_code.map_or(0, |functions| {
        functions.iter().map(|function| function.code().len()).sum()
    });
    assert_eq!(info.jited_len() as usize, bytes);
    let again = Program::from_id(info.id()).unwrap();
    assert_eq!((again.name(), again.attach_type()), ("counter", None));
    let error = Program::from_id(u32::MAX).unwrap_err();
    assert_eq!(error.errno(), Some(Errno::ENOENT), "{error}");
}
