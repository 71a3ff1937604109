//! Static probes that programs carry (USDT): where they are, and where their arguments are found.

mod argument;
mod note;
mod register;

pub use self::{
    argument::{UsdtArgument, UsdtLocation},
    note::UsdtProbe,
};
