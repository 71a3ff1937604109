//! What programs are run on: packets of several kinds, look-ups, and plain bytes.

use bpfld::ProgramType;

pub(super) fn inputs(program_type: ProgramType) -> Vec<Vec<u8>> {
    match program_type {
        ProgramType::SYSCALL | ProgramType::RAW_TRACEPOINT => vec![vec![0; 96]],
        ProgramType::SK_LOOKUP => lookups(),
        _ => packets(),
    }
}

/// `struct bpf_sk_lookup` of look-ups that programs may want to answer: IPv4 over TCP, IPv6 over UDP.
fn lookups() -> Vec<Vec<u8>> {
    let lookup = |family: u32, protocol: u32, local: u32| {
        let mut bytes = vec![0; 72];
        for (at, word) in [(8, family), (12, protocol), (60, local)] {
            bytes[at..at + 4].copy_from_slice(&word.to_ne_bytes());
        }
        bytes[36..38].copy_from_slice(&40_000u16.to_be_bytes());
        bytes
    };
    let mut v4 = lookup(2, 6, 7);
    v4[16..20].copy_from_slice(&[127, 0, 0, 1]);
    v4[40..44].copy_from_slice(&[127, 0, 0, 2]);
    let mut v6 = lookup(10, 17, 8008);
    v6[35] = 1;
    v6[59] = 2;
    vec![v4, v6]
}

/// Packets of several kinds.
fn packets() -> Vec<Vec<u8>> {
    let mut udp = vec![0; 14];
    udp[12] = 0x08;
    udp.extend([
        0x45, 0, 0, 46, 0, 1, 0, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 2,
    ]);
    udp.extend([0x04, 0xd2, 0x00, 0x35, 0, 26, 0, 0]);
    udp.extend(0..18);
    let mut tcp = vec![0x33; 12];
    tcp.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 40, 6, 64]);
    tcp.extend([0; 15]);
    tcp.push(1);
    tcp.extend([0; 15]);
    tcp.push(2);
    tcp.extend([
        0x1f, 0x90, 0x00, 0x50, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0x20, 0, 0, 0, 0, 0,
    ]);
    tcp.extend([7; 20]);
    vec![vec![0; 64], udp, tcp]
}

pub(super) fn is_packet(program_type: ProgramType) -> bool {
    matches!(
        program_type,
        ProgramType::SCHED_CLS
            | ProgramType::SCHED_ACT
            | ProgramType::SOCKET_FILTER
            | ProgramType::CGROUP_SKB
            | ProgramType::LWT_IN
            | ProgramType::LWT_OUT
            | ProgramType::LWT_XMIT
            | ProgramType::LWT_SEG6LOCAL
    )
}
