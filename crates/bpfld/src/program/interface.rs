//! Network interfaces by name and index.

use std::{ffi::CString, fmt, io};

use bpfld_sys::{Errno, net};

use crate::{Error, Result, Subject};

/// A network interface of the network namespace that this thread is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    index: u32,
    name: Option<String>,
}

impl Interface {
    /// Looks an interface up by name.
    ///
    /// # Errors
    ///
    /// When there is none of this name in this network namespace.
    #[doc(alias = "if_nametoindex")]
    pub fn by_name(name: &str) -> Result<Interface> {
        let subject = || Subject::Link(format!("interface {name}"));
        let c_name =
            CString::new(name).map_err(|_| Error::invalid(subject(), "a name cannot have a NUL byte"))?;
        match net::device_index(&c_name) {
            Ok(index) => Ok(Interface {
                index,
                name: Some(name.to_owned()),
            }),
            Err(Errno::ENODEV) => Err(Error::not_found(
                subject(),
                "such interface in this network namespace",
            )),
            Err(errno) => Err(Error::io(
                subject(),
                "look up",
                io::Error::from_raw_os_error(errno.0),
            )),
        }
    }

    /// Index of the interface.
    #[must_use]
    pub fn index(&self) -> u32 {
        self.index
    }
}

impl From<u32> for Interface {
    fn from(index: u32) -> Self {
        Interface { index, name: None }
    }
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => f.write_str(name),
            None => write!(f, "interface {}", self.index),
        }
    }
}

/// What names a network interface: a name, an index or an [`Interface`]. Not for others to implement.
pub trait ToInterface: sealed::Sealed {
    /// The interface.
    ///
    /// # Errors
    ///
    /// When there is none of the name.
    fn interface(&self) -> Result<Interface>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for str {}
    impl Sealed for String {}
    impl Sealed for u32 {}
    impl Sealed for super::Interface {}
    impl<T: Sealed + ?Sized> Sealed for &T {}
}

impl ToInterface for str {
    fn interface(&self) -> Result<Interface> {
        Interface::by_name(self)
    }
}

impl ToInterface for String {
    fn interface(&self) -> Result<Interface> {
        Interface::by_name(self)
    }
}

impl ToInterface for u32 {
    fn interface(&self) -> Result<Interface> {
        Ok((*self).into())
    }
}

impl ToInterface for Interface {
    fn interface(&self) -> Result<Interface> {
        Ok(self.clone())
    }
}

impl<T: ToInterface + ?Sized> ToInterface for &T {
    fn interface(&self) -> Result<Interface> {
        (**self).interface()
    }
}
