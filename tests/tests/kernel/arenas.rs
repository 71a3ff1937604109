//! Arenas: memory that programs and this process share, with the object's variables in it.

use bpfld::features::Feature;
use bpfld::{Loader, MapType, Object};
use bpfld_tests::{Need, fixture, require};

#[test]
fn arenas_are_shared() {
    require!(
        Need::Root,
        Need::Config("CONFIG_BPF_JIT"),
        Feature::MapType(MapType::ARENA)
    );
    let object = Object::open(fixture("arena")).unwrap();
    let touch = |loaded: &bpfld::Loaded| {
        let program = loaded.program("touch").unwrap();
        program.test_run().run().unwrap().return_value
    };
    let loaded = Loader::new().load(&object).unwrap();
    assert_eq!(touch(&loaded), 5);
    let counter = loaded.global::<u32>("counter").unwrap();
    assert_eq!(counter.get().unwrap(), 5);
    counter.set(&40).unwrap();
    assert_eq!(touch(&loaded), 45);
    assert_eq!(
        counter
            .atomic_u32()
            .unwrap()
            .load(std::sync::atomic::Ordering::Relaxed),
        45
    );
    let at = object.variable("counter").unwrap().offset as usize;
    let memory = loaded.map("arena").unwrap().memory().unwrap();
    assert_eq!(memory.get::<u32>(at).unwrap(), 45);
    drop((counter, loaded));

    let mut loader = Loader::new();
    loader.global("initialised", &7u32).global("counter", &100u32);
    let loaded = loader.load(&object).unwrap();
    assert_eq!(touch(&loaded), 107);
}
