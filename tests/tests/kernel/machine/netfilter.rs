//! Packets at the hooks of netfilter, in both.

use bpfld::{KernelBtf, Object};
use bpfld_btf::Kind;
use bpfld_tests::{Need, require};
use bpfld_vm::{Netfilter, Rights, Skb, Vm};

/// Reads a byte of the packet, and the hook and the family from the state: verdict 1 if they add up.
const PROGRAM: &str = r#"
    .license "GPL"
    .kfunc bpf_dynptr_from_skb, "int (struct __sk_buff *, u64, struct bpf_dynptr *)"
    .section netfilter
adds:
    r6 = *(u64 *)(r1 + 0)
    r1 = *(u64 *)(r1 + 8)
    r2 = 0
    r3 = r10
    r3 += -16
    call bpf_dynptr_from_skb
    r7 = r0
    r1 = r10
    r1 += -24
    r2 = 1
    r3 = r10
    r3 += -16
    r4 = OFFSET
    r5 = 0
    call bpf_dynptr_read
    r7 += r0
    if r7 != 0 goto drop
    r1 = *(u8 *)(r10 - 24)
    r2 = *(u8 *)(r6 + 0)
    r1 += r2
    r2 = *(u8 *)(r6 + 1)
    r1 += r2
    r0 = 1
    if r1 == SUM goto out
drop:
    r0 = 0
out:
    exit
"#;

#[test]
fn hooks_see_the_same_packet_and_state() {
    require!(
        Need::Root,
        Need::Linux(6, 4),
        Need::Config("CONFIG_BPF_JIT"),
        Need::Config("CONFIG_DEBUG_INFO_BTF"),
        Need::Config("CONFIG_NETFILTER_BPF_LINK")
    );
    let mut packet = [0; 60];
    packet[12..15].copy_from_slice(&[0x08, 0, 0x45]);
    packet[23] = 17;
    let kernel = KernelBtf::shared().unwrap();
    let types = kernel.vmlinux();
    let id = types.find("nf_hook_state", Kind::STRUCT).unwrap();
    let mut verdicts = [0; 2];
    for hook in [1, 4] {
        let state = types
            .encode(id, &format!("{{hook: {hook}, pf: 2}}"), None)
            .unwrap();
        // the first byte, the protocol, and one behind the end
        for (offset, byte) in [(0, 0x45), (9, 17), (9, 18), (60, 0)] {
            let sum = byte + hook + 2;
            let text = PROGRAM
                .replace("OFFSET", &offset.to_string())
                .replace("SUM", &sum.to_string());
            let object = Object::parse(text.into_bytes()).unwrap();
            let loaded = bpfld::Loader::new().load(&object).unwrap();
            let program = loaded.program("adds").unwrap();
            let theirs = program
                .test_run()
                .data(&packet)
                .context(&state[..])
                .run()
                .unwrap();
            let mut vm = Vm::load(&object).unwrap();
            let state = vm.add_memory("state of the hook", state.clone(), Rights::Read);
            let mut program = vm.program("adds").unwrap();
            let ours = program.run(Netfilter::new(Skb::new(&packet), state)).unwrap();
            assert_eq!(
                ours.return_value(),
                theirs.return_value,
                "hook {hook}, offset {offset}, {byte}"
            );
            verdicts[ours.return_value() as usize] += 1;
        }
    }
    assert!(verdicts.iter().all(|count| *count > 0), "{verdicts:?}");
}
