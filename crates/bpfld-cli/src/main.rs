//! The `bpfld` command.

fn main() {}
