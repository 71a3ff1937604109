//! Any bytes as BTF, by itself and on a base: read, rewrite, merge.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bpfld_tests::btf_bytes::types(bytes));
