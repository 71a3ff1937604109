//! The corpus ring: every fixture through the layers that need no kernel, compared with text that a person has looked at.
//! `BPFLD_BLESS=1` writes the texts anew.
#![expect(clippy::unwrap_used, reason = "these are tests")]

mod core;
mod instructions;
mod objects;
mod packages;
mod records;
