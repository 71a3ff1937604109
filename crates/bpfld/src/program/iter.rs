//! Iterators: programs that print kernel objects into a file that is read.

use std::{
    fs::File,
    io::{self, Read},
    os::fd::{AsFd, BorrowedFd},
};

use bpfld_sys::{self as sys, AttachType, CgroupIterOrder, Errno, LinkDetails, LinkKind, Target};

use super::{Iter, Program, ProgramKind};
use crate::{Error, Link, Map, Result, link::create::link};

/// Which objects an iterator goes over, for the kinds that can be narrowed down.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum IterTarget<'a> {
    /// All of the kind that the program was loaded for.
    All,
    /// The elements of a map (5.9).
    Map(&'a Map),
    /// A cgroup, an open directory, and what is above or below it (6.1).
    Cgroup(BorrowedFd<'a>, CgroupIterOrder),
    /// One thread (6.1).
    Thread(u32),
    /// The threads of a process (6.1).
    Process(u32),
    /// The threads of a process, by an open pidfd (6.1).
    Pidfd(BorrowedFd<'a>),
}

/// An iterator that is attached: each [`reader`](IterLink::reader) runs it from the start.
#[derive(Debug)]
pub struct IterLink {
    link: Link,
    program: Program,
}

/// The text or bytes that an iterator prints, as a file.
#[derive(Debug)]
pub struct IterReader {
    file: File,
}

impl Iter {
    /// Attaches the iterator to all objects of its kind (5.8).
    ///
    /// ```no_run
    /// # fn example(tasks: bpfld::Iter) -> Result<(), Box<dyn std::error::Error>> {
    /// let text = std::io::read_to_string(tasks.attach()?.reader()?)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When the kernel refuses; EBADF for an iterator over the elements of a map, which must be named.
    pub fn attach(&self) -> Result<IterLink> {
        self.attach_to(IterTarget::All)
    }

    /// Attaches the iterator to some objects of its kind.
    ///
    /// # Errors
    ///
    /// When the kernel refuses, or the iterator's kind cannot be narrowed down in this way.
    pub fn attach_to(&self, target: IterTarget<'_>) -> Result<IterLink> {
        Ok(IterLink {
            link: attach(self.program(), target)?,
            program: self.program().clone(),
        })
    }
}

pub(super) fn attach(program: &Program, target: IterTarget<'_>) -> Result<Link> {
    let words = match program.spec().and_then(|spec| spec.target) {
        Some(kind) => format!("iterator over {kind}"),
        None => String::from("iterator"),
    };
    let over = match target {
        IterTarget::All => sys::IterTarget::All,
        IterTarget::Map(map) => sys::IterTarget::Map(map.as_fd()),
        IterTarget::Cgroup(cgroup, order) => sys::IterTarget::Cgroup {
            cgroup: Some(cgroup),
            order,
        },
        IterTarget::Thread(id) => sys::IterTarget::Thread(id),
        IterTarget::Process(id) => sys::IterTarget::Process(id),
        IterTarget::Pidfd(fd) => sys::IterTarget::Pidfd(fd),
    };
    let kind = LinkKind::Iter(over);
    let link = link(program, Target::None, AttachType::TRACE_ITER, kind, words).map_err(|error| {
        let narrowed = !matches!(target, IterTarget::All | IterTarget::Map(_));
        if narrowed && error.errno() == Some(Errno::E2BIG) {
            too_old(program, error.errno())
        } else {
            error
        }
    })?;
    // Kernels before 6.1 do not see that a thread is asked for, and would go over all of them.
    if let IterTarget::Thread(id) = target
        && !matches!(link.info()?.details(), LinkDetails::Iter(_, _, task) if task.tid == id)
    {
        return Err(too_old(program, None));
    }
    Ok(link)
}

fn too_old(program: &Program, errno: Option<Errno>) -> Error {
    Error::unsupported(
        program.subject(),
        "iterators over some tasks or cgroups only",
        Some("6.1"),
        errno,
    )
}

impl IterLink {
    /// Starts the iterator. Every reader has its own position.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    #[doc(alias = "BPF_ITER_CREATE")]
    pub fn reader(&self) -> Result<IterReader> {
        reader(&self.link, || self.program.subject())
    }

    /// The link alone, for pinning: a pinned iterator can be read like a file.
    pub fn into_link(self) -> Link {
        self.link
    }

    /// The link.
    pub fn link(&self) -> &Link {
        &self.link
    }
}

impl Link {
    /// Starts an iterator that this link is of, as [`IterLink::reader`].
    ///
    /// # Errors
    ///
    /// When the link is of another kind.
    pub fn iter_reader(&self) -> Result<IterReader> {
        reader(self, || self.subject())
    }
}

fn reader(link: &Link, subject: impl Fn() -> crate::Subject) -> Result<IterReader> {
    let fd = sys::iter_create(link.fd("read as an iterator")?)
        .map_err(|source| Error::kernel(subject(), "start the iterator", source))?;
    Ok(IterReader { file: File::from(fd) })
}

impl Read for IterReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer)
    }
}

impl AsFd for IterReader {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
