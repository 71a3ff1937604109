//! Attaching to many places in a binary through one link.

use std::path::Path;

use bpfld_sys::{AttachType, LinkKind, Target, UprobeFile, UprobeMultiFlags};

use super::{MultiOptions, ProgramKind, UprobeMulti, section::matches, uprobe};
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
        let path = uprobe::find(self.program(), binary.as_ref())?;
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
        self.attach_to(&uprobe::find(self.program(), binary.as_ref())?, offsets, options)
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
        let path = uprobe::find(self.program(), binary.as_ref())?;
        let bytes = uprobe::read(self.program(), &path)?;
        let executable = uprobe::parse(self.program(), &path, &bytes)?;
        let mut offsets: Vec<u64> = executable
            .functions()
            .filter(|function| matches(pattern, function.name))
            .map(|function| function.file_offset)
            .collect();
        offsets.sort_unstable();
        offsets.dedup();
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
        } = options;
        let subject = || self.program().subject();
        if !cookies.is_empty() && cookies.len() != offsets.len() {
            return Err(Error::invalid(
                subject(),
                "there must be as many cookies as places",
            ));
        }
        let c_path = crate::pin::c_path(path)?;
        let target = format!("{} places of {}", offsets.len(), path.display());
        let flags = if at_return {
            UprobeMultiFlags::RETURN
        } else {
            UprobeMultiFlags::empty()
        };
        let attach_type = self
            .program()
            .attach_type()
            .unwrap_or(AttachType::TRACE_UPROBE_MULTI);
        let kind = LinkKind::UprobeMulti {
            file: UprobeFile::Path(&c_path),
            offsets,
            ref_ctr_offsets: &[],
            cookies,
            flags,
            pid: process.unwrap_or(0),
        };
        link(self.program(), Target::None, attach_type, kind, target)
    }
}
