//! CO-RE: the instructions of every program after relocation, ours against libbpf's, bit for bit.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use bpfld_btf::{Btf, Targets};
use bpfld_object::{CoreOutcome, Object, Target};

use crate::libbpf::{self, Insn, Select};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// BTF of a kernel; several for several kernels
    #[arg(long = "btf", value_name = "FILE", required = true)]
    btfs: Vec<PathBuf>,
    /// BPF objects
    #[arg(value_name = "OBJECT", required = true)]
    objects: Vec<PathBuf>,
}

/// How one program came out on one kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    /// Both have the same instructions.
    Same,
    /// Both refuse.
    BothRefuse,
    /// libbpf gave up before it relocated anything, for a reason that has nothing to do with CO-RE.
    Elsewhere,
    /// Instructions differ.
    Differs,
    /// Only libbpf refuses.
    OnlyLibbpfRefuses,
    /// Only we refuse.
    OnlyWeRefuse,
}

impl Verdict {
    fn is_agreement(self) -> bool {
        matches!(self, Self::Same | Self::BothRefuse | Self::Elsewhere)
    }
}

/// What we make of a program: its instructions, and which of them are not for CO-RE to change.
struct Ours {
    insns: Vec<Insn>,
    is_other: Vec<bool>,
    relocations: usize,
    poisoned: usize,
}

pub(crate) fn run(args: &Args) -> Result<bool> {
    let mut all_agree = true;
    println!(
        "| kernel | programs | with CO-RE | relocations | poisoned | same | both refuse | stopped elsewhere | disagree |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let mut notes = Vec::new();
    for path in &args.btfs {
        let bytes = fs::read(path).with_context(|| path.display().to_string())?;
        let targets = Targets::new(Arc::new(Btf::parse(bytes)?));
        let mut counts: BTreeMap<Verdict, usize> = BTreeMap::new();
        let (mut programs, mut with_core, mut relocations, mut poisoned) = (0, 0, 0, 0);
        for object_path in &args.objects {
            let Ok(object) = Object::open(object_path) else {
                continue;
            };
            let whole = libbpf::relocated(object_path, path, Select::All)?;
            let whole: Option<BTreeMap<_, _>> = whole.ok().map(|programs| programs.into_iter().collect());
            for program in object.programs() {
                programs += 1;
                let ours = relocated(&object, program, &targets);
                if let Ok(ours) = &ours {
                    with_core += usize::from(ours.relocations > 0);
                    relocations += ours.relocations;
                    poisoned += ours.poisoned;
                }
                let theirs = match &whole {
                    Some(programs) => programs
                        .get(&*program.name)
                        .cloned()
                        .context("libbpf lacks a program")?,
                    None => match libbpf::relocated(object_path, path, Select::Only(&program.name))? {
                        Ok(mut programs) => programs.pop().context("libbpf lacks a program")?.1,
                        Err(reason) => {
                            let verdict = refused(&ours, &reason);
                            *counts.entry(verdict).or_default() += 1;
                            note(&mut notes, verdict, path, object_path, &program.name, &reason);
                            continue;
                        }
                    },
                };
                let (verdict, reason) = match &ours {
                    Ok(ours) => match difference(ours, &theirs) {
                        None => (Verdict::Same, String::new()),
                        Some(text) => (Verdict::Differs, text),
                    },
                    Err(reason) => (Verdict::OnlyWeRefuse, reason.clone()),
                };
                *counts.entry(verdict).or_default() += 1;
                note(&mut notes, verdict, path, object_path, &program.name, &reason);
            }
        }
        let count = |verdict| counts.get(&verdict).copied().unwrap_or(0);
        let disagree: usize = counts
            .iter()
            .filter(|(verdict, _)| !verdict.is_agreement())
            .map(|(_, n)| n)
            .sum();
        all_agree &= disagree == 0;
        println!(
            "| {} | {programs} | {with_core} | {relocations} | {poisoned} | {} | {} | {} | {disagree} |",
            path.file_stem().unwrap_or_default().to_string_lossy(),
            count(Verdict::Same),
            count(Verdict::BothRefuse),
            count(Verdict::Elsewhere),
        );
    }
    for note in notes {
        println!("{note}");
    }
    Ok(all_agree)
}

fn note(notes: &mut Vec<String>, verdict: Verdict, btf: &Path, object: &Path, program: &str, reason: &str) {
    if verdict != Verdict::Same {
        let kernel = btf.file_stem().unwrap_or_default().to_string_lossy();
        notes.push(format!(
            "{verdict:?} on {kernel}: {} {program}: {reason}",
            object.display()
        ));
    }
}

/// What libbpf's refusal means beside our result.
fn refused(ours: &Result<Ours, String>, reason: &str) -> Verdict {
    let is_core = reason.contains("relo #") || reason.contains("CO-RE");
    match (ours, is_core) {
        (Err(_), _) => Verdict::BothRefuse,
        (Ok(_), true) => Verdict::OnlyLibbpfRefuses,
        (Ok(_), false) => Verdict::Elsewhere,
    }
}

fn relocated(object: &Object, program: &bpfld_object::Program, targets: &Targets) -> Result<Ours, String> {
    let mut linked = object.link(program).map_err(|error| error.to_string())?;
    let reports = linked.apply_core(object, targets);
    if let Some(report) = reports.iter().find(|report| report.outcome.is_failure()) {
        return Err(report.to_string());
    }
    let is_poison = |outcome: &CoreOutcome| {
        matches!(
            outcome,
            CoreOutcome::Poisoned(_) | CoreOutcome::PoisonedWidth { .. }
        )
    };
    let (relocations, poisoned) = (
        reports.len(),
        reports.iter().filter(|report| is_poison(&report.outcome)).count(),
    );
    let mut is_other = vec![false; linked.insns.len()];
    for relocation in &linked.relocations {
        if matches!(relocation.target, Target::Core(_)) {
            continue;
        }
        let at = relocation.at as usize;
        let width = linked.insns.get(at).map_or(1, |insn| insn.width());
        is_other
            .iter_mut()
            .skip(at)
            .take(width)
            .for_each(|is_other| *is_other = true);
    }
    let insns = linked
        .insns
        .iter()
        .map(|insn| insn.to_bytes(bpfld_insn::Endian::NATIVE))
        .collect();
    Ok(Ours {
        insns,
        is_other,
        relocations,
        poisoned,
    })
}

/// The first difference, in words.
fn difference(ours: &Ours, theirs: &[Insn]) -> Option<String> {
    if ours.insns.len() != theirs.len() {
        return Some(format!(
            "{} instructions, libbpf has {}",
            ours.insns.len(),
            theirs.len()
        ));
    }
    let all = ours.insns.iter().zip(theirs).zip(&ours.is_other).enumerate();
    all.filter(|(_, (_, is_other))| !**is_other)
        .find(|(_, ((ours, theirs), _))| ours != theirs)
        .map(|(at, ((ours, theirs), _))| {
            format!("instruction {at} is {ours:02x?}, libbpf's is {theirs:02x?}")
        })
}
