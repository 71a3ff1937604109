//! Opening and linking: what a fixture says does not depend on the byte order it was compiled for.

use std::fmt::Write as _;

use bpfld_object::{ExternKind, Object};
use bpfld_tests::{all_fixtures, fixture_of};

/// All that must be the same in both byte orders: not instructions, which the compiler may choose otherwise, nor type ids.
fn describe(object: &Object) -> String {
    let mut text = String::new();
    writeln!(text, "{:?} {:?}", object.license(), object.version()).unwrap();
    for program in object.programs() {
        let (name, section, spec) = (&program.name, &program.section, &program.spec);
        let linked = object.link(program).map(|linked| {
            let functions = linked
                .functions
                .iter()
                .map(|function| object.function(function.function).unwrap());
            functions
                .map(|function| function.name.to_string())
                .collect::<Vec<_>>()
        });
        let linked = linked.map_err(|error| error.to_string());
        writeln!(text, "{name} {section} {spec:?} {} {linked:?}", program.autoload).unwrap();
    }
    for map in object.maps() {
        let (name, kind, map_type) = (&map.kernel_name, map.kind, map.map_type);
        let sizes = (
            map.key_size,
            map.value_size,
            map.max_entries,
            map.flags,
            map.numa_node,
            map.pinning,
        );
        let rest = (
            &map.slots,
            &map.members,
            map.autocreate,
            map.inner.is_some(),
            object.initial_value(map).len(),
        );
        writeln!(text, "{name} {kind:?} {map_type:?} {sizes:?} {rest:?}").unwrap();
    }
    for symbol in object.externs() {
        let kind = match symbol.kind {
            ExternKind::Kconfig {
                value, offset, size, ..
            } => format!("kconfig {value:?} {offset} {size}"),
            ExternKind::Ksym { ty } => format!("ksym {}", ty.is_some()),
            ExternKind::Kfunc { .. } => "kfunc".to_owned(),
            ref other => format!("{other:?}"),
        };
        writeln!(text, "{} {} {kind}", symbol.name, symbol.weak).unwrap();
    }
    for variable in object.variables() {
        let (map, linkage) = (variable.map, variable.linkage);
        writeln!(
            text,
            "{} {map:?} {} {} {linkage:?}",
            variable.name, variable.offset, variable.size
        )
        .unwrap();
    }
    text
}

/// ELF-01: objects of the other byte order are read.
#[test]
fn elf_01_byte_orders_agree() {
    for fixture in all_fixtures().iter().filter(|fixture| !fixture.big_endian) {
        let open = |big_endian| {
            let bytes = std::fs::read(fixture_of(&fixture.name, big_endian)).unwrap();
            Object::options()
                .name(&*fixture.name)
                .parse(bytes)
                .map(|object| describe(&object))
        };
        match (open(false), open(true)) {
            (Ok(little), Ok(big)) => assert_eq!(little, big, "{}", fixture.name),
            (Err(little), Err(big)) => assert_eq!(little.to_string(), big.to_string(), "{}", fixture.name),
            (little, big) => panic!("{}: {little:?}\n{big:?}", fixture.name),
        }
    }
}

/// All fixtures open and all their programs link, but for those that are broken on purpose.
#[test]
fn only_broken_ones_are_refused() {
    for fixture in all_fixtures() {
        let refused = match Object::parse(fixture.bytes()) {
            Ok(object) => object
                .programs()
                .iter()
                .find_map(|program| object.link(program).err()),
            Err(error) => Some(error),
        };
        let broken = fixture.name.starts_with("broken_");
        assert_eq!(
            refused.is_some(),
            broken,
            "{}: {refused:?}",
            fixture.path.display()
        );
    }
}

#[track_caller]
fn check_refused(name: &str, culprit: &str) {
    let object = Object::parse(std::fs::read(fixture_of(name, false)).unwrap());
    let error = match object {
        Ok(object) => object
            .programs()
            .iter()
            .find_map(|program| object.link(program).err())
            .unwrap(),
        Err(error) => error,
    };
    assert!(error.to_string().contains(culprit), "{error}");
}

#[test]
fn errors_name_the_culprit() {
    check_refused("broken_static_map", "local");
    check_refused("broken_undefined", "elsewhere");
}
