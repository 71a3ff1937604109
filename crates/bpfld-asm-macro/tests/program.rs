//! What the macro makes.

use bpfld_asm_macro::bpf_asm;
use bpfld_insn::{Slot, print};

#[track_caller]
fn check(slots: &[Slot], expected: &str) {
    assert_eq!(
        print(slots).labels(false).to_string().replace('\n', "; "),
        expected
    );
}

#[test]
fn every_dialect() {
    const PROGRAM: [Slot; 12] = bpf_asm! {
    start:
        r6 = r1; r2 = -8
        *(u64 *)(r10 - 8) = r2
        w3 s>>= 5                        // shifts have a letter
        ldxw %r4,[%r1+4]
        if r4 s> 0x10 goto out
        r1 = 0x1122334455667788 ll
        lock *(u64 *)(r10 - 8) += r2
        (b7) r0 = 1
        goto start
    out:
        exit
    };
    check(
        &PROGRAM,
        "r6 = r1; r2 = -8; *(u64 *)(r10 - 8) = r2; w3 s>>= 5; w4 = *(u32 *)(r1 + 4); if r4 s> 16 goto +5; r1 = 1234605616436508552 ll; lock \
         *(u64 *)(r10 - 8) += r2; r0 = 1; goto -11; exit; ",
    );
}

#[test]
fn literals() {
    check(&bpf_asm!("r0 = 0   # it's a comment", "exit"), "r0 = 0; exit; ");
    check(&bpf_asm!(r"r0 = 1; exit"), "r0 = 1; exit; ");
    check(&bpf_asm!(), "");
}

#[test]
fn expressions() {
    const LIMIT: u32 = 1500;
    const WIDE: u64 = 0x1234_5678_9abc_def0;
    enum Action {
        Pass = 2,
    }
    let program = bpf_asm! {
        if r1 > {LIMIT} goto +1
        *(u32 *)(r10 - 4) = {-1}
        r1 = {WIDE} ll
        r2 = {i64::MIN} ll
        r0 = {Action::Pass as i32}
        call {LIMIT + 1}
    };
    check(
        &program,
        "if r1 > 1500 goto +1; *(u32 *)(r10 - 4) = -1; r1 = 1311768467463790320 ll; r2 = -9223372036854775808 ll; r0 = 2; call 1501; ",
    );
}
