//! Links: what holds a program to the place where it runs.

mod action;
mod command;
pub(crate) mod create;
mod describe;
pub(crate) mod filter;
pub(crate) mod handle;
mod info;
mod order;
pub(crate) mod route;
pub(crate) mod struct_ops;
pub(crate) mod tunnel;
pub(crate) mod xdp;

pub use self::{
    handle::Link,
    info::LinkInfo,
    order::{Neighbour, Order},
    xdp::XdpPrograms,
};
