//! Any text for the assembler.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| bpfld_tests::oracle::assembly(text));
