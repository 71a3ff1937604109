//! What may be asked for when an object is opened or linked.

#![expect(clippy::unwrap_used, reason = "a failed assumption is a failed test")]

use bpfld_object::{ErrorKind, Object};

fn bytes(name: &str) -> Vec<u8> {
    let path = format!(
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/{}.el.o"),
        name
    );
    std::fs::read(path).unwrap()
}

#[test]
fn attributes_of_maps_that_are_not_known() {
    let mut bytes = bytes("maps");
    let name = b"\0numa_node\0";
    let at = bytes
        .windows(name.len())
        .position(|window| window == name)
        .unwrap();
    bytes[at + 1..at + 5].copy_from_slice(b"moon");
    let error = Object::parse(bytes.clone()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Map);
    assert!(
        error
            .to_string()
            .ends_with("attribute \"moon_node\": unknown attribute"),
        "{error}"
    );
    let object = Object::options().relaxed_maps().parse(bytes).unwrap();
    assert!(object.maps().iter().all(|map| map.numa_node == 0));
}

#[test]
fn a_subprogram_is_linked_by_itself() {
    let object = Object::parse(bytes("subprograms")).unwrap();
    let linked = |name: &str| {
        let index = object
            .functions()
            .iter()
            .position(|function| &*function.name == name);
        let linked = object
            .link_function(bpfld_object::FunctionIndex(index.unwrap() as u32))
            .unwrap();
        assert_eq!(&*linked.name, name);
        let names = linked.functions.iter();
        let names: Vec<_> = names
            .map(|linked| &*object.function(linked.function).unwrap().name)
            .collect();
        names.join(" ")
    };
    assert_eq!(linked("add"), "add");
    assert_eq!(linked("deep1"), "deep1 deep2 deep3");
    object
        .link_function(bpfld_object::FunctionIndex(u32::MAX))
        .unwrap_err();
}
