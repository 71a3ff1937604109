//! Questions about AF_XDP: nanoseconds per packet, on virtual Ethernet.

use super::{Case, Measure};

const ALL: &[&str] = &["bpfld", "xdpsock", super::XSK_RS, "libxdp"];

const fn case(name: &'static str, question: &'static str) -> Case {
    Case {
        name,
        question,
        implementations: ALL,
        measure: Measure::Turns,
    }
}

pub(super) const CASES: [Case; 7] = [
    case(
        "xsk-drop-64",
        "AF_XDP: a packet of 64 bytes until it is received and dropped",
    ),
    case("xsk-drop-1500", "the same, of 1,500 bytes"),
    case("xsk-tx-64", "AF_XDP: send a packet of 64 bytes"),
    case("xsk-tx-1500", "the same, of 1,500 bytes"),
    case(
        "xsk-echo-64",
        "AF_XDP: receive a packet of 64 bytes and send it back",
    ),
    case("xsk-echo-1500", "the same, of 1,500 bytes"),
    case(
        "xsk-take-64",
        "AF_XDP: the part of the process alone, for a packet of 64 bytes that is received and dropped",
    ),
];
