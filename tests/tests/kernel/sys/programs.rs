//! Loading programs, running them, and what can be told of them.

use bpfld_sys::{
    Errno, Log, MapType, ProgBuffers, ProgFlags, ProgLoad, ProgramType, StatsType, StreamId, TestRun,
    TestRunFlags, enable_stats, map_info, plain, prog_assoc_struct_ops, prog_bind_map, prog_info,
    prog_info_with, prog_load, prog_stream_read, prog_test_run,
};
use bpfld_tests::{Need, require};
use zerocopy::IntoBytes as _;

use super::{map, program, returns};

#[test]
fn loads_and_runs() {
    require!(Need::Root, Need::Linux(4, 12));
    let pass = program(ProgramType::XDP, 2);
    let (packet, mut out) = ([7; 64], vec![0; 64 * 1024]);
    let mut run = TestRun::default();
    run.data_in = &packet;
    run.data_out = &mut out;
    run.repeat = 10;
    prog_test_run(&pass, &mut run).unwrap();
    assert_eq!((run.return_value, run.data_len), (2, 64));
    assert_eq!(out[..64], packet);
    assert!(out[64..].iter().all(|byte| *byte == 0));
}

#[test]
fn output_is_cut_where_room_ends() {
    require!(Need::Root, Need::Linux(5, 0));
    let pass = program(ProgramType::XDP, 2);
    let packet = [7; 64];
    let mut out = [0; 32];
    let (room, rest) = out.split_at_mut(16);
    let mut run = TestRun::default();
    run.data_in = &packet;
    run.data_out = room;
    assert_eq!(prog_test_run(&pass, &mut run).unwrap_err().errno(), Errno::ENOSPC);
    assert_eq!(
        (run.data_len, &*run.data_out, &*rest),
        (64, &[7; 16][..], &[0; 16][..])
    );
    // No room: no output, and no error.
    let mut run = TestRun::default();
    run.data_in = &packet;
    prog_test_run(&pass, &mut run).unwrap();
    assert_eq!(run.return_value, 2);
}

#[test]
fn contexts_go_in_and_out() {
    require!(Need::Root, Need::Linux(5, 2));
    let zero = program(ProgramType::SCHED_CLS, 0);
    let mut context = plain::SkBuff::default();
    (context.priority, context.mark) = (3, 4);
    let mut context_out = plain::SkBuff::default();
    let mut run = TestRun::default();
    run.data_in = &[0; 64];
    run.context = context.as_mut_bytes();
    run.context_out = context_out.as_mut_bytes();
    prog_test_run(&zero, &mut run).unwrap();
    assert!(run.context_len > 0 && run.context_len as usize <= size_of::<plain::SkBuff>());
    assert_eq!((context_out.priority, context_out.mark), (3, 4));
}

#[test]
fn a_system_call_program_changes_its_context() {
    require!(Need::Root, Need::Linux(5, 14));
    // r2 = 42; *(u32 *)(r1 + 0) = r2; r0 = 0; exit
    let (r2, r1_r2) = if cfg!(target_endian = "little") {
        (2, 0x21)
    } else {
        (0x20, 0x12)
    };
    let mut insns = [
        &[0xb7, r2, 0, 0],
        &42i32.to_ne_bytes()[..],
        &[0x63, r1_r2, 0, 0, 0, 0, 0, 0],
    ]
    .concat();
    insns.extend(returns(0));
    let mut wanted = ProgLoad::new(ProgramType::SYSCALL, &insns, c"GPL");
    wanted.flags = ProgFlags::SLEEPABLE;
    let program = prog_load(&wanted, None).unwrap();
    let mut context = [0; 8];
    let mut run = TestRun::default();
    run.context = &mut context;
    prog_test_run(&program, &mut run).unwrap();
    assert_eq!(context[..4], 42u32.to_ne_bytes());
}

#[test]
fn on_another_cpu() {
    require!(Need::Root, Need::Linux(5, 10));
    let program = program(ProgramType::RAW_TRACEPOINT, 1);
    let mut run = TestRun::default();
    run.flags = TestRunFlags::RUN_ON_CPU;
    prog_test_run(&program, &mut run).unwrap();
    assert_eq!(run.return_value, 1);
    let mut run = TestRun::default();
    run.flags = TestRunFlags::RUN_ON_CPU;
    run.cpu = u32::MAX / 2;
    assert_eq!(
        prog_test_run(&program, &mut run).unwrap_err().errno(),
        Errno::ENXIO
    );
}

#[test]
fn the_verifier_says_why() {
    require!(Need::Root);
    // exit, without a value in r0
    let insns = [0x95, 0, 0, 0, 0, 0, 0, 0];
    let wanted = ProgLoad::new(ProgramType::SOCKET_FILTER, &insns, c"GPL");
    assert_eq!(prog_load(&wanted, None).unwrap_err().errno(), Errno::EACCES);
    let mut buffer = [0xff; 4096];
    let mut log = Log::new(1, &mut buffer);
    assert_eq!(
        prog_load(&wanted, Some(&mut log)).unwrap_err().errno(),
        Errno::EACCES
    );
    let text = String::from_utf8_lossy(log.text()).into_owned();
    assert!(text.contains("R0"), "{text}");
    let needed = log.true_size();
    if needed == 0 {
        require!(Need::Linux(6, 4));
    }
    assert_eq!(needed as usize, text.len() + 1);

    // A log that does not fit; what is behind the room is not touched.
    let insns = [&[0xb7, 0, 0, 0, 0, 0, 0, 0].repeat(32), &returns(0)[..]].concat();
    let wanted = ProgLoad::new(ProgramType::SOCKET_FILTER, &insns, c"GPL");
    let mut buffer = [0xff; 160];
    let (room, rest) = buffer.split_at_mut(128);
    let mut log = Log::new(2, room);
    assert_eq!(
        prog_load(&wanted, Some(&mut log)).unwrap_err().errno(),
        Errno::ENOSPC
    );
    assert_eq!(log.text().len(), 127);
    assert_eq!(rest, [0xff; 32]);
}

#[test]
fn refused_before_the_kernel_sees_it() {
    let wanted = ProgLoad::new(ProgramType::SOCKET_FILTER, &[0; 12], c"GPL");
    assert!(prog_load(&wanted, None).unwrap_err().refused_argument().is_some());
    let insns = returns(0);
    let mut wanted = ProgLoad::new(ProgramType::SOCKET_FILTER, &insns, c"GPL");
    wanted.func_info.bytes = &[0; 8];
    assert!(prog_load(&wanted, None).unwrap_err().refused_argument().is_some());
    wanted.func_info.record_size = 5;
    assert!(prog_load(&wanted, None).unwrap_err().refused_argument().is_some());
}

#[test]
fn described_as_loaded() {
    require!(Need::Root, Need::Linux(5, 10));
    let insns = returns(2);
    let mut wanted = ProgLoad::new(ProgramType::XDP, &insns, c"GPL");
    wanted.name = "pass";
    let program = prog_load(&wanted, None).unwrap();
    let used = map(MapType::ARRAY, 4, 4, 1);
    prog_bind_map(&program, &used).unwrap();
    let info = prog_info(&program).unwrap();
    assert_eq!(info.prog_type, ProgramType::XDP);
    assert_eq!(info.name(), b"pass");
    assert_eq!(
        (info.is_gpl_compatible(), info.nr_map_ids, info.xlated_prog_len),
        (true, 1, 16)
    );

    let (mut xlated, mut ids) = ([0xff; 32], [0; 4]);
    let mut buffers = ProgBuffers::default();
    buffers.xlated = &mut xlated;
    buffers.map_ids = &mut ids;
    let info = prog_info_with(&program, &mut buffers).unwrap();
    assert_eq!(
        (info.xlated_prog_len, info.xlated_prog_insns, info.map_ids),
        (16, 0, 0)
    );
    assert_eq!(xlated[..16], insns);
    assert_eq!(xlated[16..], [0xff; 16]);
    assert_eq!(ids, [map_info(&used).unwrap().id, 0, 0, 0]);
}

#[test]
fn only_programs_are_described_as_such() {
    require!(Need::Root, Need::Linux(5, 8));
    let (mut xlated, mut ids) = ([0; 8], [0; 4]);
    let mut buffers = ProgBuffers::default();
    buffers.xlated = &mut xlated;
    buffers.map_ids = &mut ids;
    let error = prog_info_with(std::io::stdin(), &mut buffers).unwrap_err();
    assert_eq!(error.errno(), Errno::EINVAL);
    if bpfld_tests::check_needs(&[Need::Linux(5, 10)]).is_ok() {
        let error = prog_info_with(map(MapType::ARRAY, 4, 4, 1), &mut buffers).unwrap_err();
        assert_eq!(error.refused_argument(), Some("not a program"));
    }
}

#[test]
fn statistics_count_runs() {
    require!(Need::Root, Need::Linux(5, 8));
    let program = program(ProgramType::XDP, 2);
    let stats = enable_stats(StatsType::RUN_TIME).unwrap();
    let mut run = TestRun::default();
    run.data_in = &[0; 64];
    run.repeat = 5;
    prog_test_run(&program, &mut run).unwrap();
    drop(stats);
    // Test runs are not counted by all kernels; the numbers are there all the same.
    assert!(prog_info(&program).unwrap().run_cnt <= 5);
}

#[test]
fn streams_and_associations() {
    require!(Need::Root);
    let program = program(ProgramType::XDP, 0);
    match prog_stream_read(&program, StreamId::STDOUT, &mut [0; 64]) {
        Ok(read) => assert_eq!(read, 0),
        Err(error) => {
            assert_eq!(error.errno(), Errno::EINVAL);
            require!(Need::Linux(6, 17));
            panic!("{error}");
        }
    }
    // Needs a struct_ops map; older kernels do not know the command.
    let error = prog_assoc_struct_ops(&program, map(MapType::ARRAY, 4, 4, 1)).unwrap_err();
    assert_eq!(error.errno(), Errno::EINVAL);
}
