//! The value that a per-CPU map holds for one CPU.

use bpfld_sys::{ElemFlags, Errno};
use zerocopy::IntoBytes as _;

use super::{LruPerCpuHash, Map, PerCpuArray, PerCpuHash, PerCpuValues, Plain, view::Stored as _};
use crate::{Error, Result};

macro_rules! one_cpu {
    ($($view:ident [$($parameter:ident)+], $argument:ident: $argument_type:ty;)*) => { $(
        impl<$($parameter: Plain),+> $view<$($parameter),+> {
            /// One CPU's value; `None` if the key or the CPU is not there.
            ///
            /// The kernel copies one value only since 7.0; before, all are read.
            ///
            /// # Errors
            ///
            /// When the kernel refuses.
            pub fn get_on(&self, cpu: u32, $argument: $argument_type) -> Result<Option<V>> {
                get(self.map(), cpu, $argument.as_bytes())
            }

            /// Sets one CPU's value and leaves those of the others, which are zero where the key is new (7.0).
            ///
            /// # Errors
            ///
            /// On older kernels, which can set only all values at once; ERANGE when there is no such CPU.
            pub fn set_on(&self, cpu: u32, $argument: $argument_type, value: &V) -> Result<()> {
                set(self.map(), $argument.as_bytes(), value, on(cpu))
            }

            /// Sets the same value for all CPUs.
            ///
            /// # Errors
            ///
            /// When the kernel refuses.
            pub fn set_all(&self, $argument: $argument_type, value: &V) -> Result<()> {
                let values = PerCpuValues::repeat(self.map().cpus(), value);
                self.map().update($argument.as_bytes(), values.stored(), ElemFlags::empty())
            }
        }
    )* };
}

one_cpu! {
    PerCpuHash [K V], key: &K;
    LruPerCpuHash [K V], key: &K;
    PerCpuArray [V], index: u32;
}

fn on(cpu: u32) -> ElemFlags {
    ElemFlags::F_CPU | ElemFlags::from_bits_retain(u64::from(cpu) << 32)
}

fn get<V: Plain>(map: &Map, cpu: u32, key: &[u8]) -> Result<Option<V>> {
    if cpu as usize >= map.cpus() {
        return Ok(None);
    }
    let mut value = V::new_zeroed();
    match map.lookup_into(key, value.as_mut_bytes(), on(cpu)) {
        Err(error) if error.errno() == Some(Errno::EINVAL) => {
            let mut values = PerCpuValues::<V>::room(map.cpus());
            if !map.lookup_into(key, values.stored_mut(), ElemFlags::empty())? {
                return Ok(None);
            }
            let found = values.get(cpu as usize);
            Ok(found.and_then(|value| V::read_from_bytes(value.as_bytes()).ok()))
        }
        found => Ok(found?.then_some(value)),
    }
}

fn set<V: Plain>(map: &Map, key: &[u8], value: &V, flags: ElemFlags) -> Result<()> {
    map.update(key, value.as_bytes(), flags)
        .map_err(|error| match error.errno() {
            Some(errno @ Errno::EINVAL) => Error::unsupported(
                map.subject(),
                "setting the value of one CPU",
                Some("7.0"),
                Some(errno),
            ),
            _ => error,
        })
}
