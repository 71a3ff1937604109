//! Any bytes as BTF.ext: all tables, all relocations.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bpfld_tests::btf_bytes::ext(bytes));
