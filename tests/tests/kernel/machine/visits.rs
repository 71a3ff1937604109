//! What iterators write, in both.

use std::io::Read as _;

use bpfld::{Iter, IterTarget, Loader, Object};
use bpfld_tests::{Need, require};
use bpfld_vm::{Rights, Visit, Vm};

/// Writes three arguments in a format, the last of which is a string, and what came of it; about this thread only.
fn printer(format: &str, string: &str) -> String {
    format!(
        r#"
        .license "GPL"
        .section .rodata
        format: .asciz "{format}"
        string: .asciz "{string}"
        .section iter/task
        print:
            r2 = *(u64 *)(r1 + 8)
            if r2 == 0 goto out
            r6 = *(u64 *)(r1 + 0)
            r1 = -70000
            *(u64 *)(r10 - 32) = r1
            *(u64 *)(r10 - 24) = 77
            r1 = string ll
            *(u64 *)(r10 - 16) = r1
            r1 = *(u64 *)(r6 + 0)
            r2 = format ll
            r3 = {}
            r4 = r10
            r4 += -32
            r5 = 24
            call bpf_seq_printf
            *(u64 *)(r10 - 8) = r0
            r1 = *(u64 *)(r6 + 0)
            r2 = r10
            r2 += -8
            r3 = 8
            call bpf_seq_write
        out:
            r0 = 0
            exit
        "#,
        format.replace("\\t", "t").replace("\\r", "r").len() + 1
    )
}

#[test]
fn iterators_write_the_same_text() {
    require!(
        Need::Root,
        Need::Linux(6, 1),
        Need::Config("CONFIG_DEBUG_INFO_BTF")
    );
    let long = "x".repeat(1500);
    for (format, string) in [
        ("%d|%u|%s", "text"),
        ("%lld %#x", "no such flag"),
        ("%5d|%-8u|%10s|", "text"),
        ("%+d % d %s.", "text"),
        ("%d %d %sx", "what follows a string is no letter"),
        ("%d %d %s-", "but may be a mark"),
        ("%d %d %pks", "text"),
        ("%d %d %s %d", "one argument too few"),
        ("100%% %x", "text"),
        ("100%", "text"),
        ("\\ttab\\r %X", "text"),
        ("%hd", "text"),
        ("%d %d %pI4|", "abcd"),
        ("%d %d %pi4|", "abcd"),
        ("%d %d %20pI6|", "abcdefghijklmnop"),
        ("%d %d %pi6|", "abcdefghijklmnop"),
        ("%d %d %s", &long),
    ] {
        let object = Object::parse(printer(format, string).into_bytes()).unwrap();
        let loaded = Loader::new()
            .load(&object)
            .unwrap_or_else(|error| panic!("{format}: {error:#}"));
        let iterator: Iter = loaded.program("print").unwrap().clone().try_into().unwrap();
        let link = iterator
            .attach_to(IterTarget::Thread(std::process::id()))
            .unwrap();
        let mut theirs = Vec::new();
        link.reader().unwrap().read_to_end(&mut theirs).unwrap();
        let mut vm = Vm::load(&object).unwrap();
        let task = vm.add_memory("task", [0; 64], Rights::Read);
        let outcome = vm.program("print").unwrap().run(Visit::new(&[task.0])).unwrap();
        let ours = outcome.context.written();
        assert_eq!(
            String::from_utf8_lossy(ours),
            String::from_utf8_lossy(&theirs),
            "{format}"
        );
        let at_the_end = vm.program("print").unwrap().run(Visit::new(&[0])).unwrap();
        assert!(at_the_end.context.written().is_empty());
    }
}
