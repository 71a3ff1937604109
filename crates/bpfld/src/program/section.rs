//! What the text after the slash of a section name says about the place to attach to.

use bpfld_object::{AutoAttach, ProgramSpec};

/// The place that a section name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place<'a> {
    Kprobe {
        function: &'a str,
        offset: u64,
        at_return: bool,
    },
    Ksyscall {
        name: &'a str,
        at_return: bool,
    },
    KprobeMulti {
        pattern: &'a str,
        at_return: bool,
    },
    Uprobe {
        binary: &'a str,
        point: Point<'a>,
        at_return: bool,
    },
    UprobeMulti {
        binary: &'a str,
        pattern: &'a str,
        at_return: bool,
    },
    Usdt {
        binary: &'a str,
        provider: &'a str,
        name: &'a str,
    },
    TracingMulti {
        pattern: &'a str,
    },
    Tracepoint {
        category: &'a str,
        name: &'a str,
    },
    RawTracepoint {
        name: &'a str,
    },
    /// What an iterator goes over was settled when it was loaded.
    Iter,
    /// The target was settled when the program was loaded.
    Loaded,
}

/// A place in a binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Point<'a> {
    Function { name: &'a str, offset: u64 },
    FileOffset(u64),
}

/// Why a section name stands for no place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unclear {
    /// Such programs are never attached by section name.
    Never,
    /// The name could say where, but does not.
    Missing(&'static str),
    /// What it says cannot be understood.
    Malformed(&'static str),
}

/// The place that a section name stands for.
pub(super) fn place(spec: &ProgramSpec) -> Result<Place<'_>, Unclear> {
    let Some(way) = spec.auto_attach else {
        return Err(Unclear::Never);
    };
    let target = spec.target.as_deref().filter(|target| !target.is_empty());
    let at_return = spec.is_return_probe();
    let need = |grammar| target.ok_or(Unclear::Missing(grammar));
    match way {
        AutoAttach::Kprobe => kprobe(need("kprobe/FUNCTION[+OFFSET]")?, at_return),
        AutoAttach::Ksyscall => Ok(Place::Ksyscall {
            name: need("ksyscall/NAME")?,
            at_return,
        }),
        AutoAttach::KprobeMulti => Ok(Place::KprobeMulti {
            pattern: need("kprobe.multi/PATTERN")?,
            at_return,
        }),
        AutoAttach::KprobeSession => Ok(Place::KprobeMulti {
            pattern: need("kprobe.session/PATTERN")?,
            at_return,
        }),
        AutoAttach::Uprobe => uprobe(need("uprobe/BINARY:FUNCTION[+OFFSET]")?, at_return),
        AutoAttach::UprobeMulti => {
            let grammar = "uprobe.multi/BINARY:PATTERN";
            let (binary, pattern) = need(grammar)?
                .rsplit_once(':')
                .ok_or(Unclear::Malformed(grammar))?;
            Ok(Place::UprobeMulti {
                binary,
                pattern,
                at_return,
            })
        }
        AutoAttach::Tracepoint => {
            let grammar = "tracepoint/CATEGORY/NAME";
            let (category, name) = need(grammar)?
                .split_once('/')
                .ok_or(Unclear::Malformed(grammar))?;
            if category.is_empty() || name.is_empty() || name.contains('/') {
                return Err(Unclear::Malformed(grammar));
            }
            Ok(Place::Tracepoint { category, name })
        }
        AutoAttach::RawTracepoint => Ok(Place::RawTracepoint {
            name: need("raw_tracepoint/NAME")?,
        }),
        AutoAttach::Iter => Ok(Place::Iter),
        AutoAttach::Trace | AutoAttach::Lsm => Ok(Place::Loaded),
        AutoAttach::Usdt => {
            let grammar = "usdt/BINARY:PROVIDER:NAME";
            // A path may have colons, the names may not.
            let mut parts = need(grammar)?.rsplitn(3, ':');
            match (parts.next(), parts.next(), parts.next()) {
                (Some(name), Some(provider), Some(binary))
                    if !name.is_empty() && !provider.is_empty() && !binary.is_empty() =>
                {
                    Ok(Place::Usdt {
                        binary,
                        provider,
                        name,
                    })
                }
                _ => Err(Unclear::Malformed(grammar)),
            }
        }
        AutoAttach::TracingMulti => Ok(Place::TracingMulti {
            pattern: need("fentry.multi/[MODULE:]PATTERN")?,
        }),
        _ => Err(Unclear::Never),
    }
}

fn kprobe(target: &str, at_return: bool) -> Result<Place<'_>, Unclear> {
    let grammar = "kprobe/FUNCTION[+OFFSET]";
    let (function, offset) = with_offset(target).ok_or(Unclear::Malformed(grammar))?;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    if function.is_empty() || !function.chars().all(plain) {
        return Err(Unclear::Malformed(grammar));
    }
    if at_return && offset != 0 {
        return Err(Unclear::Malformed("kretprobe/FUNCTION, without an offset"));
    }
    Ok(Place::Kprobe {
        function,
        offset,
        at_return,
    })
}

fn uprobe(target: &str, at_return: bool) -> Result<Place<'_>, Unclear> {
    let grammar = "uprobe/BINARY:FUNCTION[+OFFSET]";
    let (binary, function) = target.split_once(':').ok_or(Unclear::Malformed(grammar))?;
    if binary.is_empty() || function.is_empty() {
        return Err(Unclear::Malformed(grammar));
    }
    let point = match number(function) {
        Some(offset) => Point::FileOffset(offset),
        None => {
            let (name, offset) = with_offset(function).ok_or(Unclear::Malformed(grammar))?;
            Point::Function { name, offset }
        }
    };
    if at_return && !matches!(point, Point::Function { offset: 0, .. } | Point::FileOffset(_)) {
        return Err(Unclear::Malformed("uretprobe/BINARY:FUNCTION, without an offset"));
    }
    Ok(Place::Uprobe {
        binary,
        point,
        at_return,
    })
}

/// Splits `name+offset`; a name alone has the offset zero.
fn with_offset(text: &str) -> Option<(&str, u64)> {
    match text.rsplit_once('+') {
        Some((name, offset)) => Some((name, number(offset)?)),
        None => Some((text, 0)),
    }
}

/// A decimal, hexadecimal (`0x`) or octal (`0`) number.
fn number(text: &str) -> Option<u64> {
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None if text.len() > 1 && text.starts_with('0') => (&text[1..], 8),
        None => (text, 10),
    };
    if digits.starts_with('+') {
        return None;
    }
    u64::from_str_radix(digits, radix).ok()
}

#[cfg(test)]
mod tests {
    use bpfld_object::SECTIONS;

    use super::*;

    #[track_caller]
    fn check(section: &str, expected: Result<Place<'_>, Unclear>) {
        let spec = ProgramSpec::from_section(section).expect("a known section");
        assert_eq!(place(&spec), expected, "{section}");
    }

    /// ELF-07.
    #[test]
    fn elf_07_sections_say_where_to_attach() {
        check(
            "kprobe/do_exit",
            Ok(Place::Kprobe {
                function: "do_exit",
                offset: 0,
                at_return: false,
            }),
        );
        check(
            "kprobe/a.isra.0+0x10",
            Ok(Place::Kprobe {
                function: "a.isra.0",
                offset: 16,
                at_return: false,
            }),
        );
        check(
            "kprobe/a+010",
            Ok(Place::Kprobe {
                function: "a",
                offset: 8,
                at_return: false,
            }),
        );
        check(
            "kretprobe/do_exit",
            Ok(Place::Kprobe {
                function: "do_exit",
                offset: 0,
                at_return: true,
            }),
        );
        check(
            "ksyscall/openat",
            Ok(Place::Ksyscall {
                name: "openat",
                at_return: false,
            }),
        );
        check(
            "kretsyscall/openat",
            Ok(Place::Ksyscall {
                name: "openat",
                at_return: true,
            }),
        );
        check(
            "uprobe/libc.so.6:malloc@GLIBC_2.2.5+4",
            Ok(Place::Uprobe {
                binary: "libc.so.6",
                point: Point::Function {
                    name: "malloc@GLIBC_2.2.5",
                    offset: 4,
                },
                at_return: false,
            }),
        );
        check(
            "uretprobe.s//proc/self/exe:0x1234",
            Ok(Place::Uprobe {
                binary: "/proc/self/exe",
                point: Point::FileOffset(0x1234),
                at_return: true,
            }),
        );
        check(
            "uprobe.multi/a.out:do_*",
            Ok(Place::UprobeMulti {
                binary: "a.out",
                pattern: "do_*",
                at_return: false,
            }),
        );
        check(
            "uprobe.session/a.out:do_*",
            Ok(Place::UprobeMulti {
                binary: "a.out",
                pattern: "do_*",
                at_return: false,
            }),
        );
        check(
            "usdt.s//opt/a:b/c:libc:setjmp",
            Ok(Place::Usdt {
                binary: "/opt/a:b/c",
                provider: "libc",
                name: "setjmp",
            }),
        );
        check(
            "usdt/libc.so.6:setjmp",
            Err(Unclear::Malformed("usdt/BINARY:PROVIDER:NAME")),
        );
        check("usdt/a::b", Err(Unclear::Malformed("usdt/BINARY:PROVIDER:NAME")));
        check("usdt", Err(Unclear::Missing("usdt/BINARY:PROVIDER:NAME")));
        check(
            "kprobe.session/x*",
            Ok(Place::KprobeMulti {
                pattern: "x*",
                at_return: false,
            }),
        );
        check(
            "tp/sched/sched_switch",
            Ok(Place::Tracepoint {
                category: "sched",
                name: "sched_switch",
            }),
        );
        check(
            "fexit.multi.s/tcp:tcp_*",
            Ok(Place::TracingMulti { pattern: "tcp:tcp_*" }),
        );
        check(
            "fsession.multi",
            Err(Unclear::Missing("fentry.multi/[MODULE:]PATTERN")),
        );
        check("raw_tp.w/foo", Ok(Place::RawTracepoint { name: "foo" }));
        check("fentry/bpf_fentry_test1", Ok(Place::Loaded));
        check("iter/task", Ok(Place::Iter));
        check("lsm/file_open", Ok(Place::Loaded));
    }

    /// As many names as libbpf attaches by themselves, and none of them forgotten here.
    #[test]
    fn every_name_that_could_say_where_does() {
        let mut count = 0;
        for row in SECTIONS.iter().filter(|row| row.auto_attach.is_some()) {
            let name = row.pattern.trim_end_matches('+');
            let target = match row.auto_attach {
                Some(AutoAttach::Usdt) => "a.out:provider:name",
                Some(AutoAttach::Uprobe | AutoAttach::UprobeMulti) => "a.out:main",
                Some(AutoAttach::Tracepoint) => "sched/sched_switch",
                _ => "name",
            };
            let section = format!("{name}/{target}");
            let spec = ProgramSpec::from_section(&section).expect("a known section");
            place(&spec).unwrap_or_else(|unclear| panic!("{section}: {unclear:?}"));
            count += 1;
        }
        assert_eq!(count, 50);
    }

    #[test]
    fn sections_that_do_not_say_enough_say_what_is_missing() {
        check("xdp", Err(Unclear::Never));
        check("tcx/ingress", Err(Unclear::Never));
        check("kprobe", Err(Unclear::Missing("kprobe/FUNCTION[+OFFSET]")));
        check("kprobe/", Err(Unclear::Missing("kprobe/FUNCTION[+OFFSET]")));
        check("kprobe/a-b", Err(Unclear::Malformed("kprobe/FUNCTION[+OFFSET]")));
        check("kprobe/a+-4", Err(Unclear::Malformed("kprobe/FUNCTION[+OFFSET]")));
        check("kprobe/a+b", Err(Unclear::Malformed("kprobe/FUNCTION[+OFFSET]")));
        check(
            "kretprobe/a+4",
            Err(Unclear::Malformed("kretprobe/FUNCTION, without an offset")),
        );
        check(
            "uprobe/libc.so.6",
            Err(Unclear::Malformed("uprobe/BINARY:FUNCTION[+OFFSET]")),
        );
        check(
            "uprobe/:malloc",
            Err(Unclear::Malformed("uprobe/BINARY:FUNCTION[+OFFSET]")),
        );
        check("tp/sched", Err(Unclear::Malformed("tracepoint/CATEGORY/NAME")));
        check(
            "tp/sched/a/b",
            Err(Unclear::Malformed("tracepoint/CATEGORY/NAME")),
        );
        check("raw_tp", Err(Unclear::Missing("raw_tracepoint/NAME")));
    }
}
