//! Compiled objects in both engines: the fixtures, and any others that a variable names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bpfld_object::Object;
use bpfld_tests::{Need, all_fixtures, require, sandbox};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

use super::compare::{Verdict, compare};

/// Keeps this thread on one processor, so that both engines mean the same one.
fn stay() {
    let mut cpus = CpuSet::new();
    cpus.set(0).unwrap();
    sched_setaffinity(Pid::from_raw(0), &cpus).unwrap();
}

#[derive(Default)]
struct Account {
    counts: BTreeMap<&'static str, usize>,
    differences: Vec<String>,
    lacking: BTreeMap<String, usize>,
}

impl Account {
    fn add(&mut self, path: &Path, verdicts: BTreeMap<String, Verdict>) {
        for (program, verdict) in verdicts {
            let kind = match verdict {
                Verdict::Agrees => "agree",
                Verdict::NotInKernel(_) => "not run by the kernel",
                Verdict::NotHere(why) => {
                    *self
                        .lacking
                        .entry(why.rsplit(": ").next().unwrap_or_default().to_owned())
                        .or_default() += 1;
                    "lack something here"
                }
                Verdict::Unsteady => "are never the same twice",
                Verdict::Differs(how) => {
                    self.differences
                        .push(format!("{} {program}: {how}", path.display()));
                    "differ"
                }
            };
            *self.counts.entry(kind).or_default() += 1;
        }
    }
}

#[test]
fn fixtures_do_the_same_in_both() {
    require!(Need::Root, Need::Linux(6, 1));
    let account = sandbox(|_room| {
        stay();
        let mut account = Account::default();
        let native = cfg!(target_endian = "big");
        for fixture in all_fixtures()
            .iter()
            .filter(|fixture| fixture.big_endian == native)
        {
            if let Ok(object) = Object::open(&fixture.path) {
                account.add(&fixture.path, compare(&object));
            }
        }
        account
    });
    println!("programs: {:?}", account.counts);
    assert!(
        account.differences.is_empty(),
        "{}",
        account.differences.join("\n")
    );
    assert!(
        account.counts.get("agree").is_some_and(|count| *count >= 30),
        "{:?}",
        account.counts
    );
}

/// All objects below the folder that `BPFLD_CORPUS` names. Without it there is nothing to be done.
#[test]
fn a_corpus_does_the_same_in_both() {
    let Ok(folder) = std::env::var("BPFLD_CORPUS") else {
        return;
    };
    require!(Need::Root);
    let account = sandbox(|_room| {
        stay();
        let mut account = Account::default();
        let mut folders = vec![PathBuf::from(folder)];
        while let Some(folder) = folders.pop() {
            let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .collect();
            entries.sort();
            for path in entries {
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "o")
                    && let Ok(object) = Object::open(&path)
                {
                    account.add(&path, compare(&object));
                }
            }
        }
        account
    });
    println!("programs: {:?}", account.counts);
    for (what, count) in &account.lacking {
        println!("{count:>5} {what}");
    }
    for difference in &account.differences {
        println!("{difference}");
    }
}
