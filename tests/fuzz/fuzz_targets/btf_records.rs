//! Choices that become BTF records, mostly right ones, of which one question is asked: the three highest bits of the first choice say which.
#![no_main]

use bpfld_tests::{btf_bytes::QUESTIONS, btf_of};

libfuzzer_sys::fuzz_target!(|choices: &[u8]| {
    let which = choices.first().map_or(0, |first| first >> 5);
    QUESTIONS[usize::from(which) % QUESTIONS.len()](&btf_of(choices));
});
