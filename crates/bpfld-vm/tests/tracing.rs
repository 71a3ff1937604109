//! What programs that trace ask for: stacks, arguments, results, control groups, namespaces.
#![expect(clippy::unwrap_used, reason = "these are tests")]

mod support;

use bpfld_vm::{Arguments, MapSpec, MapType, ProgramType, Registers, Vm};
use support::assembled;

/// Where an error number stands.
fn error(number: i64) -> u64 {
    number.wrapping_neg() as u64
}

/// Two programs on kprobes: one keeps the stack in a map, the other copies it. The flags are in a variable.
const STACKS: &str = r#"
    .map stacks stack_trace key=u32 value=32 max_entries=8
    .map flags array key=u32 value=u64 max_entries=1
    .map copied array key=u32 value=32 max_entries=1
    .section kprobe/anything
    .globl keep, copy
keep:
    r6 = r1
    *(u32 *)(r10 - 4) = 0
    r2 = r10
    r2 += -4
    r1 = flags ll
    call bpf_map_lookup_elem
    if r0 == 0 goto out
    r3 = *(u64 *)(r0 + 0)
    r1 = r6
    r2 = stacks ll
    call bpf_get_stackid
out:
    exit
copy:
    r6 = r1
    *(u32 *)(r10 - 4) = 0
    r2 = r10
    r2 += -4
    r1 = flags ll
    call bpf_map_lookup_elem
    if r0 == 0 goto gone
    r7 = *(u64 *)(r0 + 0)
    r2 = r10
    r2 += -4
    r1 = copied ll
    call bpf_map_lookup_elem
    if r0 == 0 goto gone
    r1 = r6
    r2 = r0
    r3 = 32
    r4 = r7
    call bpf_get_stack
gone:
    exit
"#;

fn with_flags(vm: &mut Vm, program: &str, flags: u64) -> u64 {
    vm.map("flags").unwrap().insert(&0u32, &flags.to_le()).unwrap();
    vm.program(program)
        .unwrap()
        .run_on(&mut Registers::new())
        .unwrap()
}

#[test]
fn stacks_are_those_of_the_task() {
    const USER: u64 = 1 << 8;
    const REUSE: u64 = 1 << 10;
    let mut vm = assembled(STACKS);
    assert_eq!(with_flags(&mut vm, "keep", 0), error(14)); // EFAULT: no stack
    assert_eq!(with_flags(&mut vm, "copy", 0), error(14));
    assert_eq!(with_flags(&mut vm, "keep", 1 << 20), error(22));
    let task = &mut vm.scenario_mut().task;
    task.kernel_stack = vec![0x11, 0x22, 0x33, 0x44, 0x55];
    task.user_stack = vec![0xaa, 0xbb];
    let kernel = with_flags(&mut vm, "keep", 0);
    let user = with_flags(&mut vm, "keep", USER);
    assert!(kernel < 8 && user < 8 && kernel != user);
    // the same again is known already; what is longer than a value is cut
    assert_eq!(with_flags(&mut vm, "keep", 0), kernel);
    let mut stacks = vm.map("stacks").unwrap();
    assert_eq!(stacks.len(), 2);
    let kept = stacks.get::<[u64; 4]>(&(kernel as u32).to_le()).unwrap();
    assert_eq!(kept, Some([0x11, 0x22, 0x33, 0x44].map(u64::to_le)));
    let kept = stacks.get::<[u64; 4]>(&(user as u32).to_le()).unwrap();
    assert_eq!(kept, Some([0xaa, 0xbb, 0, 0].map(u64::to_le)));
    // another stack with the same number is only taken if that is asked for
    let mut other = None;
    for address in 0x1000.. {
        vm.scenario_mut().task.kernel_stack = vec![address];
        match with_flags(&mut vm, "keep", 0) {
            refused if refused == error(17) => {
                other = Some(address);
                break;
            }
            number => assert!(number < 8),
        }
    }
    let number = with_flags(&mut vm, "keep", REUSE);
    let kept = vm
        .map("stacks")
        .unwrap()
        .get::<[u64; 4]>(&(number as u32).to_le());
    assert_eq!(kept, Ok(Some([other.unwrap(), 0, 0, 0].map(u64::to_le))));

    // copies: cut to the room, filled up with zeros, innermost functions left out
    let copied = |vm: &mut Vm| {
        let copied = vm.map("copied").unwrap().get::<[u64; 4]>(&0u32);
        copied.unwrap().unwrap().map(u64::from_le)
    };
    vm.scenario_mut().task.kernel_stack = vec![1, 2, 3, 4, 5];
    assert_eq!(with_flags(&mut vm, "copy", 0), 32);
    assert_eq!(copied(&mut vm), [1, 2, 3, 4]);
    assert_eq!(with_flags(&mut vm, "copy", 2), 24);
    assert_eq!(copied(&mut vm), [3, 4, 5, 0]);
    assert_eq!(with_flags(&mut vm, "copy", USER), 16);
    assert_eq!(copied(&mut vm), [0xaa, 0xbb, 0, 0]);
    assert_eq!(with_flags(&mut vm, "copy", 9), error(14));
    assert_eq!(copied(&mut vm), [0; 4]);
    // identifiers of files are not there, and that is said
    vm.map("flags")
        .unwrap()
        .insert(&0u32, &(USER | 1 << 11).to_le())
        .unwrap();
    let fault = vm.program("copy").unwrap().run_on(&mut Registers::new());
    assert!(fault.unwrap_err().to_string().contains("identifiers of files"));
}

/// Adds up: the address of the function, ten times the number of arguments, and what two calls tell.
fn traced(context: Arguments, number: u32) -> (u64, u64, u64) {
    let text = format!(
        "r6 = r1
        r2 = {number}
        r3 = r10
        r3 += -8
        *(u64 *)(r10 - 8) = 0
        call bpf_get_func_arg
        r7 = r0
        r8 = *(u64 *)(r10 - 8)
        r1 = r6
        r2 = r10
        r2 += -8
        call bpf_get_func_ret
        r9 = r0
        r1 = *(u64 *)(r10 - 8)
        *(u64 *)(r10 - 24) = r1
        r1 = r6
        call bpf_get_func_arg_cnt
        *(u64 *)(r10 - 16) = r0
        r1 = r6
        call bpf_get_func_ip
        r1 = *(u64 *)(r10 - 16)
        r1 *= 10
        r0 += r1
        r1 = *(u64 *)(r10 - 24)
        r1 *= 1000
        r0 += r1
        r1 = map[fd:0] ll
        *(u64 *)(r10 - 40) = r7
        *(u64 *)(r10 - 32) = r9
        *(u64 *)(r10 - 48) = r8
        r6 = r0
        *(u32 *)(r10 - 52) = 0
        r2 = r10
        r2 += -52
        r3 = r10
        r3 += -48
        r4 = 0
        call bpf_map_update_elem
        r0 = r6
        exit"
    );
    let mut vm = Vm::builder().empty(bpfld_insn::Endian::Little);
    vm.add_map(MapSpec::new("told", MapType::ARRAY, 4, 24, 1))
        .unwrap();
    vm.scenario_mut().function = 3;
    let code = bpfld_insn::assemble(&text).unwrap();
    let mut program = vm
        .add_program("traced", ProgramType::TRACING, code.slots())
        .unwrap();
    let sum = program.run(context).unwrap().r0;
    let told = vm.map("told").unwrap().get::<[u64; 3]>(&0u32).unwrap().unwrap();
    let [argument, status, result] = told.map(u64::from_le);
    assert_eq!(
        status == 0,
        argument != 0,
        "an argument that is not there is not written"
    );
    (sum, argument, result)
}

#[test]
fn functions_have_arguments_and_a_result() {
    let entry = Arguments::new(&[7, 8, 9]);
    let unsupported = error(95);
    assert_eq!(traced(entry.clone(), 2), (3 + 30 + 9 * 1000, 9, unsupported));
    let exit = entry.returning(5);
    assert_eq!(traced(exit.clone(), 0), (3 + 30 + 5 * 1000, 7, 0));
    // the result is none of the arguments
    assert_eq!(traced(exit, 3), (3 + 30 + 5 * 1000, 0, 0));
}

#[test]
fn control_groups_are_below_others() {
    let mut vm = assembled(
        r#"
        .map groups cgroup_array key=u32 value=u32 max_entries=3
        .section tracepoint/a/b
        .globl under, ancestor
    under:
        r1 = groups ll
        w2 = 2
        call bpf_current_task_under_cgroup
        r6 = r0
        r1 = groups ll
        w2 = 1
        call bpf_current_task_under_cgroup
        r0 *= 10
        r6 += r0
        r1 = groups ll
        w2 = 3
        call bpf_current_task_under_cgroup
        r0 *= 100
        r0 += r6
        exit
    ancestor:
        r1 = 0
        call bpf_get_current_ancestor_cgroup_id
        r6 = r0
        r1 = 2
        call bpf_get_current_ancestor_cgroup_id
        r0 *= 10
        r6 += r0
        r1 = 3
        call bpf_get_current_ancestor_cgroup_id
        r0 *= 1000
        r0 += r6
        exit
        "#,
    );
    let task = &mut vm.scenario_mut().task;
    (task.cgroup_id, task.cgroup_ancestors) = (33, vec![1, 22]);
    let run = |vm: &mut Vm, name: &str| vm.program(name).unwrap().run_on(&mut ()).unwrap() as i64;
    // EAGAIN for what is empty, E2BIG for what is beyond the end
    assert_eq!(run(&mut vm, "under"), -11 - 110 - 700);
    let mut groups = vm.map("groups").unwrap();
    groups.insert(&2u32.to_le(), &22u32.to_le()).unwrap();
    groups.insert(&1u32.to_le(), &23u32.to_le()).unwrap();
    assert_eq!(run(&mut vm, "under"), 1 - 700);
    assert_eq!(run(&mut vm, "ancestor"), 1 + 330);
}

#[test]
fn signals_and_namespaces_are_those_of_the_task() {
    let mut vm = assembled(
        r#"
        .section tracepoint/a/b
        .globl send, number
    send:
        r1 = 10
        call bpf_send_signal
        r6 = r0
        r1 = 65
        call bpf_send_signal_thread
        r0 += r6
        exit
    number:
        r1 = 4
        r2 = 77
        r3 = r10
        r3 += -8
        r4 = 8
        call bpf_get_ns_current_pid_tgid
        if r0 != 0 goto out
        r0 = *(u64 *)(r10 - 8)
    out:
        exit
        "#,
    );
    let run = |vm: &mut Vm, name: &str| vm.program(name).unwrap().run_on(&mut ()).unwrap();
    assert_eq!(run(&mut vm, "send"), error(22));
    assert_eq!(vm.scenario().task.signals, [10]);
    assert_eq!(run(&mut vm, "number"), error(22));
    let task = &mut vm.scenario_mut().task;
    (task.pid_namespace, task.pid, task.tgid) = ((4, 77), 5, 6);
    assert_eq!(run(&mut vm, "number"), 6 << 32 | 5);
}
