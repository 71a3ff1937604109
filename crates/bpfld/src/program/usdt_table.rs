//! The table in which programs look up the arguments of static probes: map `__bpf_usdt_specs`, by the contract of libbpf's
//! `usdt.bpf.h`.
//!
//! A value has room for twelve arguments, then the cookie (8 bytes) and the number of arguments (2 bytes). Releases of the header
//! before 1.7 have arguments of 16 bytes, later ones of 24, which can describe elements of arrays:
//!
//! | what | narrow | wide |
//! | --- | --- | --- |
//! | constant, or offset from the register | 0..8 | 0..8 |
//! | form: 0 constant, 1 register, 2 memory, 3 element of an array | 8..12 | 8 (12 on big-endian machines) |
//! | register of the index (12 bits) and scale (4 bits) | - | 10..12 |
//! | register | 12..14 | 14..16 |
//! | whether it is signed | 14 | 16 |
//! | how many of 64 bits to cut off | 15 | 17 |

use std::sync::{Arc, Mutex, PoisonError};

use bpfld_object::{UsdtArgument, UsdtLocation};
use bpfld_sys::ElemFlags;

use crate::{Error, Map, Result};

/// Names of the maps.
pub(crate) const SPECS: &str = "__bpf_usdt_specs";
pub(crate) const ADDRESSES: &str = "__bpf_usdt_ip_to_spec_id";

/// Most arguments of a static probe.
const MOST_ARGUMENTS: usize = 12;

/// The table of one object, shared by its programs.
#[derive(Clone, Debug)]
pub(crate) struct UsdtTable {
    specs: Map,
    addresses: Option<Map>,
    numbers: Arc<Mutex<Numbers>>,
}

/// Which numbers of records are free.
#[derive(Debug, Default)]
struct Numbers {
    next: u32,
    free: Vec<u32>,
}

/// Records of one attachment; given back when dropped.
#[derive(Debug)]
pub(crate) struct UsdtRecords {
    table: UsdtTable,
    numbers: Vec<u32>,
    addresses: Vec<u64>,
}

/// How wide an argument is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    Narrow,
    Wide,
}

impl UsdtTable {
    pub(crate) fn new(specs: Map, addresses: Option<Map>) -> UsdtTable {
        UsdtTable {
            specs,
            addresses,
            numbers: Arc::default(),
        }
    }

    fn take_number(&self) -> Result<u32> {
        let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = numbers.free.pop() {
            return Ok(number);
        }
        let number = numbers.next;
        if number >= self.specs.spec().max_entries {
            let message = format!("all {number} records are in use");
            return Err(Error::invalid(self.specs.subject(), message).with_hint(
                "define BPF_USDT_MAX_SPEC_CNT where the program is compiled, or set the map's max_entries",
            ));
        }
        numbers.next += 1;
        Ok(number)
    }

    fn layout(&self) -> Result<Layout> {
        let size = self.specs.spec().value_size as usize;
        [Layout::Narrow, Layout::Wide]
            .into_iter()
            .find(|layout| layout.record_size() == size)
            .ok_or_else(|| {
                let message = format!("has values of {size} bytes, which is no known form of it");
                Error::invalid(self.specs.subject(), message)
            })
    }
}

impl UsdtRecords {
    pub(crate) fn new(table: &UsdtTable) -> UsdtRecords {
        UsdtRecords {
            table: table.clone(),
            numbers: Vec::new(),
            addresses: Vec::new(),
        }
    }

    /// Writes a record and tells its number.
    pub(crate) fn add(&mut self, arguments: &[UsdtArgument], cookie: u64) -> Result<u32> {
        let layout = self.table.layout()?;
        let record = layout
            .encode(arguments, cookie)
            .map_err(|message| Error::invalid(self.table.specs.subject(), message))?;
        let number = self.table.take_number()?;
        self.numbers.push(number);
        self.table
            .specs
            .update(&number.to_ne_bytes(), &record, ElemFlags::empty())?;
        Ok(number)
    }

    /// Lets the program find a record by the address of a probe.
    pub(crate) fn add_address(&mut self, address: u64, number: u32) -> Result<()> {
        let Some(map) = &self.table.addresses else {
            return Err(Error::not_found(
                self.table.specs.subject(),
                format!("map {ADDRESSES} beside it"),
            ));
        };
        map.update(&address.to_ne_bytes(), &number.to_ne_bytes(), ElemFlags::NOEXIST)?;
        self.addresses.push(address);
        Ok(())
    }
}

impl Drop for UsdtRecords {
    fn drop(&mut self) {
        if let Some(map) = &self.table.addresses {
            for address in &self.addresses {
                // What is left does no harm but to a later probe at the same address, which will say so.
                let _ = map.delete(&address.to_ne_bytes());
            }
        }
        let mut numbers = self.table.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        numbers.free.append(&mut self.numbers);
    }
}

impl Layout {
    fn argument_size(self) -> usize {
        match self {
            Layout::Narrow => 16,
            Layout::Wide => 24,
        }
    }

    /// With what fills the last eight bytes up.
    fn record_size(self) -> usize {
        MOST_ARGUMENTS * self.argument_size() + 16
    }

    fn encode(self, arguments: &[UsdtArgument], cookie: u64) -> Result<Vec<u8>, String> {
        if arguments.len() > MOST_ARGUMENTS {
            return Err(format!(
                "has room for {MOST_ARGUMENTS} arguments, not for {}",
                arguments.len()
            ));
        }
        let mut record = Vec::with_capacity(self.record_size());
        for argument in arguments {
            self.argument(argument, &mut record)?;
        }
        record.resize(MOST_ARGUMENTS * self.argument_size(), 0);
        record.extend(cookie.to_ne_bytes());
        // There are at most twelve.
        record.extend((arguments.len() as u16).to_ne_bytes());
        record.resize(self.record_size(), 0);
        Ok(record)
    }

    fn argument(self, argument: &UsdtArgument, out: &mut Vec<u8>) -> Result<(), String> {
        let (form, value, register, index, shift) = match argument.location {
            UsdtLocation::Constant(value) => (0u8, value, 0, 0, 0),
            UsdtLocation::Register(register) => (1, 0, register, 0, 0),
            UsdtLocation::Memory { base, offset } => (2, offset as u64, base, 0, 0),
            UsdtLocation::Indexed {
                base,
                index,
                shift,
                offset,
            } => (3, offset as u64, base, index, shift),
        };
        let cut = 64 - 8 * argument.size;
        out.extend(value.to_ne_bytes());
        match self {
            Layout::Narrow if form == 3 => {
                return Err(
                    "cannot describe elements of arrays; the header of libbpf 1.7 or later can".into(),
                );
            }
            Layout::Narrow => {
                out.extend(u32::from(form).to_ne_bytes());
            }
            Layout::Wide if cfg!(target_endian = "little") => {
                out.extend([form, 0]);
                out.extend((index | u16::from(shift) << 12).to_ne_bytes());
                out.extend([0, 0]);
            }
            Layout::Wide => {
                out.extend([0, 0]);
                out.extend((index << 4 | u16::from(shift)).to_ne_bytes());
                out.extend([form, 0]);
            }
        }
        out.extend(register.to_ne_bytes());
        out.extend([u8::from(argument.signed), cut]);
        if self == Layout::Wide {
            out.resize(out.len().next_multiple_of(8), 0);
        }
        Ok(())
    }
}

#[cfg(test)]
#[cfg(target_endian = "little")]
mod tests {
    use super::*;

    /// What compilers make of the structures of both headers, for one argument at -1(base of 0x5566, index 0x123, scale 8).
    #[test]
    fn layouts_are_those_of_the_headers() {
        let location = |location, size, signed| UsdtArgument::new(size, signed, location);
        let element = location(
            UsdtLocation::Indexed {
                base: 0x5566,
                index: 0x123,
                shift: 3,
                offset: 0x1122_3344_5566_7788,
            },
            1,
            true,
        );
        let wide = Layout::Wide.encode(&[element], 9).expect("encoded");
        assert_eq!(wide.len(), 304);
        assert_eq!(wide[..8], 0x1122_3344_5566_7788u64.to_le_bytes());
        assert_eq!(wide[8..18], [3, 0, 0x23, 0x31, 0, 0, 0x66, 0x55, 1, 56]);
        assert_eq!(wide[18..24], [0; 6]);
        assert_eq!(wide[288..298], [9, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
        Layout::Narrow
            .encode(&[element], 9)
            .expect_err("no room for an index");

        let memory = UsdtLocation::Memory {
            base: 0x20,
            offset: -4,
        };
        let narrow = Layout::Narrow
            .encode(&[location(memory, 4, false)], 9)
            .expect("encoded");
        assert_eq!(narrow.len(), 208);
        assert_eq!(narrow[..8], (-4i64).to_le_bytes());
        assert_eq!(narrow[8..16], [2, 0, 0, 0, 0x20, 0, 0, 32]);
        assert_eq!(narrow[192..202], [9, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
        Layout::Wide
            .encode(&[element; 13], 0)
            .expect_err("too many arguments");
    }
}
