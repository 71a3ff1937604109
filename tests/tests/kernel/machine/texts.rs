//! Helpers on strings and numbers, in both.

use bpfld_tests::{Need, require};

use super::compare::check;

/// Puts a string onto the stack, at -32.
fn on_stack(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    bytes.resize(24, 0);
    let words = bytes.as_chunks::<8>().0.iter().enumerate();
    words
        .map(|(at, word)| {
            let (value, at) = (u64::from_ne_bytes(*word), -32 + 8 * at as i32);
            format!("r1 = {value:#x} ll\n *(u64 *)(r10 {at:+}) = r1\n")
        })
        .collect()
}

#[test]
fn numbers_are_read_alike() {
    require!(Need::Root, Need::Linux(6, 1));
    for helper in ["strtol", "strtoul"] {
        for (text, base) in [
            ("42", 0),
            ("-42 rest", 10),
            ("  0x1fz", 0),
            ("0x", 0),
            ("017", 0),
            ("18", 8),
            ("", 0),
            ("+7", 0),
            ("99999999999999999999", 0),
            ("9223372036854775808", 10),
            ("-9223372036854775808", 10),
            ("ff", 16),
            ("12", 3),
        ] {
            check(&format!(
                "
                .section syscall
                number:
                    {}
                    *(u64 *)(r10 - 40) = 0
                    r1 = r10
                    r1 += -32
                    r2 = 24
                    r3 = {base}
                    r4 = r10
                    r4 += -40
                    call bpf_{helper}
                    r1 = *(u64 *)(r10 - 40)
                    r1 *= 1000
                    r0 += r1
                    exit
                ",
                on_stack(text)
            ));
        }
    }
}

/// What cannot be read as a number leaves zero (Linux 6.12), and of long ones only the first characters count.
#[test]
fn numbers_that_are_none_leave_zero() {
    require!(Need::Root, Need::Linux(6, 12));
    for helper in ["strtol", "strtoul"] {
        for (text, len) in [
            ("none", 24),
            ("\u{b}7", 24),
            ("\u{c}\r 7", 24),
            ("-5", 24),
            ("7", 100),
        ] {
            check(&format!(
                "
                .map text array key=u32 value=100 max_entries=1
                .section syscall
                number:
                    {}
                    *(u32 *)(r10 - 4) = 0
                    r2 = r10
                    r2 += -4
                    r1 = text ll
                    call bpf_map_lookup_elem
                    if r0 == 0 goto out
                    r6 = r0
                    r7 = r0
                    r8 = 0
                zeros:
                    *(u8 *)(r7 + 0) = 48
                    r7 += 1
                    r8 += 1
                    if r8 != 99 goto zeros
                    *(u8 *)(r7 + 0) = 55
                    if r6 == 0 goto out
                    *(u64 *)(r10 - 40) = 77
                    r1 = r10
                    r1 += -32
                    r2 = {len}
                    if r2 != 100 goto short
                    r1 = r6
                short:
                    r3 = 10
                    r4 = r10
                    r4 += -40
                    call bpf_{helper}
                    r1 = *(u64 *)(r10 - 40)
                    r1 *= 1000
                    r0 += r1
                out:
                    exit
                ",
                on_stack(text)
            ));
        }
    }
}

#[test]
fn strings_are_compared_and_printed_alike() {
    require!(Need::Root, Need::Linux(6, 1));
    for (text, len) in [
        ("same", 5),
        ("same", 4),
        ("samf", 4),
        ("sa", 9),
        ("", 3),
        ("samez", 5),
    ] {
        check(&format!(
            "
            .section .rodata
            other: .asciz \"same\"
            .section tc
            compare:
                {}
                r1 = r10
                r1 += -32
                r2 = {len}
                r3 = other ll
                call bpf_strncmp
                if r0 s> 0 goto more
                if r0 s< 0 goto less
                r0 = 3
                exit
            more:
                r0 = 1
                exit
            less:
                r0 = 2
                exit
            ",
            on_stack(text)
        ));
    }
    for format in [
        "%d %u %x",
        "%5d|%-5d|%05d",
        "%lld %llu %llx",
        "%lu%%",
        "%c%c%c",
        "%pI4 %i %X",
        "no more",
    ] {
        check(&format!(
            "
            .map printed array key=u32 value=64 max_entries=1
            .section .rodata
            format: .asciz \"{format}\"
            .section tc
            print:
                *(u32 *)(r10 - 4) = 0
                r2 = r10
                r2 += -4
                r1 = printed ll
                call bpf_map_lookup_elem
                if r0 == 0 goto out
                r1 = -70000
                *(u64 *)(r10 - 32) = r1
                *(u64 *)(r10 - 24) = 77
                *(u64 *)(r10 - 16) = 65
                r1 = r0
                r2 = 40
                r3 = format ll
                r4 = r10
                r4 += -32
                r5 = 24
                call bpf_snprintf
            out:
                exit
            "
        ));
    }
}
