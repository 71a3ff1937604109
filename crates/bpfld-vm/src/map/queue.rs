//! Queues, stacks and Bloom filters: values without keys.

use alloc::vec::Vec;

use bpfld_sys::{ElemFlags, Errno};

use super::{Contents, Map};

/// Which value comes out next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// The oldest.
    FirstIn,
    /// The newest.
    LastIn,
}

impl Map {
    /// Puts a value in.
    pub(crate) fn push(&mut self, value: &[u8], flags: u64) -> Result<(), Errno> {
        let max = self.spec.max_entries as usize;
        match &mut self.contents {
            Contents::Queue(_, values) => {
                if flags == ElemFlags::NOEXIST.bits() || flags > ElemFlags::EXIST.bits() {
                    return Err(Errno::EINVAL);
                }
                if values.len() >= max {
                    if flags != ElemFlags::EXIST.bits() {
                        return Err(Errno::E2BIG);
                    }
                    values.pop_front();
                }
                values.push_back(value.to_vec());
                Ok(())
            }
            Contents::Bloom(bloom) if flags == 0 => {
                bloom.add(value);
                Ok(())
            }
            _ => Err(Errno::EINVAL),
        }
    }

    /// The value that comes out next, left where it is.
    pub(crate) fn front(&self) -> Result<Vec<u8>, Errno> {
        let Contents::Queue(order, values) = &self.contents else {
            return Err(Errno::EINVAL);
        };
        let value = match order {
            Order::FirstIn => values.front(),
            Order::LastIn => values.back(),
        };
        value.cloned().ok_or(Errno::ENOENT)
    }

    /// Takes the next value out.
    pub(crate) fn pop(&mut self) -> Result<Vec<u8>, Errno> {
        let Contents::Queue(order, values) = &mut self.contents else {
            return Err(Errno::EINVAL);
        };
        let value = match order {
            Order::FirstIn => values.pop_front(),
            Order::LastIn => values.pop_back(),
        };
        value.ok_or(Errno::ENOENT)
    }
}
