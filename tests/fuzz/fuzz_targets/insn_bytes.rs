//! Any bytes as a program: decode, print, assemble, encode.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bpfld_tests::oracle::instructions(bytes));
