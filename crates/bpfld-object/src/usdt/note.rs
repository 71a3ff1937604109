//! The notes that name static probes: section `.note.stapsdt`.

use alloc::vec::Vec;

use super::argument::{self, UsdtArgument};
use crate::elf::string_at;
use crate::executable::{Executable, Segment, u32_at, word_at};
use crate::{Error, ErrorKind};

/// A static probe at one place of an executable: what `DTRACE_PROBE` and its like leave behind.
///
/// A probe that a compiler has inlined into several places is there several times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UsdtProbe<'d> {
    /// Whose probe it is.
    pub provider: &'d str,
    /// Name of the probe.
    pub name: &'d str,
    /// Its arguments as the assembler wrote them, such as `-4@%eax 8@-16(%rbp)`.
    pub arguments: &'d str,
    /// Address of the instruction (before the file is moved to where it is loaded).
    pub address: u64,
    /// Where the instruction is in the file, in bytes.
    pub file_offset: u64,
    /// Where its semaphore is in the file, a 16-bit number that counts who listens; if it has one.
    pub semaphore: Option<u64>,
    machine: u16,
}

const SECTION: &str = ".note.stapsdt";
/// Moved along with the code by programs that change addresses after linking, which leave the notes alone.
const BASE_SECTION: &str = ".stapsdt.base";
const OWNER: &[u8] = b"stapsdt\0";
const TYPE: u32 = 3;
/// Length of the owner's name, length of what follows, type.
const HEADER: usize = 12;

impl UsdtProbe<'_> {
    /// Where the arguments are when the probe is hit.
    ///
    /// # Errors
    ///
    /// If one is written in a way that is not known, or is no integer; and for machines other than x86-64, arm64, riscv64 and s390x.
    pub fn parse_arguments(&self) -> Result<Vec<UsdtArgument>, Error> {
        argument::parse(self.machine, self.arguments)
    }
}

impl<'d> Executable<'d> {
    /// The static probes of the file, in the order of its notes.
    ///
    /// # Errors
    ///
    /// If the notes are damaged, or a place is in no part of the file that is loaded.
    pub fn usdt_probes(&self) -> Result<Vec<UsdtProbe<'d>>, Error> {
        let Some(notes) = self.section(SECTION) else {
            return Ok(Vec::new());
        };
        let base = self.section(BASE_SECTION).map(|section| section.address);
        let mut probes = Vec::new();
        let mut offset = 0;
        while offset < notes.data.len() {
            let fault = |detail| {
                Error::new(ErrorKind::Section, detail)
                    .section(SECTION)
                    .at(offset as u64)
            };
            let note = self.note(notes.data, offset);
            let (owner, kind, content, next) = note.ok_or_else(|| fault("note is cut off"))?;
            if owner == OWNER && kind == TYPE {
                let raw = self.usdt_note(content);
                let raw = raw.ok_or_else(|| fault("note of a static probe is malformed"))?;
                probes.push(self.place(&raw, base).map_err(fault)?);
            }
            offset = next;
        }
        Ok(probes)
    }

    /// Owner, type and content of a note, and where the next one begins.
    pub(crate) fn note(&self, data: &'d [u8], offset: usize) -> Option<(&'d [u8], u32, &'d [u8], usize)> {
        let number = |at: usize| u32_at(data, offset.checked_add(at)?, self.endian());
        let (owner_len, content_len, kind) = (number(0)? as usize, number(4)? as usize, number(8)?);
        let owner = offset.checked_add(HEADER)?;
        let content = owner.checked_add(owner_len.checked_next_multiple_of(4)?)?;
        let next = content.checked_add(content_len.checked_next_multiple_of(4)?)?;
        let of = |start: usize, len: usize| data.get(start..)?.get(..len);
        Some((of(owner, owner_len)?, kind, of(content, content_len)?, next))
    }

    fn usdt_note(&self, content: &'d [u8]) -> Option<RawProbe<'d>> {
        let size = if self.is_64_bit() { 8 } else { 4 };
        let word = |number: usize| {
            word_at(
                content,
                number.checked_mul(size)?,
                self.is_64_bit(),
                self.endian(),
            )
        };
        let text = content.get(size.checked_mul(3)?..)?;
        let provider = string_at(text, 0)?;
        let name = string_at(text, provider.len().checked_add(1)?)?;
        let arguments = string_at(text, provider.len().checked_add(name.len())?.checked_add(2)?);
        let has_names = !provider.is_empty() && !name.is_empty();
        has_names.then_some(RawProbe {
            provider,
            name,
            // some forms say "none" with a colon
            arguments: arguments.filter(|text| !text.starts_with(':')).unwrap_or(""),
            address: word(0)?,
            base: word(1)?,
            semaphore: word(2)?,
        })
    }

    fn place(&self, raw: &RawProbe<'d>, base: Option<u64>) -> Result<UsdtProbe<'d>, &'static str> {
        let moved = match base {
            Some(base) if base != 0 && raw.base != 0 => base.wrapping_sub(raw.base),
            _ => 0,
        };
        let address = raw.address.wrapping_add(moved);
        let (file_offset, segment) = self
            .segment_offset(address)
            .ok_or("static probe is at an address that is not loaded from the file")?;
        if segment == Segment::Data {
            return Err("static probe is not in code");
        }
        let semaphore = match raw.semaphore {
            0 => None,
            semaphore => match self.segment_offset(semaphore.wrapping_add(moved)) {
                Some((offset, Segment::Data)) => Some(offset),
                Some((_, Segment::Code)) => return Err("semaphore of a static probe is in code"),
                None => return Err("semaphore of a static probe is not loaded from the file"),
            },
        };
        Ok(UsdtProbe {
            provider: raw.provider,
            name: raw.name,
            arguments: raw.arguments,
            address,
            file_offset,
            semaphore,
            machine: self.machine(),
        })
    }
}

/// A note as it stands in the file.
struct RawProbe<'d> {
    provider: &'d str,
    name: &'d str,
    arguments: &'d str,
    address: u64,
    base: u64,
    semaphore: u64,
}
