//! Contexts: what programs get as their argument.

mod enter;
mod fields;
mod flow;
mod layout;
mod netfilter;
mod plain;
mod registers;
mod skb;
mod structure;
mod visit;
mod xdp;

pub use enter::Context;
pub use flow::Flow;
pub use netfilter::Netfilter;
pub use plain::{Arguments, Bytes};
pub use registers::Registers;
pub use skb::Skb;
pub use structure::{NoField, Structure};
pub use visit::Visit;
pub use xdp::Xdp;

pub(crate) use enter::sealed;
pub(crate) use fields::{Fields, Headers};
pub(crate) use flow::FlowFields;
pub(crate) use skb::SkbFields;
pub(crate) use structure::{Message, StructureFields, Sysctl};
pub(crate) use visit::Written;
pub(crate) use xdp::XdpFields;
