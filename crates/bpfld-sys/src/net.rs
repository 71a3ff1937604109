//! Network devices by name.
//!
//! # Safety
//!
//! if_nametoindex(3) reads a C string of ours.

use std::ffi::CStr;

use crate::Errno;

/// The index of a network device of this thread's network namespace.
///
/// # Errors
///
/// `ENODEV` if there is none of this name.
#[doc(alias = "if_nametoindex")]
pub fn device_index(name: &CStr) -> Result<u32, Errno> {
    // SAFETY: `name` ends with a zero and is borrowed until the call returns; it is read.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    if index == 0 { Err(Errno::last()) } else { Ok(index) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_devices() {
        assert_eq!(device_index(c"no such device"), Err(Errno::ENODEV));
    }
}
