//! What programs get to work on, and from where.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use bpfld::ProgramType;

use crate::bytes::unhex;
use crate::exit::Usage;

/// What a program gets to work on.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    /// A packet; the kernel makes the context around it.
    Packet,
    /// The context itself, or nothing.
    Context,
}

impl Takes {
    pub(crate) fn of(kind: ProgramType) -> Takes {
        match kind {
            ProgramType::SOCKET_FILTER
            | ProgramType::SCHED_CLS
            | ProgramType::SCHED_ACT
            | ProgramType::XDP
            | ProgramType::CGROUP_SKB
            | ProgramType::LWT_IN
            | ProgramType::LWT_OUT
            | ProgramType::LWT_XMIT
            | ProgramType::LWT_SEG6LOCAL
            | ProgramType::FLOW_DISSECTOR
            | ProgramType::NETFILTER => Takes::Packet,
            _ => Takes::Context,
        }
    }
}

/// The bytes that an argument stands for: those of the file of that name, or else the hexadecimal digits themselves.
pub(crate) fn read(argument: &str) -> Result<Vec<u8>> {
    let path = Path::new(argument);
    if path.exists() {
        return fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    }
    match unhex(argument) {
        Some(bytes) => Ok(bytes),
        None => Err(Usage(format!(
            "--data {argument:?}: neither a file nor hexadecimal digits"
        ))
        .into()),
    }
}
