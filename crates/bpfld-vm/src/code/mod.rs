//! Programs in the form that is run: decoded once, with targets resolved and operands unpacked. A compiler to machine
//! code would begin here, too.

mod registers;
mod step;
mod table;
mod translate;

pub use translate::{CodeError, CodeProblem};

pub(crate) use registers::{ARGUMENTS, AT_START, Effect, RESULT, Set, after_call, effects, is_doubtful};
pub(crate) use step::{Do, Step};
pub(crate) use table::{match_accesses, operations};
pub(crate) use translate::{Names, translate};
