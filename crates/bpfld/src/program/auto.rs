//! Attaching to what a section name says.

use bpfld_object::ProgramSpec;

use super::{
    KprobeMulti, KprobeOptions, MultiOptions, Program, RawTracepoint, Tracepoint, UprobeMulti, UprobeOptions,
    UprobePoint, Usdt, iter, kprobe,
    section::{Place, Point, Unclear, place},
    tracing, tracing_multi, uprobe,
};
use crate::{Error, Link, Result};

pub(super) fn attach(program: &Program) -> Result<Link> {
    let Some(spec) = program.spec() else {
        let message = match program.section() {
            Some(section) => format!("its section '{section}' does not say how to attach it"),
            None => String::from("it came from no object, so nothing says where to attach it"),
        };
        return Err(Error::invalid(program.subject(), message).with_hint(HINT));
    };
    match place(&spec) {
        Ok(place) => attach_to(program, place),
        Err(unclear) => Err(explain(program, &spec, unclear)),
    }
}

/// Whether a section name says all that is needed.
pub(crate) fn says_where(program: &Program) -> bool {
    program.spec().is_some_and(|spec| place(&spec).is_ok())
}

const HINT: &str = "the type of its kind, such as `Xdp`, has a method that takes what is missing";

fn attach_to(program: &Program, place: Place<'_>) -> Result<Link> {
    match place {
        Place::Kprobe {
            function,
            offset,
            at_return,
        } => kprobe::attach(
            program,
            function,
            KprobeOptions {
                offset,
                at_return,
                ..KprobeOptions::new()
            },
        ),
        Place::Ksyscall { name, at_return } => kprobe::attach_syscall(
            program,
            name,
            KprobeOptions {
                at_return,
                ..KprobeOptions::new()
            },
        ),
        Place::KprobeMulti { pattern, at_return } => {
            let options = MultiOptions {
                at_return,
                ..MultiOptions::new()
            };
            KprobeMulti::try_from(program)?.attach_matching(pattern, options)
        }
        Place::Uprobe {
            binary,
            point,
            at_return,
        } => {
            let point = match point {
                Point::Function { name, offset } => UprobePoint::Symbol {
                    name: name.into(),
                    offset,
                },
                Point::FileOffset(offset) => UprobePoint::FileOffset(offset),
            };
            uprobe::attach(
                program,
                binary.as_ref(),
                &point,
                UprobeOptions {
                    at_return,
                    ..UprobeOptions::new()
                },
            )
        }
        Place::UprobeMulti {
            binary,
            pattern,
            at_return,
        } => {
            let options = MultiOptions {
                at_return,
                ..MultiOptions::new()
            };
            UprobeMulti::try_from(program)?.attach_matching(binary, pattern, options)
        }
        Place::Usdt {
            binary,
            provider,
            name,
        } => Usdt::try_from(program)?.attach(binary, provider, name),
        Place::TracingMulti { pattern } => tracing_multi::attach_matching(program, pattern),
        Place::Tracepoint { category, name } => Tracepoint::try_from(program)?.attach(category, name),
        Place::RawTracepoint { name } => RawTracepoint::try_from(program)?.attach(name),
        Place::Iter => iter::attach(program, super::IterTarget::All),
        Place::Loaded => tracing::attach(program, 0),
    }
}

fn explain(program: &Program, spec: &ProgramSpec, unclear: Unclear) -> Error {
    let section = program.section().unwrap_or(spec.name);
    let subject = program.subject();
    match unclear {
        Unclear::Never => Error::invalid(
            subject,
            format!("section '{section}' does not say where to attach"),
        )
        .with_hint(HINT),
        Unclear::Missing(grammar) => {
            let message = format!("section '{section}' does not say where to attach, as '{grammar}' would");
            Error::invalid(subject, message).with_hint(HINT)
        }
        Unclear::Malformed(grammar) => Error::invalid(
            subject,
            format!("section '{section}' is not of the form '{grammar}'"),
        ),
    }
}
