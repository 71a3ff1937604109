//! Error numbers of Linux, with names and texts.

use core::fmt;

/// An error number as Linux returns it.
///
/// ```
/// use bpfld_sys::Errno;
///
/// assert_eq!(Errno::ENOENT.name(), Some("ENOENT"));
/// assert_eq!(Errno::ENOENT.to_string(), "ENOENT (no such file, key or object)");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Errno(pub i32);

/// One row a number: its constant, name and text come from here. The numbers are those of most architectures; on Linux
/// itself libc's are taken.
macro_rules! errnos {
    ($($name:ident = $number:literal $text:literal;)*) => {
        impl Errno {
            $(
                #[doc = concat!("`", stringify!($name), "`: ", $text, ".")]
                #[cfg(target_os = "linux")]
                pub const $name: Self = Self(libc::$name);
                #[doc = concat!("`", stringify!($name), "`: ", $text, ".")]
                #[cfg(not(target_os = "linux"))]
                pub const $name: Self = Self($number);
            )*

            const TABLE: &[(Self, &str, &str)] = &[$((Self::$name, stringify!($name), $text),)*
                (Self::ENOTSUPP, "ENOTSUPP", "not supported by this kernel")];
        }
    };
}

errnos! {
    EPERM = 1 "operation not permitted";
    ENOENT = 2 "no such file, key or object";
    ESRCH = 3 "no such process or BTF type";
    EINTR = 4 "interrupted by a signal";
    EIO = 5 "input or output error";
    ENXIO = 6 "no such device or address";
    E2BIG = 7 "argument too long, or map full";
    ENOEXEC = 8 "not an executable format";
    EBADF = 9 "not a usable file descriptor";
    ECHILD = 10 "no child process";
    EAGAIN = 11 "try again";
    ENOMEM = 12 "not enough memory";
    EACCES = 13 "refused";
    EFAULT = 14 "bad address";
    EBUSY = 16 "busy";
    EEXIST = 17 "exists already";
    EXDEV = 18 "on another file system";
    ENODEV = 19 "no such device";
    ENOTDIR = 20 "not a directory";
    EISDIR = 21 "is a directory";
    EINVAL = 22 "invalid argument";
    ENFILE = 23 "too many open files in the system";
    EMFILE = 24 "too many open files";
    ENOTTY = 25 "not a request for this descriptor";
    EFBIG = 27 "file too large";
    ENOSPC = 28 "no space left";
    ESPIPE = 29 "cannot seek";
    EROFS = 30 "read-only file system";
    EPIPE = 32 "broken pipe";
    EDOM = 33 "outside of the domain";
    ERANGE = 34 "out of range";
    EDEADLK = 35 "would deadlock";
    ENAMETOOLONG = 36 "name too long";
    ENOSYS = 38 "no such system call";
    ENOTEMPTY = 39 "directory not empty";
    ELOOP = 40 "too many symbolic links, or already attached there";
    ENOLINK = 67 "link is detached";
    EPROTO = 71 "protocol error";
    EOVERFLOW = 75 "value too large";
    EBADFD = 77 "descriptor in a bad state";
    EILSEQ = 84 "invalid byte sequence";
    EUSERS = 87 "too many users";
    ENOTSOCK = 88 "not a socket";
    EMSGSIZE = 90 "message too long";
    EPROTOTYPE = 91 "wrong protocol type";
    ENOPROTOOPT = 92 "protocol not available";
    EPROTONOSUPPORT = 93 "protocol not supported";
    ESOCKTNOSUPPORT = 94 "socket type not supported";
    EOPNOTSUPP = 95 "operation not supported";
    EAFNOSUPPORT = 97 "address family not supported";
    EADDRINUSE = 98 "address in use";
    EADDRNOTAVAIL = 99 "address not available";
    ENETDOWN = 100 "network is down";
    ENETUNREACH = 101 "network unreachable";
    ENOBUFS = 105 "no buffer space";
    EISCONN = 106 "already connected";
    ENOTCONN = 107 "not connected";
    ETIMEDOUT = 110 "timed out";
    ECONNREFUSED = 111 "connection refused";
    EHOSTUNREACH = 113 "host unreachable";
    EALREADY = 114 "already in progress";
    EINPROGRESS = 115 "in progress";
    ESTALE = 116 "stale";
    ECANCELED = 125 "cancelled";
    ENOKEY = 126 "required key not available";
    EKEYEXPIRED = 127 "key has expired";
    EKEYREVOKED = 128 "key has been revoked";
    EKEYREJECTED = 129 "signature was refused";
}

impl Errno {
    /// `ENOTSUPP` (524): not supported by this kernel. A number of the kernel's inside that C libraries do not know and
    /// that bpf(2) returns all the same.
    pub const ENOTSUPP: Self = Self(524);

    /// The symbolic name, such as `EPERM`; nothing for a number this build does not know.
    pub fn name(self) -> Option<&'static str> {
        self.row().map(|(_, name, _)| *name)
    }

    /// A few words in lower case; nothing for a number this build does not know.
    pub fn text(self) -> Option<&'static str> {
        self.row().map(|(_, _, text)| *text)
    }

    fn row(self) -> Option<&'static (Self, &'static str, &'static str)> {
        Self::TABLE.iter().find(|(number, _, _)| *number == self)
    }

    /// What the last system call of this thread failed with.
    #[cfg(all(target_os = "linux", feature = "std"))]
    pub(crate) fn last() -> Self {
        Self(std::io::Error::last_os_error().raw_os_error().unwrap_or(0))
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.row() {
            Some((_, name, text)) => write!(f, "{name} ({text})"),
            None => write!(f, "errno {}", self.0),
        }
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.row() {
            Some((_, name, _)) => f.write_str(name),
            None => write!(f, "Errno({})", self.0),
        }
    }
}

#[cfg(feature = "std")]
impl From<Errno> for std::io::Error {
    fn from(errno: Errno) -> Self {
        Self::from_raw_os_error(errno.0)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::format;

    use super::Errno;

    #[test]
    fn text() {
        assert_eq!(
            format!("{} {:?}", Errno::EPERM, Errno::ENOTSUPP),
            "EPERM (operation not permitted) ENOTSUPP"
        );
        assert_eq!(format!("{} {:?}", Errno(4000), Errno(-1)), "errno 4000 Errno(-1)");
    }

    #[test]
    fn every_number_has_one_name() {
        for (at, (errno, name, _)) in Errno::TABLE.iter().enumerate() {
            assert_eq!(errno.name(), Some(*name), "row {at}");
        }
    }
}
