//! Choices that become BTF records, mostly right ones: everything that `btf_bytes` does with what is not refused at once.
#![no_main]

libfuzzer_sys::fuzz_target!(|choices: &[u8]| bpfld_tests::btf_bytes::types(&bpfld_tests::btf_of(choices)));
