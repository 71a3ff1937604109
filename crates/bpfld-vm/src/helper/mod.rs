//! Helper functions: what programs call by number.

mod call;
mod checksum;
mod cycle;
mod format;
mod lock;
mod maps;
mod output;
mod print;
mod probe;
mod redirect;
mod ringbuf;
mod skb;
mod storage;
mod strings;
mod table;
mod task;
mod throw;
mod time;
mod timers;
mod xdp;

pub use call::Call;

pub(crate) use call::Function;
pub(crate) use table::{HELPERS, builtin_kfunc};
