//! Any bytes as a program in the userspace machine.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bpfld_tests::oracle::machine(bytes));
