//! Comparing text with what a file says.

use std::{fs, path::Path};

/// Compares a text with `tests/fixtures/expected/NAME`. With `BPFLD_BLESS=1` in the environment the file is written instead:
/// look at the difference before you commit it.
///
/// # Panics
///
/// If they differ, at the first line that does.
#[track_caller]
pub fn expect_file(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/expected")
        .join(name);
    if std::env::var_os("BPFLD_BLESS").is_some_and(|value| value == "1") {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, found).unwrap();
        return;
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    if expected == found {
        return;
    }
    let lines = expected.lines().zip(found.lines());
    let same = lines.take_while(|(expected, found)| expected == found).count();
    panic!(
        "{name} differs in line {}:\nexpected: {}\nfound:    {}\n(BPFLD_BLESS=1 takes what was found)",
        same + 1,
        expected.lines().nth(same).unwrap_or("(end)"),
        found.lines().nth(same).unwrap_or("(end)"),
    );
}
