//! What the running kernel's verifier says about programs that it refuses, taken apart.

use bpfld::{Loader, Object, ReasonClass, Rejection};
use bpfld_tests::{Need, fixture, require};

use crate::counter::since;

fn rejections() -> Vec<(String, Rejection)> {
    let object = Object::open(fixture("rejected")).unwrap();
    let partial = Loader::new().load_partial(&object).unwrap();
    assert_eq!(partial.loaded.programs().count(), 0);
    let rejection = |(name, error): (String, bpfld::Error)| {
        let log = error.verifier_log().unwrap_or_else(|| panic!("{error:#}"));
        let rejection = log.rejection().unwrap_or_else(|| panic!("{error:#}"));
        (name, rejection)
    };
    partial.failed.into_iter().map(rejection).collect()
}

#[test]
fn mistakes_are_of_a_kind_and_at_a_line() {
    require!(Need::Root, Need::Linux(5, 10));
    let found = rejections();
    let source = std::fs::read_to_string(fixture("rejected").with_file_name("rejected.bpf.c")).unwrap();
    let check = |name: &str, class: ReasonClass, text: &str| {
        let (_, rejection) = found.iter().find(|(of, _)| of == name).unwrap();
        // 7.3 speaks of packets as of any memory.
        let class = match class {
            ReasonClass::PacketBounds if since(7, 3) => ReasonClass::MemoryBounds,
            class => class,
        };
        assert_eq!(rejection.class(), class, "{rejection}");
        if text.is_empty() {
            return;
        }
        assert!(rejection.insn().is_some(), "{rejection}");
        // Since 6.9 kernels tell file and number. The fixtures have no texts in them, as they are not compiled where they lie.
        let Some((file, number)) = rejection.source().and_then(|line| line.place.clone()) else {
            return;
        };
        assert_eq!(file, "rejected.bpf.c");
        assert_eq!(
            source.lines().nth(number as usize - 1).map(str::trim),
            Some(text),
            "{rejection}"
        );
        assert!(
            rejection
                .to_string()
                .contains(&format!("--> rejected.bpf.c:{number}")),
            "{rejection}"
        );
    };
    check("unchecked_pointer", ReasonClass::MaybeNull, "return *value;");
    check("beyond_packet", ReasonClass::PacketBounds, "return data[40];");
    check(
        "beyond_context",
        ReasonClass::Context,
        "return *(volatile u32 *)((void *)skb + 400);",
    );
    check(
        "helper_of_another_kind",
        ReasonClass::HelperNotAllowed,
        "return skb_load_bytes(ctx, 0, (void *)0, 0);",
    );
    check("endless", ReasonClass::Loop, "");
}

#[test]
fn registers_tell_what_was_known() {
    // Before, the verifier tells of registers only where paths meet.
    require!(Need::Root, Need::Linux(5, 18));
    let found = rejections();
    let (_, rejection) = found
        .iter()
        .find(|(name, _)| name == "unchecked_pointer")
        .unwrap();
    let registers = rejection.registers();
    let value = registers.iter().find(|register| register.name == "R0").unwrap();
    assert!(value.state.starts_with("map_value_or_null("), "{rejection:#}");
    assert!(
        rejection.to_string().contains("= R0 is map_value_or_null("),
        "{rejection}"
    );
}
