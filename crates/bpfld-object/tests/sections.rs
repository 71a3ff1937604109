//! The table of section names, held against libbpf's.

use std::fmt::Debug;

use bpfld_object::{AutoAttach, SECTIONS, SectionRow};

/// A row in the words of libbpf.
fn in_its_words(row: &SectionRow) -> String {
    let flags = row.flags;
    let attachable = match (flags.attach_type_by_name, flags.attach_type_optional) {
        (true, true) => Some("attachable_opt"),
        (true, false) => Some("attachable"),
        (false, true) => Some("exp_attach_opt"),
        (false, false) => None,
    };
    let named = |flag: bool, name| flag.then_some(name);
    let flags: Vec<_> = [
        attachable,
        named(flags.usdt, "usdt"),
        named(flags.btf_target, "attach_btf"),
        named(flags.sleepable, "sleepable"),
        named(flags.xdp_frags, "xdp_frags"),
    ]
    .into_iter()
    .flatten()
    .collect();
    let or_none = |text: String| if text.is_empty() { "-".to_owned() } else { text };
    format!(
        "{} {} {} {} {}",
        row.pattern,
        constant(&row.program_type),
        or_none(row.attach_type.as_ref().map(constant).unwrap_or_default()),
        or_none(flags.join(",")),
        row.auto_attach.map_or("-", function),
    )
}

/// `XDP` of `ProgramType::XDP`.
fn constant(value: &impl Debug) -> String {
    let text = format!("{value:?}");
    text.rsplit("::").next().unwrap_or_default().to_owned()
}

fn function(auto: AutoAttach) -> &'static str {
    match auto {
        AutoAttach::Kprobe => "kprobe",
        AutoAttach::Uprobe => "uprobe",
        AutoAttach::KprobeMulti => "kprobe_multi",
        AutoAttach::KprobeSession => "kprobe_session",
        AutoAttach::UprobeMulti => "uprobe_multi",
        AutoAttach::Ksyscall => "ksyscall",
        AutoAttach::Usdt => "usdt",
        AutoAttach::Tracepoint => "tp",
        AutoAttach::RawTracepoint => "raw_tp",
        AutoAttach::Trace => "trace",
        AutoAttach::TracingMulti => "tracing_multi",
        AutoAttach::Lsm => "lsm",
        AutoAttach::Iter => "iter",
        other => panic!("{other:?}"),
    }
}

/// ELF-03: type, attach type, flags and way to attach of every name that libbpf has, in its order.
#[test]
fn elf_03_all_rows_are_those_of_libbpf() {
    let theirs = include_str!("data/libbpf_sections.txt");
    let theirs: Vec<&str> = theirs.lines().filter(|line| !line.starts_with('#')).collect();
    let ours: Vec<String> = SECTIONS.iter().map(in_its_words).collect();
    assert_eq!(ours.len(), 116);
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours, theirs);
    }
    assert_eq!(ours.len(), theirs.len());
}
