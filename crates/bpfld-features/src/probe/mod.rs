//! How each question is put to the running kernel.

pub(crate) mod attach;
pub(crate) mod btf;
pub(crate) mod code;
pub(crate) mod command;
pub(crate) mod flag;
pub(crate) mod insn;
pub(crate) mod kernel;
pub(crate) mod link;
pub(crate) mod log;
pub(crate) mod map;
pub(crate) mod program;
pub(crate) mod system;
pub(crate) mod verdict;
