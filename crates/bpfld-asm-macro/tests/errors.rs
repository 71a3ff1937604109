//! Where the compiler shows mistakes: at the word, not at the macro.

use std::path::PathBuf;
use std::process::Command;

/// The newest build of the macro, which this test was built with.
fn library() -> PathBuf {
    let folder = std::env::current_exe()
        .expect("a path")
        .parent()
        .expect("a folder")
        .to_owned();
    let files = std::fs::read_dir(&folder)
        .expect("readable")
        .flatten()
        .map(|entry| entry.path());
    let is_library = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.contains("bpfld_asm_macro-")
            && ["so", "dylib", "dll"]
                .iter()
                .any(|end| path.extension().is_some_and(|it| it == *end))
    };
    let newest = files
        .filter(is_library)
        .max_by_key(|path| path.metadata().and_then(|data| data.modified()).ok());
    newest.expect("the library of the macro")
}

/// What the compiler says of a program with this assembly, one error a line.
#[track_caller]
fn check(assembly: &str, expected: &str) {
    static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("errors-{number}"));
    std::fs::create_dir_all(&folder).expect("writable");
    let source = folder.join("test.rs");
    std::fs::write(&source, format!("bpfld_asm_macro::bpf_asm! {{{assembly}}}\n")).expect("writable");
    let compiler = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let output = Command::new(compiler)
        .args([
            "--crate-type=lib",
            "--edition=2024",
            "--emit=metadata",
            "--error-format=short",
            "--out-dir",
        ])
        .arg(&folder)
        .arg("--extern")
        .arg(format!("bpfld_asm_macro={}", library().display()))
        .arg(&source)
        .output()
        .expect("rustc runs");
    let output = String::from_utf8_lossy(&output.stderr);
    let errors: Vec<String> = output
        .lines()
        .filter(|line| line.contains(": error") && !line.contains("aborting"))
        .filter_map(|line| line.split_once("test.rs:").map(|(_, error)| error.to_owned()))
        .collect();
    assert_eq!(errors.join("\n"), expected, "{output}");
}

#[test]
fn errors_stand_at_their_words() {
    check(
        "\n    r0 = 0\n    mvo r0, 1\n    exit\n",
        "3:5: error: unknown instruction `mvo`",
    );
    check(
        "\n    goto out\n    r1 = *(u8 *)(r11 + 0)\n",
        "2:10: error: there is no label `out`\n3:18: error: there is no register 11",
    );
    check(
        " r1 = 1 + 99999999999 ",
        "1:34: error: 100000000000 does not fit the 32 bits of an immediate",
    );
    check(
        " r1 = map ll; call bpf_tail_cal ",
        "1:34: error: there is no symbol `map`\n1:47: error: there is no function or helper `bpf_tail_cal`",
    );
}

#[test]
fn errors_in_literals_show_the_text() {
    check("\"r0 = 0\", \"exti\"", "1:38: error: unknown instruction `exti`");
}

#[test]
fn what_a_constant_cannot_hold() {
    check(
        " .map m, type=hash; r1 = m ll ",
        "1:48: error: `m` is not in this program, and a constant has no loader to find it",
    );
    check(
        " r1 = *(u8 *)(r2 + {1}) ",
        "1:47: error: an expression can only be a whole immediate, not an offset or a part of one",
    );
}
