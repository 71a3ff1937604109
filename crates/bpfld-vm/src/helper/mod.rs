//! Helper functions: what programs call by number.

mod arena;
mod call;
mod cgroup;
mod checksum;
mod cycle;
mod dynptr;
mod format;
mod function;
mod iter;
mod lock;
mod maps;
mod message;
mod notes;
mod objects;
mod output;
mod print;
mod probe;
mod redirect;
mod ringbuf;
mod room;
mod route;
mod skb;
mod socket;
mod sockopt;
mod stack;
mod steer;
mod storage;
mod strings;
mod sysctl;
mod table;
mod task;
mod throw;
mod time;
mod timers;
mod tunnel;
mod userring;
mod vlan;
mod xdp;

pub use call::Call;

pub(crate) use call::Function;
pub(crate) use iter::Bits;
pub(crate) use objects::Heap;
pub(crate) use table::{HELPERS, builtin_kfunc};
pub(crate) use tunnel::Tunnel;
