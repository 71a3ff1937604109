//! What can go wrong, and what would help.

use std::{borrow::Cow, fmt};

use bpfld_sys::Errno;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure. What `Debug` shows is the same text as that of `Display`, for programs whose `main` returns it.
#[non_exhaustive]
pub enum Error {
    /// The kernel refused a call.
    Kernel {
        /// What was asked of it, in the infinitive.
        doing: Cow<'static, str>,
        /// Its answer.
        errno: Errno,
    },
    /// This kernel, or the driver of the interface, cannot do what was asked.
    Unsupported {
        /// What is missing.
        feature: &'static str,
        /// The first kernel release that has it.
        since: &'static str,
        /// How the kernel said so.
        errno: Errno,
    },
    /// The request contradicts itself.
    Invalid(Cow<'static, str>),
    /// No frame is free: all of them are with the user, with the kernel or in rings.
    NoFrame,
    /// A packet does not fit into a frame.
    TooLong {
        /// Bytes of the packet.
        len: usize,
        /// Bytes that fit.
        room: usize,
    },
    /// The interface is down or gone. A socket whose interface is gone stays without one.
    InterfaceGone(Errno),
    /// The kernel, or somebody else who has the socket, gave a frame back that it had not been given.
    Damaged {
        /// Where.
        ring: &'static str,
        /// What was in the ring.
        address: u64,
    },
    /// The redirect program or its map.
    Bpf(bpfld::Error),
}

impl Error {
    pub(crate) fn kernel(doing: impl Into<Cow<'static, str>>, errno: Errno) -> Self {
        Self::Kernel {
            doing: doing.into(),
            errno,
        }
    }

    pub(crate) fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::Invalid(message.into())
    }

    /// The kernel's answer, where a call failed.
    #[must_use]
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Kernel { errno, .. } | Self::Unsupported { errno, .. } | Self::InterfaceGone(errno) => {
                Some(*errno)
            }
            Self::Bpf(error) => error.errno(),
            Self::Invalid(_) | Self::NoFrame | Self::TooLong { .. } | Self::Damaged { .. } => None,
        }
    }

    /// What would help, if that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        let (Self::Kernel { errno, .. } | Self::Unsupported { errno, .. }) = self else {
            return match self {
                Self::Bpf(error) => error.hint(),
                Self::NoFrame => Some("drop frames, or make the memory of more of them"),
                _ => None,
            };
        };
        match *errno {
            Errno::EPERM => Some("sockets need CAP_NET_RAW"),
            Errno::ENOBUFS => Some("memory counts against the limit of locked memory, RLIMIT_MEMLOCK"),
            Errno::EBUSY => Some("another socket has this queue; share that one"),
            Errno::EAFNOSUPPORT => Some("AF_XDP needs Linux 4.18 and CONFIG_XDP_SOCKETS"),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kernel { doing, errno } => write!(f, "cannot {doing}: {errno}")?,
            Self::Unsupported {
                feature,
                since,
                errno,
            } => write!(
                f,
                "{feature} is not supported here (Linux {since} has it): {errno}"
            )?,
            Self::Invalid(message) => f.write_str(message)?,
            Self::NoFrame => f.write_str("no frame is free")?,
            Self::TooLong { len, room } => {
                write!(
                    f,
                    "a packet of {len} bytes is too long for {room} bytes of a frame"
                )?;
            }
            Self::InterfaceGone(errno) => write!(f, "the interface is down or gone: {errno}")?,
            Self::Damaged { ring, address } => {
                write!(
                    f,
                    "the {ring} ring has a frame that was not in it, at {address:#x}"
                )?;
            }
            // It has its hint in its text.
            Self::Bpf(error) => return error.fmt(f),
        }
        match self.hint() {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

// Causes are part of the text, so there is no source().
impl std::error::Error for Error {}

impl From<bpfld::Error> for Error {
    fn from(error: bpfld::Error) -> Self {
        Self::Bpf(error)
    }
}

/// The error number of an operation of the standard library.
pub(crate) fn errno(error: &std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_main_shows_is_for_people() {
        let error = Error::TooLong {
            len: 5000,
            room: 4096,
        };
        let text = "a packet of 5000 bytes is too long for 4096 bytes of a frame";
        assert_eq!(format!("{error:?}"), text);
        let error = Error::kernel("make an AF_XDP socket", Errno::EPERM);
        let text = format!("{error:?}");
        assert!(text.starts_with("cannot make an AF_XDP socket: "), "{text}");
        assert!(text.ends_with("(sockets need CAP_NET_RAW)"), "{text}");
    }
}
