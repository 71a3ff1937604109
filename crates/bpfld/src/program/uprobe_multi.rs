//! Attaching to many places in a binary through one link.

use std::path::Path;

use bpfld_object::Executable;
use bpfld_sys::{AttachType, LinkKind, Target, UprobeFile, UprobeMultiFlags};

use super::{MultiOptions, Program, ProgramKind, UprobeMulti, pattern::matches, uprobe};
use crate::{Error, Link, Result, link::create::link};

impl UprobeMulti {
    /// Attaches to functions of a binary by name (6.6), in all processes. A program loaded for sessions (6.13) runs at entry
    /// and return of each.
    ///
    /// The binary is found as by [`Uprobe::attach`](super::Uprobe::attach).
    ///
    /// # Errors
    ///
    /// When there is no such file or function in it, or the kernel refuses.
    pub fn attach(
        &self,
        binary: impl AsRef<Path>,
        functions: &[&str],
        options: MultiOptions<'_>,
    ) -> Result<Link> {
        let path = uprobe::find(self.program(), binary.as_ref(), options.process)?;
        let bytes = uprobe::read(self.program(), &path)?;
        let executable = uprobe::parse(self.program(), &path, &bytes)?;
        let offsets = functions
            .iter()
            .map(|name| uprobe::file_offset(self.program(), &executable, &path, name));
        let offsets: Vec<u64> = offsets.collect::<Result<_>>()?;
        self.attach_to(&path, &offsets, options)
    }

    /// Attaches to offsets in the file of a binary (6.6).
    ///
    /// # Errors
    ///
    /// When there is no such file, or the kernel refuses.
    pub fn attach_offsets(
        &self,
        binary: impl AsRef<Path>,
        offsets: &[u64],
        options: MultiOptions<'_>,
    ) -> Result<Link> {
        self.attach_to(
            &uprobe::find(self.program(), binary.as_ref(), options.process)?,
            offsets,
            options,
        )
    }

    /// Attaches to all functions of a binary that match a pattern, in which `*` stands for any text and `?` for any
    /// character (6.6).
    ///
    /// # Errors
    ///
    /// When there is no such file, none of its functions matches, or the kernel refuses.
    pub fn attach_matching(
        &self,
        binary: impl AsRef<Path>,
        pattern: &str,
        options: MultiOptions<'_>,
    ) -> Result<Link> {
        let path = uprobe::find(self.program(), binary.as_ref(), options.process)?;
        let bytes = uprobe::read(self.program(), &path)?;
        let executable = uprobe::parse(self.program(), &path, &bytes)?;
        let matching = |file: &Executable<'_>| {
            let functions = file
                .functions()
                .filter(|function| matches(pattern, function.name));
            let mut offsets: Vec<u64> = functions.map(|function| function.file_offset).collect();
            offsets.sort_unstable();
            offsets.dedup();
            offsets
        };
        let mut offsets = matching(&executable);
        if offsets.is_empty() {
            offsets = uprobe::with_debug_file(&path, &executable, matching).unwrap_or_default();
        }
        if offsets.is_empty() {
            let what = format!("function '{pattern}' in {}", path.display());
            return Err(Error::not_found(self.program().subject(), what));
        }
        self.attach_to(&path, &offsets, options)
    }

    fn attach_to(&self, path: &Path, offsets: &[u64], options: MultiOptions<'_>) -> Result<Link> {
        let MultiOptions {
            at_return,
            cookies,
            process,
            counters,
        } = options;
        let places = Places {
            offsets,
            counters,
            cookies,
            at_return,
            process,
        };
        let target = format!("{} places of {}", offsets.len(), path.display());
        attach(self.program(), path, places, target)
    }
}

/// Places in a binary, with what belongs to each.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places<'a> {
    pub(super) offsets: &'a [u64],
    /// Offsets of reference counters, 0 for none; or no counters at all.
    pub(super) counters: &'a [u64],
    /// Or none at all.
    pub(super) cookies: &'a [u64],
    pub(super) at_return: bool,
    pub(super) process: Option<u32>,
}

pub(super) fn attach(program: &Program, path: &Path, places: Places<'_>, target: String) -> Result<Link> {
    let Places {
        offsets,
        counters,
        cookies,
        at_return,
        process,
    } = places;
    for (what, len) in [("cookies", cookies.len()), ("reference counters", counters.len())] {
        if len != 0 && len != offsets.len() {
            let message = format!("there must be as many {what} as places");
            return Err(Error::invalid(program.subject(), message));
        }
    }
    let c_path = crate::pin::c_path(path)?;
    let flags = if at_return {
        UprobeMultiFlags::RETURN
    } else {
        UprobeMultiFlags::empty()
    };
    let attach_type = program.attach_type().unwrap_or(AttachType::TRACE_UPROBE_MULTI);
    let kind = LinkKind::UprobeMulti {
        file: UprobeFile::Path(&c_path),
        offsets,
        ref_ctr_offsets: counters,
        cookies,
        flags,
        pid: process.unwrap_or(0),
    };
    link(program, Target::None, attach_type, kind, target)
}
