//! Many elements in one call, and one by one where the kernel cannot.

use bpfld_sys::{self as sys, ElemFlags, Errno};

use super::Map;
use crate::{Error, Result};

impl Map {
    /// Sets many elements (5.6; on older kernels and for types without batches one by one).
    ///
    /// `keys` and `values` hold as many keys as values, one after the other.
    ///
    /// # Errors
    ///
    /// At the first element that cannot be set; those before it are, which the text counts.
    #[doc(alias = "BPF_MAP_UPDATE_BATCH")]
    pub fn update_batch(&self, keys: &[u8], values: &[u8], flags: ElemFlags) -> Result<()> {
        let total = self.count_of("keys", keys.len(), self.key_size())?;
        if self.count_of("values", values.len(), self.value_size())? != total {
            return Err(Error::invalid(
                self.subject(),
                "there must be as many keys as values",
            ));
        }
        if total == 0 {
            return Ok(());
        }
        let mut done = self.count(total)?;
        let Err(error) = sys::map_update_batch(self.map_fd(), keys, values, &mut done, flags) else {
            return Ok(());
        };
        if !is_unsupported(error.errno(), done as usize, total) {
            return Err(self.failed(format!("update element {done} of {total}"), error));
        }
        let (key_size, value_size) = (self.key_size(), self.value_size());
        let elements = keys.chunks_exact(key_size).zip(values.chunks_exact(value_size));
        for (done, (key, value)) in elements.enumerate() {
            sys::map_update_elem(self.map_fd(), key, value, flags)
                .map_err(|error| self.failed(format!("update element {done} of {total}"), error))?;
        }
        Ok(())
    }

    /// Removes many keys and tells how many were there (5.6; on older kernels and for types without batches one by one).
    ///
    /// # Errors
    ///
    /// When the kernel refuses; keys that are not there are no error.
    #[doc(alias = "BPF_MAP_DELETE_BATCH")]
    pub fn delete_batch(&self, keys: &[u8]) -> Result<usize> {
        let key_size = self.key_size();
        let total = self.count_of("keys", keys.len(), key_size)?;
        let (mut at, mut deleted) = (0, 0);
        while at < total {
            let rest = &keys[at * key_size..];
            let mut done = self.count(total - at)?;
            let Err(error) = sys::map_delete_batch(self.map_fd(), rest, &mut done, ElemFlags::empty()) else {
                return Ok(deleted + (total - at));
            };
            let done = done as usize;
            if is_unsupported(error.errno(), done, total - at) {
                for (done, key) in rest.chunks_exact(key_size).enumerate() {
                    match sys::map_delete_elem(self.map_fd(), key) {
                        Ok(()) => deleted += 1,
                        Err(error) if error.errno() == Errno::ENOENT => {}
                        Err(error) => {
                            return Err(
                                self.failed(format!("delete element {} of {total}", at + done), error)
                            );
                        }
                    }
                }
                return Ok(deleted);
            }
            // It stops at a key that is not there.
            if error.errno() != Errno::ENOENT {
                return Err(self.failed(format!("delete element {} of {total}", at + done), error));
            }
            deleted += done;
            at += done + 1;
        }
        Ok(deleted)
    }

    fn count(&self, total: usize) -> Result<u32> {
        u32::try_from(total).map_err(|_| Error::invalid(self.subject(), "too many elements for one batch"))
    }

    fn count_of(&self, what: &str, bytes: usize, size: usize) -> Result<usize> {
        match (bytes.checked_div(size), bytes.checked_rem(size)) {
            (Some(count), Some(0)) => Ok(count),
            _ => Err(Error::invalid(
                self.subject(),
                format!("{bytes} bytes of {what} are no multiple of {size}"),
            )),
        }
    }
}

/// Whether an answer means that the kernel has no batches, or none for this map. An element that it refuses is counted: then
/// fewer are done than were to do.
fn is_unsupported(errno: Errno, done: usize, total: usize) -> bool {
    match errno {
        Errno::ENOTSUPP | Errno::EOPNOTSUPP => true,
        Errno::EINVAL => done >= total,
        _ => false,
    }
}
