//! One file per subcommand: its arguments, and a `run` that asks the libraries and writes the answer.

pub(crate) mod asm;
pub(crate) mod btf;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod core;
pub(crate) mod debug;
pub(crate) mod disasm;
pub(crate) mod features;
pub(crate) mod inspect;
pub(crate) mod link;
pub(crate) mod map;
pub(crate) mod prog;
pub(crate) mod run;
pub(crate) mod verify;
