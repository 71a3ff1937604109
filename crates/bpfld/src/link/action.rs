//! Actions of traffic control: what a filter says for whom an action is a program (`act_bpf`).

use std::os::fd::{AsFd, AsRawFd};

use netlink_packet_core::{DefaultNla, Emitable, NLA_F_NESTED};
use netlink_packet_route::tc::{TcAction, TcActionAttribute, TcActionOption, TcFilterBpfOption, TcOption};

use super::route::part;
use crate::Program;

/// Parts of a filter (include/uapi/linux/pkt_cls.h).
const FILTER_ACT: u16 = 1;
const FILTER_OPS_LEN: u16 = 4;
const FILTER_OPS: u16 = 5;
/// Parts of any action.
const ACT_OPTIONS: u16 = 2;
/// Parts of this one (include/uapi/linux/tc_act/tc_bpf.h).
const PARMS: u16 = 2;
const FD: u16 = 5;
const NAME: u16 = 6;
const ID: u16 = 9;

/// `BPF_RET | BPF_K`: the classic program that takes every packet.
const TAKE_ALL: [u8; 8] = {
    let [a, b] = 6u16.to_ne_bytes();
    [a, b, 0, 0, 0xff, 0xff, 0xff, 0xff]
};

/// A filter that takes every packet, and has the program for its action.
pub(super) fn options(program: &Program) -> Vec<TcOption> {
    // Index, capabilities, what is done where the program says nothing (the next filter decides), two counts.
    let parms = [0, 0, -1, 0, 0i32].map(i32::to_ne_bytes).concat();
    let mut name = program.name().as_bytes().to_vec();
    name.push(0);
    let parts = [
        (PARMS, parms),
        (FD, program.as_fd().as_raw_fd().to_ne_bytes().to_vec()),
        (NAME, name),
    ];
    let parts = parts.map(|(kind, value)| TcActionOption::Other(DefaultNla::new(kind, value)));
    let mut action = TcAction::default();
    action.attributes = vec![
        TcActionAttribute::Kind("bpf".into()),
        TcActionAttribute::Options(parts.into()),
    ];
    let mut actions = vec![0; action.buffer_len()];
    action.emit(&mut actions);
    [
        (FILTER_OPS_LEN, 1u16.to_ne_bytes().to_vec()),
        (FILTER_OPS, TAKE_ALL.to_vec()),
        (FILTER_ACT | NLA_F_NESTED, actions),
    ]
    .map(|(kind, value)| TcOption::Bpf(TcFilterBpfOption::Other(DefaultNla::new(kind, value))))
    .into()
}

/// Id of the program that is the only action of a filter with these options.
pub(super) fn program_of(options: &[u8]) -> Option<u32> {
    let actions = part(options, FILTER_ACT)?;
    // Actions are numbered from 1.
    let id = part(part(part(actions, 1)?, ACT_OPTIONS)?, ID)?;
    id.try_into().ok().map(u32::from_ne_bytes)
}
