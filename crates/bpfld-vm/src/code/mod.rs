//! Programs in the form that is run: decoded once, with targets resolved and operands unpacked. A compiler to machine
//! code would begin here, too.

mod step;
mod table;
mod translate;

pub use translate::{CodeError, CodeProblem};

pub(crate) use step::{Do, Step};
pub(crate) use table::operations;
pub(crate) use translate::{Names, translate};
