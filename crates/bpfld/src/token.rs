//! Tokens: rights delegated through a BPF file system.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use bpfld_features::Feature;
use bpfld_sys::{self as sys, Errno, info};

use crate::error::{Error, ErrorKind, Result, Subject};

/// A right to use bpf(2), or parts of it, in a user namespace of one's own (Linux 6.9).
///
/// An administrator mounts a BPF file system for the user namespace with what shall be allowed in it (`delegate_cmds`,
/// `delegate_maps`, `delegate_progs`, `delegate_attachs`); whoever has `CAP_BPF` in that namespace makes a token of it. Give it to
/// [`Loader::token`](crate::Loader::token).
///
/// ```no_run
/// use bpfld::{Loader, Object, Token};
///
/// let token = Token::create("/sys/fs/bpf")?;
/// let loaded = Loader::new().token(&token).load(&Object::open("fw.bpf.o")?)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Token {
    fd: Arc<OwnedFd>,
}

impl Token {
    /// Makes a token of the BPF file system that is mounted at a path.
    ///
    /// # Errors
    ///
    /// The kernel has no tokens; nothing is delegated there (`ENOENT`), not to this user namespace (`EPERM`), or this is
    /// the initial user namespace, which needs none (`EOPNOTSUPP`).
    #[doc(alias = "BPF_TOKEN_CREATE")]
    pub fn create(bpffs: impl AsRef<Path>) -> Result<Token> {
        let path = bpffs.as_ref();
        let directory = File::open(path)
            .map_err(|error| Error::io(Subject::File(path.to_owned()), "open the BPF file system", error))?;
        Token::create_at(directory.as_fd(), Subject::File(path.to_owned()))
    }

    /// Makes a token of a BPF file system by a descriptor of its root directory, which need not be mounted anywhere. The directory must
    /// be open for reading: what fsmount(2) returns stands for a place only, from where it can be opened.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    pub fn of_directory(directory: impl AsFd) -> Result<Token> {
        Token::create_at(directory.as_fd(), Subject::File("BPF file system".into()))
    }

    fn create_at(directory: BorrowedFd<'_>, subject: Subject) -> Result<Token> {
        let error = match sys::token_create(directory) {
            Ok(fd) => return Ok(Token { fd: Arc::new(fd) }),
            Err(error) => error,
        };
        let feature = Feature::Command(sys::Command::TOKEN_CREATE);
        let errno = error.errno();
        if errno == Errno::EINVAL && sys::inquire_command(sys::Command::TOKEN_CREATE) == Some(Errno::EINVAL) {
            let kind = ErrorKind::Unsupported {
                feature: "tokens".into(),
                since: feature.since().map(|release| release.to_string().into()),
                errno: Some(errno),
            };
            return Err(Error::new(subject, kind));
        }
        let error = Error::kernel(subject, "make a token", error);
        Err(match errno {
            Errno::EBADF => error.with_hint("the directory must be open for reading"),
            Errno::EINVAL => error.with_hint("it must be the root of a BPF file system"),
            Errno::ENOENT => {
                error.with_hint("nothing is delegated: mount it with delegate_cmds and the like")
            }
            Errno::EPERM => {
                error.with_hint("it must be mounted for this user namespace, where CAP_BPF is needed")
            }
            Errno::EOPNOTSUPP => error.with_hint("outside of user namespaces capabilities count, not tokens"),
            _ => error,
        })
    }

    /// What it allows, as the kernel says (Linux 6.17).
    ///
    /// # Errors
    ///
    /// The kernel does not tell.
    pub fn info(&self) -> Result<info::TokenInfo> {
        sys::token_info(self.fd.as_fd())
            .map_err(|error| Error::kernel(Subject::File("token".into()), "ask what it allows", error))
    }

    /// A token that another process handed over.
    #[must_use]
    pub fn from_fd(fd: OwnedFd) -> Token {
        Token { fd: Arc::new(fd) }
    }

    /// A descriptor of its own, to hand over to another process.
    ///
    /// # Errors
    ///
    /// This process has too many open files.
    pub fn try_clone_to_owned(&self) -> io::Result<OwnedFd> {
        self.fd.try_clone()
    }
}

impl AsFd for Token {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
