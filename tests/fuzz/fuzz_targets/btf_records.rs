//! Choices that become BTF records, mostly right ones, of which one question is asked: the two highest bits of the first choice say which.
#![no_main]

use bpfld_tests::{btf_bytes::QUESTIONS, btf_of};

libfuzzer_sys::fuzz_target!(|choices: &[u8]| {
    let which = choices.first().map_or(0, |first| first >> 6);
    QUESTIONS[usize::from(which)](&btf_of(choices));
});
