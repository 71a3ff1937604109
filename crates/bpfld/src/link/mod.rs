//! Links: what holds a program to the place where it runs.

pub(crate) mod create;
mod handle;
mod info;
mod order;
pub(crate) mod struct_ops;

pub use self::{
    handle::Link,
    info::LinkInfo,
    order::{Neighbour, Order},
};
