//! Running: the loop over steps, and what it needs at hand.

mod atomic;
mod careful;
mod frames;
mod load_packet;
mod plain;
mod run;
mod slow;
mod unwind;

pub(crate) use run::{Entry, KFUNC, Run};
