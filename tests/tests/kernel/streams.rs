//! What programs write to their standard streams.

use std::io::Read as _;

use bpfld::{Errno, Loader, Object};
use bpfld_tests::{Need, require, skip};

/// The function that prints, as 6.17, 6.18 and 7.0 have it.
const PRINT: [(&str, &str); 3] = [
    (
        "bpf_stream_vprintk",
        "int (int, const char *, const void *, u32, void *)",
    ),
    (
        "bpf_stream_vprintk_impl",
        "int (int, const char *, const void *, u32, void *)",
    ),
    ("bpf_stream_vprintk", "int (int, const char *, const void *, u32)"),
];

#[test]
fn programs_print_to_their_standard_streams() {
    require!(Need::Root, Need::Linux(6, 17), Need::Config("CONFIG_BPF_JIT"));
    let attempts = PRINT.map(|(name, prototype)| {
        let text = format!(
            r#"
            .license "GPL"
            .kfunc {name}, "{prototype}"
            .section .rodata
message:    .asciz "this is error %d"
            .section syscall
main:       *(u64 *)(r10 - 8) = 17
            r1 = 2
            r2 = message ll
            r3 = r10
            r3 += -8
            r4 = 8
            r5 = 0
            call {name}
            exit
            "#
        );
        Loader::new().load(&Object::parse(text.into_bytes()).unwrap())
    });
    let mut errors = Vec::new();
    let loaded = attempts
        .into_iter()
        .find_map(|attempt| attempt.map_err(|error| errors.push(error)).ok());
    let loaded = loaded.unwrap_or_else(|| panic!("{errors:#?}"));
    let program = loaded.program("main").unwrap();
    let mut text = String::new();
    assert_eq!(program.stderr().read_to_string(&mut text).unwrap(), 0);
    match program.test_run().run().unwrap().return_value.cast_signed() {
        0 => {}
        // from then on there is nothing to read
        error if error == -Errno::ENOMEM.0 => {
            skip(
                "streams::programs_print_to_their_standard_streams",
                "this kernel has no memory for what programs print",
            );
            return;
        }
        error => panic!("it cannot print: {error}"),
    }

    let mut piece = [0; 7];
    assert_eq!(program.stderr().read(&mut piece).unwrap(), 7);
    assert_eq!(&piece, b"this is");
    program.stderr().read_to_string(&mut text).unwrap();
    assert_eq!(text, " error 17");
    let mut rest = String::new();
    assert_eq!(program.stderr().read_to_string(&mut rest).unwrap(), 0);
    assert_eq!(program.stdout().read_to_string(&mut rest).unwrap(), 0);
}
