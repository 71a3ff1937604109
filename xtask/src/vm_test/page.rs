//! The matrix as a page: HTML for browsers, light and dark, without scripts; Markdown for those who read the repository.

use std::collections::BTreeMap;

use bpfld_guest::Arch;

use super::matrix::{Column, Count, Matrix, Test, Verdict};

const STYLE: &str = "
:root { color-scheme: light dark; --back: #fcfcfb; --front: #1b1c1d; --quiet: #5d646b; --line: #d9dcdf; --head: #f1f2f2;
  --ok: #17692f; --skip: #6b5a10; --skip-back: #f7f0d2; --fail: #ffffff; --fail-back: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --back: #15171a; --front: #e6e7e8; --quiet: #9aa2aa; --line: #33383d;
  --head: #1f2327; --ok: #7fd193; --skip: #e2cd7a; --skip-back: #39331a; --fail: #1b0b0a; --fail-back: #ff8f85; } }
body { font: 15px/1.45 system-ui, sans-serif; margin: 0 auto; max-width: 76rem; padding: 1.5rem; background: var(--back);
  color: var(--front); }
h1 { font-size: 1.5rem; margin: 0 0 .3rem; } h2 { font-size: 1.15rem; margin: 2rem 0 .6rem; }
p { color: var(--quiet); max-width: 52rem; } pre { overflow-x: auto; white-space: pre-wrap; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th, td { padding: .22rem .6rem; border-bottom: 1px solid var(--line); text-align: left; white-space: nowrap; }
thead th { position: sticky; top: 0; background: var(--head); }
td.ok { color: var(--ok); } td.skip { color: var(--skip); background: var(--skip-back); }
td.fail { color: var(--fail); background: var(--fail-back); font-weight: 600; } td.number { text-align: right; }
tbody th { font-weight: 400; font-family: ui-monospace, monospace; font-size: .86rem; }
tr.group th { font-weight: 600; font-family: inherit; font-size: 1rem; padding-top: 1rem; }
sup { font-size: .7rem; } li { margin: .2rem 0; }
";

/// Reasons to skip, numbered in the order of the page.
type Notes<'a> = BTreeMap<&'a str, usize>;

pub(super) fn html(matrix: &Matrix) -> String {
    let mut page = String::from("<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n");
    page += "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>bpfld on kernels</title>\n";
    page += &format!("<style>{STYLE}</style>\n<h1>bpfld on kernels</h1>\n");
    page += &format!(
        "<p>The tests that need a kernel, as root in a virtual machine for each ({}); written by <code>cargo xtask vm-test \
        --publish</code>. A test is skipped only where its kernel is older than what it needs, or built without it.</p>\n",
        escape(matrix.arch)
    );
    page += &summary(matrix);
    page += &failures(matrix);
    let notes = notes(matrix);
    page += &table(matrix, &notes);
    page += "<h2>Why tests were skipped</h2>\n<ol>\n";
    let mut ordered: Vec<_> = notes.into_iter().collect();
    ordered.sort_by_key(|(_, number)| *number);
    for (reason, number) in ordered {
        page += &format!("<li id=\"why-{number}\">{}</li>\n", escape(reason));
    }
    page += "</ol>\n</html>\n";
    page
}

fn summary(matrix: &Matrix) -> String {
    let mut text = String::from(
        "<div class=\"wide\"><table>\n<thead><tr><th>Kernel</th><th>Passed</th><th>Failed</th><th>Skipped</th><th>Release</th></tr></thead>\n<tbody>\n",
    );
    for column in &matrix.kernels {
        let (Count { passed, skipped, .. }, failed) = (column.count(), failed(column));
        let class = if failed > 0 { "fail" } else { "ok" };
        text += &format!(
            "<tr><th>{}</th><td>{passed}</td><td class=\"{class}\">{failed}</td><td>{skipped}</td><td>{}</td></tr>\n",
            escape(&column.name),
            escape(&column.release)
        );
    }
    for (name, why) in &matrix.missing {
        text += &format!(
            "<tr><th>{}</th><td colspan=\"4\" class=\"skip\">not tried: {}</td></tr>\n",
            escape(name),
            escape(why)
        );
    }
    text + "</tbody></table></div>\n"
}

fn failed(column: &Column) -> usize {
    column.count().failed + column.problems.len()
}

fn failures(matrix: &Matrix) -> String {
    let mut text = String::new();
    for column in &matrix.kernels {
        for (test, verdict) in &column.verdicts {
            if let Verdict::Fail { message } = verdict {
                let what = format!("{} on {}", test.1, column.name);
                let (what, message) = (escape(&what), escape(message));
                text += &format!("<details><summary>{what}</summary><pre>{message}</pre></details>\n");
            }
        }
        for problem in &column.problems {
            text += &format!("<pre>{}: {}</pre>\n", escape(&column.name), escape(problem));
        }
    }
    if text.is_empty() {
        return text;
    }
    format!("<h2>What failed</h2>\n{text}")
}

fn notes(matrix: &Matrix) -> Notes<'_> {
    let mut notes = Notes::new();
    for test in matrix.tests() {
        for column in &matrix.kernels {
            if let Some(Verdict::Skip { reason }) = column.verdicts.get(test) {
                let next = notes.len() + 1;
                notes.entry(reason).or_insert(next);
            }
        }
    }
    notes
}

fn table(matrix: &Matrix, notes: &Notes<'_>) -> String {
    let heads: String = matrix
        .kernels
        .iter()
        .map(|column| format!("<th>{}</th>", escape(&column.name)))
        .collect();
    let mut text = format!(
        "<h2>Test by test</h2>\n<div class=\"wide\"><table>\n<thead><tr><th>Test</th>{heads}</tr></thead>\n<tbody>\n"
    );
    let mut group = String::new();
    for test in matrix.tests() {
        let (of, name) = split(test);
        if of != group {
            let span = matrix.kernels.len() + 1;
            text += &format!(
                "<tr class=\"group\"><th colspan=\"{span}\">{}</th></tr>\n",
                escape(&of)
            );
            group = of;
        }
        text += &format!("<tr><th>{}</th>", escape(name));
        for column in &matrix.kernels {
            text += &cell(column.verdicts.get(test), notes);
        }
        text += "</tr>\n";
    }
    text + "</tbody></table></div>\n"
}

/// `kernel: links` and `a_test`.
fn split((suite, test): &Test) -> (String, &str) {
    match test.rsplit_once("::") {
        Some((module, name)) => (format!("{suite}: {module}"), name),
        None => (suite.clone(), test),
    }
}

fn cell(verdict: Option<&Verdict>, notes: &Notes<'_>) -> String {
    match verdict {
        None => "<td>–</td>".to_owned(),
        Some(Verdict::Pass) => "<td class=\"ok\">ok</td>".to_owned(),
        Some(Verdict::Fail { .. }) => "<td class=\"fail\">fail</td>".to_owned(),
        Some(Verdict::Skip { reason }) => {
            let number = notes.get(reason.as_str()).copied().unwrap_or_default();
            let reason = escape(reason);
            format!(
                "<td class=\"skip\" title=\"{reason}\">skip <sup><a href=\"#why-{number}\">{number}</a></sup></td>"
            )
        }
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// What the pages of an architecture are called, but for the ending.
pub(super) fn name(arch: &str) -> String {
    if arch == Arch::X86_64.name() {
        "kernels".to_owned()
    } else {
        format!("kernels-{arch}")
    }
}

/// The counts, and each test that is not passed everywhere.
pub(super) fn markdown(matrix: &Matrix) -> String {
    let arch = matrix.arch;
    let own = name(arch);
    let option = if arch == Arch::X86_64.name() {
        String::new()
    } else {
        format!(" --arch {arch}")
    };
    let mut page = format!(
        "# Kernels\n\nWhat the tests that need a kernel say on kernels for {arch}, as root in a virtual machine for each. \
        Written by `cargo xtask vm-test{option} --publish`; [{own}.html]({own}.html) has every test.\n\n",
    );
    let others = Arch::ALL
        .map(Arch::name)
        .into_iter()
        .filter(|other| *other != arch);
    let links: Vec<String> = others
        .map(|other| format!("[{other}]({}.md)", name(other)))
        .collect();
    page += &format!("Other machines: {}.\n\n", links.join(", "));
    page += "| kernel | passed | failed | skipped | release |\n| --- | --: | --: | --: | --- |\n";
    for column in &matrix.kernels {
        let Count { passed, skipped, .. } = column.count();
        page += &format!(
            "| {} | {passed} | {} | {skipped} | {} |\n",
            column.name,
            failed(column),
            column.release
        );
    }
    for (name, why) in &matrix.missing {
        page += &format!("| {name} | not tried: {why} | | | |\n");
    }
    page += "\nA test is skipped only where its kernel is older than what it needs, or built without it:\n";
    for column in &matrix.kernels {
        let reasons = Matrix::reasons(column);
        if reasons.is_empty() {
            continue;
        }
        page += &format!("\n## {}\n\n", column.name);
        for (reason, tests) in reasons {
            let tests: Vec<String> = tests.into_iter().map(|(_, test)| format!("`{test}`")).collect();
            page += &format!("- {reason}: {}\n", tests.join(", "));
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_show_each_verdict_and_escape_text() {
        let test = |name: &str| ("kernel".to_owned(), name.to_owned());
        let column = Column {
            name: "6.1".to_owned(),
            release: "6.1.0-56".to_owned(),
            boot: 3.0,
            wall: 9.0,
            problems: Vec::new(),
            warnings: Vec::new(),
            verdicts: BTreeMap::from([
                (test("links::a"), Verdict::Pass),
                (
                    test("links::b"),
                    Verdict::Skip {
                        reason: "<needs> 6.6".to_owned(),
                    },
                ),
                (
                    test("links::c"),
                    Verdict::Fail {
                        message: "a & b".to_owned(),
                    },
                ),
            ]),
        };
        let matrix = Matrix::new(
            Arch::X86_64,
            vec![column],
            vec![("5.4".to_owned(), "gone".to_owned())],
        );
        assert_eq!(matrix.failures(), 1);
        let page = html(&matrix);
        for part in [
            "<th>a</th><td class=\"ok\">ok</td>",
            "title=\"&lt;needs&gt; 6.6\"",
            "<pre>a &amp; b</pre>",
            "not tried: gone",
            "<li id=\"why-1\">&lt;needs&gt; 6.6</li>",
        ] {
            assert!(page.contains(part), "{part} is not in {page}");
        }
        let text = markdown(&matrix);
        for part in [
            "| 6.1 | 1 | 1 | 1 | 6.1.0-56 |",
            "(kernels.html)",
            "[s390x](kernels-s390x.md)",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        assert!(
            matrix
                .text()
                .contains("FAILED on 6.1: kernel links::c\n    a & b")
        );
    }
}
