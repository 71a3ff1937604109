//! Running guests.

mod accel;
mod guest;
mod outcome;
mod qemu;

pub use accel::Accel;
pub use guest::Guest;
pub use outcome::{Ending, Event, Outcome, ProgramRun, Status};
