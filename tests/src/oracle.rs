//! What must hold for any input: shared by the mutation ring, by property tests and by the fuzz targets in `tests/fuzz`. Each
//! function takes bytes or text of whatever kind, and panics where we break a promise.

mod insn;
mod machine;

pub use insn::{assembly, instructions};
pub use machine::{machine, machine_as};
