//! Any bytes as a program in the userspace machine. The last byte says in which order they are, and on what the program is run.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some((how, code)) = bytes.split_last() {
        bpfld_tests::oracle::machine_as(code, *how);
    }
});
