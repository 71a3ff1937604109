//! From addresses to names: what stack traces are made of.

mod kernel;
mod user;

pub use self::{
    kernel::{KernelSymbol, KernelSymbols},
    user::{ProcessMemory, UserLocation},
};
