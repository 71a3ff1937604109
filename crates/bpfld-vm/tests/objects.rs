//! Objects as compilers make them, in both byte orders.
#![expect(clippy::unwrap_used, reason = "these are tests")]

use bpfld_insn::Endian;
use bpfld_vm::{Arguments, MapType, Object, Skb, Vm, Xdp};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures");

/// The order of this machine, whose numbers the host reads as they are.
const NATIVE: &str = if cfg!(target_endian = "big") { "eb" } else { "el" };

fn fixture(name: &str, order: &str) -> Object {
    Object::open(format!("{FIXTURES}/{name}.{order}.o")).unwrap()
}

/// Runs a check on both objects of a fixture; `number` reads the guest's numbers.
fn both(name: &str, check: impl Fn(&Object, &dyn Fn(u64) -> u64)) {
    check(&fixture(name, "el"), &u64::from_le);
    check(&fixture(name, "eb"), &u64::from_be);
}

#[test]
fn subprograms_maps_and_callbacks() {
    both("subprograms", |object, number| {
        let mut vm = Vm::load(object).unwrap();
        let mut packet = Xdp::new(&[0; 60]);
        for _ in 0..3 {
            assert_eq!(
                vm.program("calls_static").unwrap().run_on(&mut packet).unwrap() as u32,
                2
            );
        }
        assert_eq!(number(vm.global("total").unwrap()), 3);
        let key = |index: u32| match object.endian() {
            Endian::Little => index.to_le_bytes(),
            Endian::Big => index.to_be_bytes(),
        };
        let mut slots = vm.map("slots").unwrap();
        assert_eq!(slots.get::<u64>(&key(0)).unwrap().map(number), Some(3));

        packet.rx_queue_index = 5;
        let outcome = vm.program("calls_all").unwrap().run(packet).unwrap();
        assert_eq!(outcome.return_value(), 2);
        let mut slots = vm.map("slots").unwrap();
        // deep1(5) = (5+3+2) + (10+3) + 1, twice(3) = 0, clamp(5, 4) = 4, preference() = 42
        assert_eq!(slots.get::<u64>(&key(3)).unwrap().map(number), Some(24 + 4 + 42));
        for index in 0..8 {
            slots.clear(&key(index)).unwrap();
        }
        let outcome = vm.program("callbacks").unwrap().run(Skb::new(&[0; 60])).unwrap();
        assert_eq!(outcome.return_value(), 0);
        assert_eq!(number(vm.global("total").unwrap()), 45);
    });
}

#[test]
fn maps_of_many_kinds() {
    both("maps", |object, number| {
        let mut vm = Vm::load(object).unwrap();
        assert_eq!(
            vm.program("touches")
                .unwrap()
                .run(Skb::new(&[0; 100]))
                .unwrap()
                .return_value(),
            0
        );
        assert_eq!(
            vm.map("queue").unwrap().pop::<u64>().unwrap().map(number),
            Some(100)
        );
        assert_eq!(vm.map("queue").unwrap().pop::<u64>().unwrap(), None);
        assert_eq!(
            vm.map("stack").unwrap().peek::<u64>().unwrap().map(number),
            Some(100)
        );
        assert!(vm.map("bloom_filter").unwrap().may_hold(&0u32));
        assert_eq!(
            vm.map("mappable").unwrap().get::<u64>(&0u32).unwrap().map(number),
            Some(100)
        );
        let mut hash = vm.map("hash").unwrap();
        assert_eq!((hash.len(), hash.spec().map_type), (1, MapType::HASH));
        let key = hash.keys().remove(0);
        let value = hash.get::<[u64; 4]>(&key[..]).unwrap().unwrap();
        assert_eq!((number(value[0]), number(value[1])), (1, 100));
    });
}

#[test]
fn records_reach_the_host() {
    both("ringbuf", |object, number| {
        let mut vm = Vm::load(object).unwrap();
        let mut packet = Skb::new(&[0; 60]);
        for _ in 0..5 {
            // a socket filter sees the packet without its link-layer header
            assert_eq!(vm.program("emit").unwrap().run_on(&mut packet).unwrap(), 46);
        }
        assert_eq!(number(vm.global("number").unwrap()), 5);
        let records = vm.map("events").unwrap().take_records();
        let numbers: Vec<u64> = records
            .iter()
            .map(|record| number(u64::from_ne_bytes(record[8..16].try_into().unwrap())))
            .collect();
        assert_eq!(numbers, [0, 1, 2, 4]); // one in four is discarded
        let ring = vm.map("events").unwrap().ring().unwrap();
        assert_eq!((ring.size, ring.available, ring.producer), (65536, 0, 5 * 40));

        vm.program("copy").unwrap().run_on(&mut packet).unwrap();
        assert_eq!(vm.map("events").unwrap().take_records().len(), 1);
        let events = vm.map("samples").unwrap().take_events();
        assert_eq!((events.len(), events[0].index, events[0].data.len()), (1, 0, 32));
    });
}

#[test]
fn packets_and_contexts_change() {
    both("network", |object, _| {
        let mut vm = Vm::load(object).unwrap();
        let mut packet = Skb::new(&[1; 60]);
        packet.fields_mut().mark = 41;
        let outcome = vm.program("rewrite").unwrap().run(packet).unwrap();
        assert_eq!(outcome.return_value(), 5);
        assert_eq!(outcome.context.fields().mark, 42);
        assert_eq!(outcome.context.packet()[..3], [0xfe, 0, 1]);
    });
}

#[test]
fn configuration_is_given() {
    both("kconfig", |object, number| {
        let error = Vm::load(object).unwrap_err();
        assert!(error.to_string().contains("it is not given"), "{error}");
        let mut builder = Vm::builder();
        builder
            .kconfig("CONFIG_BPF", true)
            .kconfig("CONFIG_BPF_SYSCALL", true)
            .kconfig("CONFIG_NET", bpfld_vm::Setting::Module)
            .kconfig("CONFIG_INET", true)
            .kconfig("CONFIG_HZ", 1000)
            .kconfig("CONFIG_LOG_BUF_SHIFT", 18)
            .kconfig("CONFIG_CC_VERSION_TEXT", "gcc");
        let mut vm = builder.load(object).unwrap();
        vm.program("report").unwrap().run(Skb::new(&[0; 60])).unwrap();
        let word = |vm: &Vm, name: &str| {
            let bytes = vm.global::<[u8; 4]>(name).unwrap();
            match object.endian() {
                Endian::Little => u32::from_le_bytes(bytes),
                Endian::Big => u32::from_be_bytes(bytes),
            }
        };
        assert_eq!(number(vm.global("shift").unwrap()), 18);
        assert_eq!(word(&vm, "hz"), 1000);
        assert_eq!(word(&vm, "tristate"), 2);
        assert_eq!(word(&vm, "character"), u32::from(b'y'));
        assert_eq!(word(&vm, "flags"), 0b1_1011);
        assert_eq!(vm.global::<u8>("compiler").unwrap(), b'g');
    });
}

#[test]
fn options_must_fit_the_object() {
    let object = fixture("globals", NATIVE);
    let wrong = |builder: &bpfld_vm::Builder| builder.load(&object).unwrap_err().to_string();
    assert!(wrong(Vm::builder().global("nothing", &1u32)).contains("none of this name"));
    assert!(wrong(Vm::builder().global("limit", &1u64)).contains("it has 4 bytes"));
    let mut vm = Vm::builder().global("limit", &77u32).load(&object).unwrap();
    assert_eq!(vm.global::<u32>("limit").unwrap(), 77);
    vm.set_global("counter", &5u64).unwrap();
    assert_eq!(vm.global::<u64>("counter").unwrap(), 5);
    assert!(vm.program("nothing").is_err());
    assert!(vm.map("nothing").is_err());
}

#[test]
fn a_clone_is_a_snapshot() {
    let object = fixture("subprograms", NATIVE);
    let mut vm = Vm::load(&object).unwrap();
    vm.program("calls_static")
        .unwrap()
        .run(Xdp::new(&[0; 60]))
        .unwrap();
    let mut copy = vm.clone();
    copy.program("calls_static")
        .unwrap()
        .run(Xdp::new(&[0; 60]))
        .unwrap();
    assert_eq!(vm.global::<u64>("total").unwrap(), 1);
    assert_eq!(copy.global::<u64>("total").unwrap(), 2);
    let mut slots = copy.map("slots").unwrap();
    assert_eq!(slots.get::<u64>(&0u32).unwrap(), Some(2));
}

#[test]
fn raw_tracepoints_get_their_arguments() {
    both("ringbuf", |object, _| {
        let mut vm = Vm::load(object).unwrap();
        let outcome = vm
            .program("every_call")
            .unwrap()
            .run(Arguments::new(&[1, 2]))
            .unwrap();
        assert_eq!(outcome.return_value(), 0);
    });
}

/// No fixture may do worse than a fault with a place.
#[test]
fn every_program_of_every_fixture_ends() {
    let mut loaded = 0;
    for entry in std::fs::read_dir(FIXTURES).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "o") {
            continue;
        }
        let Ok(object) = Object::open(&path) else { continue };
        let mut builder = Vm::builder();
        for name in ["BPF", "BPF_SYSCALL", "NET", "INET"] {
            builder.kconfig(format!("CONFIG_{name}"), true);
        }
        builder
            .kconfig("CONFIG_HZ", 1000)
            .kconfig("CONFIG_LOG_BUF_SHIFT", 18);
        builder.kconfig("CONFIG_CC_VERSION_TEXT", "gcc").budget(1_000_000);
        let mut vm = match builder.load(&object) {
            Ok(vm) => vm,
            Err(error) => panic!("{}: {error}", path.display()),
        };
        loaded += 1;
        let names: Vec<String> = vm.program_names().map(str::to_owned).collect();
        for name in names {
            if let Ok(mut program) = vm.program(&name) {
                let result = program.run_on(&mut Xdp::new(&[0; 60]));
                assert!(result.is_ok() || !result.unwrap_err().to_string().is_empty());
            }
        }
    }
    assert!(loaded > 40, "{loaded}");
}
