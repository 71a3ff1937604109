//! Tests that count what their process has open, which others open and close too.

use std::process::Command;

/// Tells the process that it runs the one test.
const ALONE: &str = "BPFLD_TEST_ALONE";

/// Whether this process runs one test only.
pub(crate) fn is_alone() -> bool {
    std::env::var_os(ALONE).is_some()
}

/// Runs a test in a process of its own: the test program again, with this test only. `name` is the name of the test that calls it.
#[track_caller]
pub fn alone(name: &str, test: impl FnOnce()) {
    if std::env::var_os(ALONE).is_some_and(|alone| alone == name) {
        return test();
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--test-threads=1", "--nocapture"])
        .env(ALONE, name)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let (said, complained) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{said}{complained}");
    assert!(said.contains("1 passed"), "there is no test {name}: {said}");
}
