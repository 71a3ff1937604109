//! What passed where.

use std::collections::{BTreeMap, BTreeSet};

use bpfld_guest::Arch;
use serde::Serialize;

/// What became of a test on a kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "verdict")]
pub(super) enum Verdict {
    Pass,
    Fail { message: String },
    Skip { reason: String },
}

impl Verdict {
    /// In a table.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Verdict::Pass => "ok",
            Verdict::Fail { .. } => "FAIL",
            Verdict::Skip { .. } => "skip",
        }
    }
}

/// A test: the binary it is in, and its name there.
pub(super) type Test = (String, String);

/// All that happened on one kernel.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Column {
    /// As it was asked for: `6.12`.
    pub(super) name: String,
    pub(super) release: String,
    /// Seconds until the first process ran, and until all was over.
    pub(super) boot: f64,
    pub(super) wall: f64,
    /// The guest did not come to its end, or the like.
    pub(super) problems: Vec<String>,
    /// What the kernel complained about itself.
    pub(super) warnings: Vec<String>,
    #[serde(serialize_with = "as_rows")]
    pub(super) verdicts: BTreeMap<Test, Verdict>,
}

/// `{"suite", "test", "verdict", …}` for each.
fn as_rows<S: serde::Serializer>(verdicts: &BTreeMap<Test, Verdict>, out: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Row<'a> {
        suite: &'a str,
        test: &'a str,
        #[serde(flatten)]
        verdict: &'a Verdict,
    }
    out.collect_seq(
        verdicts
            .iter()
            .map(|((suite, test), verdict)| Row { suite, test, verdict }),
    )
}

/// How many of each.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Count {
    pub(super) passed: usize,
    pub(super) failed: usize,
    pub(super) skipped: usize,
}

impl Column {
    /// A kernel on which no test ran shows nothing, so that is a problem: skipped ones have been looked at.
    pub(super) fn expect_tests(&mut self, filter: Option<&str>) {
        if self.verdicts.is_empty() && self.problems.is_empty() {
            self.problems.push(match filter {
                Some(filter) => format!("no test ran: none has a name that contains '{filter}'"),
                None => "no test ran".to_owned(),
            });
        }
    }

    pub(super) fn count(&self) -> Count {
        let mut count = Count::default();
        for verdict in self.verdicts.values() {
            match verdict {
                Verdict::Pass => count.passed += 1,
                Verdict::Fail { .. } => count.failed += 1,
                Verdict::Skip { .. } => count.skipped += 1,
            }
        }
        count
    }
}

/// All kernels.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Matrix {
    pub(super) arch: &'static str,
    pub(super) kernels: Vec<Column>,
    /// Kernels of the row that could not be had, with the reason.
    pub(super) missing: Vec<(String, String)>,
}

impl Matrix {
    pub(super) fn new(arch: Arch, kernels: Vec<Column>, missing: Vec<(String, String)>) -> Matrix {
        Matrix {
            arch: arch.name(),
            kernels,
            missing,
        }
    }

    /// Failed tests, and kernels that had problems of another kind.
    pub(super) fn failures(&self) -> usize {
        let of = |column: &Column| column.count().failed + column.problems.len();
        self.kernels.iter().map(of).sum()
    }

    /// Every test that any kernel knows of.
    pub(super) fn tests(&self) -> BTreeSet<&Test> {
        self.kernels
            .iter()
            .flat_map(|column| column.verdicts.keys())
            .collect()
    }

    /// For each reason to skip on some kernel: the tests.
    pub(super) fn reasons(column: &Column) -> BTreeMap<&str, Vec<&Test>> {
        let mut reasons: BTreeMap<&str, Vec<&Test>> = BTreeMap::new();
        for (test, verdict) in &column.verdicts {
            if let Verdict::Skip { reason } = verdict {
                reasons.entry(reason).or_default().push(test);
            }
        }
        reasons
    }

    /// For the terminal: the table, the reasons of skips, what failed, the counts.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let names: Vec<&str> = self.kernels.iter().map(|column| column.name.as_str()).collect();
        let tests = self.tests();
        let label = |(suite, test): &Test| format!("{suite} {test}");
        let width = tests.iter().map(|test| label(test).len()).max().unwrap_or(0);
        let head: String = names.iter().map(|name| format!(" {name:>7}")).collect();
        text += &format!("{:width$}{head}\n", self.arch);
        for test in tests {
            let cells: String = self
                .kernels
                .iter()
                .map(|column| column.verdicts.get(test).map_or("-", Verdict::word))
                .map(|word| format!(" {word:>7}"))
                .collect();
            text += &format!("{:width$}{cells}\n", label(test));
        }
        for column in &self.kernels {
            for (reason, tests) in Matrix::reasons(column) {
                let tests: Vec<String> = tests.into_iter().map(label).collect();
                text += &format!("skipped on {}: {reason}: {}\n", column.name, tests.join(", "));
            }
        }
        for column in &self.kernels {
            for warning in &column.warnings {
                text += &format!("kernel {} says: {warning}\n", column.name);
            }
        }
        for column in &self.kernels {
            for (test, verdict) in &column.verdicts {
                if let Verdict::Fail { message } = verdict {
                    text += &format!(
                        "FAILED on {}: {}\n{}\n",
                        column.name,
                        label(test),
                        indent(message)
                    );
                }
            }
            for problem in &column.problems {
                text += &format!("FAILED on {}: {}\n", column.name, indent(problem).trim_start());
            }
        }
        for column in &self.kernels {
            let Count {
                passed,
                failed,
                skipped,
            } = column.count();
            text += &format!(
                "{:<8} {passed:>4} passed {failed:>3} failed {skipped:>3} skipped  booted in {:.1} s, all in {:.1} s  ({})\n",
                column.name, column.boot, column.wall, column.release
            );
        }
        for (name, why) in &self.missing {
            text += &format!("{name:<8} SKIPPED: {why}\n");
        }
        text
    }
}

fn indent(text: &str) -> String {
    text.lines()
        .map(|line| format!("    {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_on_which_nothing_ran_is_a_failure() {
        let mut column = Column {
            name: "6.12".to_owned(),
            release: "6.12.1".to_owned(),
            boot: 1.0,
            wall: 2.0,
            problems: Vec::new(),
            warnings: Vec::new(),
            verdicts: BTreeMap::new(),
        };
        let judged = |column: &Column, filter| {
            let mut column = column.clone();
            column.expect_tests(filter);
            Matrix::new(Arch::X86_64, vec![column], Vec::new())
        };
        let nothing = judged(&column, Some("linsk"));
        assert_eq!(nothing.failures(), 1);
        let text = nothing.text();
        let told = "FAILED on 6.12: no test ran: none has a name that contains 'linsk'\n";
        assert!(text.contains(told), "{text}");
        assert_eq!(judged(&column, None).failures(), 1);

        // One that is skipped for a reason is a result.
        let reason = "came with Linux 6.13".to_owned();
        let test = ("kernel".to_owned(), "links::xdp".to_owned());
        column.verdicts.insert(test, Verdict::Skip { reason });
        assert_eq!(judged(&column, Some("links")).failures(), 0);
    }
}
