//! Compiled objects in both engines: the fixtures, and any others that a variable names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bpfld_object::Object;
use bpfld_tests::{Need, all_fixtures, require, sandbox};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

use super::compare::{Verdict, compare};

/// Keeps this thread on one processor, so that both engines mean the same one.
pub(super) fn stay() {
    let mut cpus = CpuSet::new();
    cpus.set(0).unwrap();
    sched_setaffinity(Pid::from_raw(0), &cpus).unwrap();
}

/// Programs of the kernel's own tests whose results are addresses, or what was in memory before, in a form that nothing
/// else tells; and what the machine does not have.
const EXPLAINED: &[(&str, &[&str])] = &[
    // maps and sockets, read from the kernel's own structures
    ("syscall", &["update_outer_map"]),
    (
        "verifier_map_ptr",
        &["ptr_read_ops_field_accepted", "read_non_existent_field_rejected"],
    ),
    ("cgroup_ancestor", &["log_cgroup_id"]),
    // addresses of contexts, packets, stacks and sockets: returned, written into the packet or a map, or used as an index
    ("test_log_buf", &["good_prog"]),
    (
        "verifier_direct_packet_access",
        &[
            "direct_packet_access_test4_write",
            "packet_access_test17_pruning_alignment",
            "test18_imm_pkt_ptr_1",
            "test19_imm_pkt_ptr_2",
            "test22_x_pkt_ptr_3",
        ],
    ),
    ("verifier_helper_access_var_len", &["ptr_to_mem_or_null_7"]),
    ("verifier_lwt", &["packet_write_for_lwt_xmit"]),
    (
        "verifier_ref_tracking",
        &["to_leak_released_ptr_reg", "tracking_direct_access_for_lookup"],
    ),
    (
        "verifier_search_pruning",
        &["state_equality_check_way_1", "state_equality_check_way_2"],
    ),
    (
        "verifier_spill_fill",
        &[
            "check_corrupted_spill_fill_lsb",
            "check_corrupted_spill_fill_msb",
            "check_valid_spill_fill",
        ],
    ),
    ("verifier_stack_ptr", &["array_map_using_bpf_b"]),
    (
        "verifier_unpriv",
        &["pass_pointer_to_tail_call", "unpriv_return_pointer"],
    ),
];

fn is_explained(path: &Path, program: &str) -> bool {
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let object = name.split('.').next().unwrap_or_default();
    EXPLAINED
        .iter()
        .any(|(known, programs)| *known == object && programs.contains(&program))
}

#[derive(Default)]
struct Account {
    counts: BTreeMap<&'static str, usize>,
    differences: Vec<String>,
    /// What is lacking, for how many, and one of them.
    lacking: BTreeMap<String, (usize, String)>,
}

impl Account {
    fn add(&mut self, path: &Path, verdicts: BTreeMap<String, Verdict>) {
        for (program, verdict) in verdicts {
            let kind = match verdict {
                Verdict::Agrees => "agree",
                Verdict::NotInKernel(_) => "not run by the kernel",
                Verdict::NotHere(why) => {
                    let what = why.rsplit(": ").next().unwrap_or_default();
                    let (count, example) = self.lacking.entry(what.to_owned()).or_default();
                    *count += 1;
                    *example = format!("{} {program}", path.display());
                    "lack something here"
                }
                Verdict::Unsteady => "are never the same twice",
                Verdict::Differs(_) if is_explained(path, &program) => "differ for a reason",
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

/// All objects below the folder that `BPFLD_CORPUS` names, such as the kernel's own tests. Without it there is nothing to be done.
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
    for (what, (count, example)) in &account.lacking {
        println!("{count:>5} {what}, such as {example}");
    }
    for difference in &account.differences {
        println!("{difference}");
    }
    assert!(account.differences.is_empty());
}
