//! Attaching where the target was settled when the program was loaded: tracing, LSM and replaced functions.

use std::os::fd::AsFd;

use bpfld_sys::{AttachType, LinkKind, Target};

use super::{BtfTracepoint, Extension, Fentry, Fexit, FmodRet, Fsession, Lsm, Program, ProgramKind};
use crate::{
    Link, Result,
    link::create::{link, raw_tracepoint},
};

/// Attaches to what the program was loaded for.
pub(super) fn attach(program: &Program, cookie: u64) -> Result<Link> {
    let target = match program.spec().and_then(|spec| spec.target) {
        Some(target) => target,
        None => String::from("the target it was loaded for"),
    };
    match program.attach_type() {
        Some(attach_type) if cookie != 0 => link(
            program,
            Target::None,
            attach_type,
            LinkKind::Tracing {
                target_btf_id: 0,
                cookie,
            },
            target,
        ),
        // Every kernel with such programs knows this way.
        _ => raw_tracepoint(program, None, cookie, target),
    }
}

macro_rules! settled_at_load {
    ($($kind:ident)*) => { $(
        impl $kind {
            /// Attaches to the target that the program was loaded for.
            ///
            /// # Errors
            ///
            /// When the kernel refuses; ENOTSUPP where the machine has no trampolines.
            pub fn attach(&self) -> Result<Link> {
                attach(self.program(), 0)
            }

            /// As [`attach`](Self::attach), with a number that the program gets from `bpf_get_attach_cookie` (5.19).
            ///
            /// # Errors
            ///
            /// As [`attach`](Self::attach).
            pub fn attach_with_cookie(&self, cookie: u64) -> Result<Link> {
                attach(self.program(), cookie)
            }
        }
    )* };
}

settled_at_load! { BtfTracepoint Fentry Fexit FmodRet Fsession Lsm }

impl Extension {
    /// Puts the program in the place of the function that it was loaded for.
    ///
    /// # Errors
    ///
    /// When the kernel refuses; EBUSY when the function is replaced already.
    pub fn attach(&self) -> Result<Link> {
        attach(self.program(), 0)
    }

    /// Puts the program in the place of a function of another program: `function` is the id of the function's type
    /// in the BTF of `target` (5.10).
    ///
    /// # Errors
    ///
    /// When the kernel refuses; EINVAL when the functions have not the same type.
    pub fn attach_to(&self, target: &impl AsRef<Program>, function: bpfld_btf::TypeId) -> Result<Link> {
        let target = target.as_ref();
        let words = format!("function {} of program '{}'", function.0, target.name());
        let kind = LinkKind::Tracing {
            target_btf_id: function.0,
            cookie: 0,
        };
        link(
            self.program(),
            Target::Fd(target.as_fd()),
            AttachType(0),
            kind,
            words,
        )
    }
}
