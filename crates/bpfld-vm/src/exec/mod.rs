//! Running: the loop over steps, and what it needs at hand.

mod atomic;
mod careful;
mod load_packet;
mod run;
mod slow;
mod unwind;

pub(crate) use run::{Entry, KFUNC, Run};
