//! Programs written in assembly, and objects that went through it.

use bpfld::features::Feature;
use bpfld::{Array, Failure, Loader, Object};
use bpfld_tests::{Need, fixture, require};

fn assembled(text: &str) -> Object {
    Object::parse(text.as_bytes().to_vec()).unwrap()
}

#[test]
fn a_text_is_loaded_and_run_and_its_map_read() {
    require!(Need::Root);
    let object = assembled(
        r#"
        .license "GPL"
        .map counts array key=u32 value=u64 max_entries=4
        .section xdp
count:
        *(u32 *)(r10 - 4) = 3
        r2 = r10
        r2 += -4
        r1 = counts ll
        call bpf_map_lookup_elem
        if r0 == 0 goto out
        r1 = 5
        lock *(u64 *)(r0 + 0) += r1
out:
        r0 = XDP_TX
        exit
        "#,
    );
    let loaded = Loader::new().load(&object).unwrap();
    let program = loaded.program("count").unwrap();
    for _ in 0..2 {
        assert_eq!(program.test_run().data(&[0; 64]).run().unwrap().return_value, 3);
    }
    let counts: Array<u64> = loaded.map("counts").unwrap().try_into().unwrap();
    assert_eq!(counts.get(3).unwrap(), Some(10));
}

#[test]
fn data_subprograms_callbacks_and_kernel_functions() {
    require!(
        Need::Root,
        Feature::GlobalData,
        Need::Linux(6, 2),
        Need::Config("CONFIG_BPF_JIT"),
        Need::Config("CONFIG_DEBUG_INFO_BTF")
    );
    let object = assembled(
        r#"
        .license "GPL"
        .map shape array key=4 value=8 max_entries=1 template
        .map one array key=4 value=8 max_entries=1
        .map outer array_of_maps key=4 max_entries=3 inner=shape values="one - one"
        .map jumps prog_array key=4 max_entries=2 values="- later"
        .kfunc bpf_rcu_read_lock, "void (void)"
        .kfunc bpf_rcu_read_unlock, "void (void)"
        .kfunc bpfld_no_such_function, "void (u32)"
        .weak bpfld_no_such_function
        .ksym bpf_prog_load
        .weak bpf_prog_load
        .kconfig LINUX_KERNEL_VERSION, "u32"
        .data
        .globl seen
seen:   .quad 7
        .bss
        .globl total, version
        .comm total, 8
        .comm version, 4
        .section .rodata
limit:  .long 3
        .section tc
        .globl now, later
now:    r6 = r1
        call bpf_rcu_read_lock
        call bpf_rcu_read_unlock
        r1 = limit ll
        w1 = *(u32 *)(r1 + 0)
        r2 = step ll
        r3 = 0
        r4 = 0
        call bpf_loop
        call add
        r1 = LINUX_KERNEL_VERSION ll
        w2 = *(u32 *)(r1 + 0)
        r1 = version ll
        *(u32 *)(r1 + 0) = w2
        r1 = bpfld_no_such_function ll
        if r1 == 0 goto missing
        r0 = 99
        exit
missing:
        r1 = bpf_prog_load ll
        r1 = outer ll
        *(u32 *)(r10 - 4) = 2
        r2 = r10
        r2 += -4
        call bpf_map_lookup_elem
        if r0 == 0 goto empty
        r1 = r6
        r2 = jumps ll
        r3 = 1
        call bpf_tail_call
empty:
        r0 = 98
        exit
later:  r1 = total ll
        r0 = *(u64 *)(r1 + 0)
        r1 = seen ll
        r1 = *(u64 *)(r1 + 0)
        r0 += r1
        exit
        .text
add:    r1 = total ll
        r2 = 1
        lock *(u64 *)(r1 + 0) += r2
        r0 = 0
        exit
step:   r1 = total ll
        r2 = 10
        lock *(u64 *)(r1 + 0) += r2
        r0 = 0
        exit
        "#,
    );
    let loaded = Loader::new().load(&object).unwrap();
    let program = loaded.program("now").unwrap();
    let outcome = program.test_run().data(&[0; 64]).run().unwrap();
    assert_eq!(outcome.return_value, 38);
    assert_eq!(loaded.global::<u64>("total").unwrap().get().unwrap(), 31);
    assert!(loaded.global::<u32>("version").unwrap().get().unwrap() >= 0x06_02_00);
}

#[test]
fn the_verifier_speaks_of_the_lines_of_the_text() {
    require!(Need::Root, Feature::Btf);
    let object =
        assembled("    .section socket\nmain:\n    r1 = *(u8 *)(r1 + 1000)   # nothing is there\n    exit\n");
    let error = Loader::new().load(&object).unwrap_err();
    assert_eq!(error.failure(), Failure::Rejected);
    let log = error.verifier_log().unwrap().as_str();
    assert!(
        log.contains("; r1 = *(u8 *)(r1 + 1000)   # nothing is there"),
        "{log}"
    );
}

/// The kernel's digest of each program of an object: equal ones have equal instructions.
fn tags(fixture: &str, object: &Object) -> Vec<(String, bpfld::Tag)> {
    let mut loader = Loader::new();
    bpfld_tests::fit(&mut loader, fixture);
    let partial = loader.load_partial(object).unwrap();
    let mut tags: Vec<_> = partial
        .loaded
        .programs()
        .map(|program| (program.name().to_owned(), program.info().unwrap().tag()))
        .collect();
    tags.sort_by(|a, b| a.0.cmp(&b.0));
    tags
}

#[test]
fn objects_that_went_through_text_are_the_same_to_the_kernel() {
    require!(
        Need::Root,
        Feature::GlobalData,
        Feature::ArrayMmap,
        Need::Linux(5, 17)
    );
    for name in [
        "maps",
        "globals",
        "network",
        "subprograms",
        "map_of_maps",
        "ringbuf",
    ] {
        let object = Object::open(fixture(name)).unwrap();
        let again = assembled(&object.to_assembly().to_string());
        let (before, after) = (tags(name, &object), tags(name, &again));
        assert!(!before.is_empty(), "{name}");
        assert_eq!(before, after, "{name}");
    }
}
