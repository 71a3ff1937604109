//! Reads what Rust's test harness prints.

use std::{collections::BTreeMap, process::Command};

use anyhow::{Result, bail};

use super::matrix::Verdict;
use crate::shell;

/// Fails if a filter is given that no test fits, as a run of none shows nothing. Each command runs tests; here they only list them.
pub(super) fn expect_any(tests: &mut [Command], filter: Option<&str>) -> Result<()> {
    let Some(filter) = filter else { return Ok(()) };
    for command in tests {
        if !listed(&shell::output(command.args(["--", "--list", filter]))?).is_empty() {
            return Ok(());
        }
    }
    bail!("no test ran: none has a name that contains '{filter}'")
}

/// The names in the output of `--list`.
pub(super) fn listed(text: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| line.strip_suffix(": test"))
        .map(str::to_owned)
        .collect()
}

/// What became of each test that ended, from the output of a run; for those that failed, with what they printed.
pub(super) fn verdicts(text: &str) -> BTreeMap<String, Verdict> {
    let mut verdicts = BTreeMap::new();
    for line in text.lines() {
        let Some((name, result)) = line
            .strip_prefix("test ")
            .and_then(|line| line.rsplit_once(" ... "))
        else {
            continue;
        };
        let verdict = match result {
            "ok" => Verdict::Pass,
            result if result.starts_with("ignored") => Verdict::Skip {
                reason: result.to_owned(),
            },
            "FAILED" => Verdict::Fail {
                message: output_of(text, name),
            },
            _ => continue,
        };
        verdicts.insert(name.to_owned(), verdict);
    }
    verdicts
}

/// What a failed test printed, as the harness shows it at the end.
fn output_of(text: &str, name: &str) -> String {
    let head = format!("---- {name} stdout ----\n");
    let Some((_, rest)) = text.split_once(&head) else {
        return String::new();
    };
    let end = ["\n---- ", "\nfailures:\n"]
        .iter()
        .filter_map(|mark| rest.find(mark))
        .min();
    rest[..end.unwrap_or(rest.len())].trim().to_owned()
}

/// The account of skips: `PATH::TEST<tab>REASON` in each line. Paths begin with the crate, the harness's names do not.
pub(super) fn skips(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter_map(|line| line.split_once('\t'))
        .map(|(path, reason)| {
            let name = path.split_once("::").map_or(path, |(_, name)| name);
            (name.to_owned(), reason.to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\nrunning 3 tests
test maps::one ... ok
test maps::two ... FAILED
test three ... ignored, too slow

failures:

---- maps::two stdout ----

thread 'maps::two' panicked at x.rs:1:1:
no

failures:
    maps::two

test result: FAILED. 1 passed; 1 failed
";

    #[test]
    fn output_is_read() {
        let verdicts = verdicts(OUTPUT);
        assert_eq!(verdicts["maps::one"], Verdict::Pass);
        let message = "thread 'maps::two' panicked at x.rs:1:1:\nno".to_owned();
        assert_eq!(verdicts["maps::two"], Verdict::Fail { message });
        assert!(matches!(verdicts["three"], Verdict::Skip { .. }));
        assert_eq!(listed("a::b: test\nc: benchmark\n\n1 test\n"), ["a::b"]);
        assert_eq!(skips("kernel::maps::one\twhy\n")["maps::one"], "why");
    }
}
