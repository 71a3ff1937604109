//! What programs take is bounded: memory by the limit for maps, time by the budget, whatever a single call does.
#![expect(clippy::unwrap_used, reason = "these are tests")]

mod support;

use bpfld_insn::Endian;
use bpfld_object::ObjectAssembler;
use bpfld_vm::{Builder, FaultKind, MapSpec, MapType, Object, Skb, Vm};
use support::assembled;

const ENOMEM: i64 = -12;

fn limited(text: &str, options: impl FnOnce(&mut Builder)) -> Vm {
    let text = format!(".license \"GPL\"\n{text}");
    let assembler = ObjectAssembler::new().endian(Endian::Little);
    let object = Object::parse(assembler.assemble(&text).unwrap().bytes).unwrap();
    let mut builder = Vm::builder();
    options(&mut builder);
    builder.load(&object).unwrap()
}

/// Each of the maps may take all there is; together they may not.
#[test]
fn maps_share_their_memory() {
    let map = ".map first hash key=u32 value=1024 max_entries=60
        .map second hash key=u32 value=1024 max_entries=60\n";
    let fill = |name: &str| {
        format!(
            "{name}:
                r6 = 0
            next_{name}:
                *(u32 *)(r10 - 4) = r6
                *(u32 *)(r10 - 8) = 0
                r2 = r10
                r2 += -8
                r1 = zero ll
                call bpf_map_lookup_elem
                if r0 == 0 goto out
                r3 = r0
                r2 = r10
                r2 += -4
                r1 = {name}_ ll
                r4 = 0
                call bpf_map_update_elem
                if r0 != 0 goto out
                r6 += 1
                if r6 != 60 goto next_{name}
                r0 = 0
            "
        )
    };
    let text = format!(
        ".map zero array key=u32 value=1024 max_entries=1
        {}
        .section tc
        fill:
        {}
        {}
        out:
            exit",
        map.replace("first", "first_").replace("second", "second_"),
        fill("first"),
        fill("second")
    );
    let run = |limit: usize| {
        let mut vm = limited(&text, |builder| {
            builder.memory_limit(limit);
        });
        let result = vm
            .program("fill")
            .unwrap()
            .run_on(&mut Skb::new(&[0; 60]))
            .unwrap();
        let lens = ["first_", "second_"].map(|name| vm.map(name).unwrap().len());
        // what one forgets, it can take again
        if lens[0] > 0 {
            assert!(vm.map("first_").unwrap().remove(&0u32).unwrap());
            assert_eq!(vm.map("first_").unwrap().insert(&0u32, &[1u8; 1024]), Ok(()));
        }
        (result as i64, lens)
    };
    assert_eq!(run(1 << 20), (0, [60, 60]));
    let (error, lens) = run(100_000);
    assert_eq!((error, lens[0]), (ENOMEM, 60));
    assert!((20..40).contains(&lens[1]), "{lens:?}");
}

#[test]
fn maps_that_no_kernel_makes_are_refused() {
    let mut vm = Vm::builder().empty(Endian::Little);
    for (map_type, key, value, entries) in [
        (MapType::LPM_TRIE, 4, 8, 1),
        (MapType::LPM_TRIE, 300, 8, 1),
        (MapType::HASH, 0, 8, 1),
        (MapType::HASH, 4, 8, 0),
        (MapType::QUEUE, 0, 8, 0),
        (MapType::ARRAY, 8, 8, 1),
        (MapType::RINGBUF, 0, 0, 4095),
    ] {
        let spec = MapSpec::new("odd", map_type, key, value, entries);
        assert!(vm.add_map(spec).is_err(), "{map_type} {key} {value} {entries}");
    }
}

/// Calls that copy or look at much use the budget up soon.
#[test]
fn what_a_call_does_is_taken_off_the_budget() {
    for (what, calls) in [
        (
            "copying a value",
            "r1 = large ll\n r2 = r10\n r2 += -8\n r3 = r7\n r4 = 0\n call bpf_map_update_elem",
        ),
        (
            "reading memory",
            "r1 = r7\n r2 = 1000000\n r3 = r7\n call bpf_probe_read_kernel",
        ),
        (
            "reading a string",
            "r1 = r7\n r2 = 1000000\n r3 = r8\n call bpf_probe_read_kernel_str",
        ),
        (
            "writing events",
            "r1 = r6\n r2 = events ll\n r3 = 0\n r4 = r7\n r5 = 60000\n call bpf_perf_event_output",
        ),
        ("printing", "r1 = r8\n r2 = 1000000\n call bpf_trace_printk"),
        ("comparing", "r1 = r8\n r2 = 60000\n r3 = r8\n call bpf_strncmp"),
        (
            "comparing with a long text",
            "r1 = r8\n r2 = 30000\n r3 = r8\n call bpf_strncmp",
        ),
        (
            "filling lines up",
            "r1 = 0x64363930342500 ll\n r1 >>= 8\n *(u64 *)(r10 - 24) = r1\n r1 = r10\n r1 += -24\n r2 = 8
            r3 = 1\n call bpf_trace_printk",
        ),
    ] {
        let text = format!(
            ".map large array key=u32 value=1000000 max_entries=2
            .map events perf_event_array key=4 value=4 max_entries=1
            .section tc
            repeat:
                r6 = r1
                *(u64 *)(r10 - 8) = 0
                r2 = r10
                r2 += -8
                r1 = large ll
                call bpf_map_lookup_elem
                if r0 == 0 goto out
                r7 = r0
                *(u64 *)(r10 - 8) = 1
                r2 = r10
                r2 += -8
                r1 = large ll
                call bpf_map_lookup_elem
                if r0 == 0 goto out
                r8 = r0
                r9 = 0
            next:
                {calls}
                r9 += 1
                if r9 != 10000 goto next
            out:
                exit"
        );
        let mut vm = limited(&text, |builder| {
            builder.budget(1_000_000);
        });
        // a long text in the second value
        let mut text = vec![b'a'; 1_000_000];
        text[60_000] = 0;
        vm.map("large").unwrap().insert(&1u32.to_le(), &text[..]).unwrap();
        let result = vm.program("repeat").unwrap().run_on(&mut Skb::new(&[0; 60]));
        let fault = result.expect_err(what);
        assert!(matches!(fault.kind, FaultKind::Budget { .. }), "{what}: {fault}");
    }
}

/// Tags go into the packet until it is as long as one can be.
#[test]
fn packets_do_not_grow_for_ever() {
    let mut vm = assembled(
        ".section tc
        push:
            r6 = r1
            r7 = 0
        next:
            r1 = r6
            r2 = 129
            r3 = 5
            call bpf_skb_vlan_push
            if r0 != 0 goto out
            r7 += 1
            if r7 != 100000 goto next
        out:
            exit",
    );
    let mut packet = Skb::new(&[0; 60]);
    assert_eq!(vm.program("push").unwrap().run_on(&mut packet), Ok(ENOMEM as u64));
    assert_eq!(packet.packet().len(), 65_532);
    assert_eq!(packet.fields().vlan_present, 1);
}

/// There are not more iterators than a program can need; those of a run that stopped by a fault are forgotten.
#[test]
fn iterators_over_bits_are_few() {
    let mut vm = assembled(
        r#"
        .map values array key=u32 value=100000 max_entries=1
        .kfunc bpf_iter_bits_new, "int (struct bpf_iter_bits *, const u64 *, u32)"
        .section tc
        many:
            *(u64 *)(r10 - 8) = 0
            r2 = r10
            r2 += -8
            r1 = values ll
            call bpf_map_lookup_elem
            if r0 == 0 goto out
            r6 = r0
            r7 = 0
        next:
            r1 = r6
            r2 = r6
            r3 = 100
            call bpf_iter_bits_new
            if r0 != 0 goto out
            r6 += 16
            r7 += 1
            if r7 != 5000 goto next
        out:
            if r7 == 1024 goto stop
            r0 = r7
            exit
        stop:
            r1 = 0
            r0 = *(u64 *)(r1 + 0)
            exit"#,
    );
    for _ in 0..2 {
        let fault = vm
            .program("many")
            .unwrap()
            .run_on(&mut Skb::new(&[0; 60]))
            .unwrap_err();
        assert!(fault.to_string().contains("null pointer"), "{fault}");
    }
}
