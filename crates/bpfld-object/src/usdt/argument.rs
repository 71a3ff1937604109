//! The arguments of static probes, as assemblers write them: `SIZE@OPERAND`, separated by spaces.
//!
//! The size is in bytes, negative for signed numbers. What an operand looks like depends on the machine:
//!
//! | | constant | register | memory |
//! | --- | --- | --- | --- |
//! | x86-64 | `$5` | `%rax` | `-4(%rbp)`, `8(%rax,%rcx,4)` |
//! | arm64 | `5` | `x0` | `[sp, 12]` |
//! | riscv64 | `5` | `a0` | `-4(s0)` |
//! | s390x | `5` | `%r2` | `160(%r15)` |

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use goblin::elf::header::EM_X86_64;

use super::register;
use crate::{Error, ErrorKind};

/// An argument of a static probe: an integer of 1, 2, 4 or 8 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UsdtArgument {
    /// Its size in bytes.
    pub size: u8,
    /// Whether it may be negative.
    pub signed: bool,
    /// Where it is when the probe is hit.
    pub location: UsdtLocation,
}

impl UsdtArgument {
    /// An argument of so many bytes.
    #[must_use]
    pub fn new(size: u8, signed: bool, location: UsdtLocation) -> Self {
        Self {
            size,
            signed,
            location,
        }
    }
}

/// Where an argument of a static probe is. Registers are given as offsets in bytes in what a program gets as context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsdtLocation {
    /// Nowhere: it always has this value (negative ones in two's complement).
    Constant(u64),
    /// In a register.
    Register(u16),
    /// In memory: so many bytes after what a register points to.
    Memory {
        /// The register.
        base: u16,
        /// Bytes to add.
        offset: i64,
    },
    /// In memory, at an element of an array: `base + (index << shift) + offset`.
    Indexed {
        /// The register with the address.
        base: u16,
        /// The register with the number of the element.
        index: u16,
        /// The size of an element, as a power of two: 0 to 3.
        shift: u8,
        /// Bytes to add.
        offset: i64,
    },
}

/// The arguments of a probe for an ELF machine.
pub(super) fn parse(machine: u16, text: &str) -> Result<Vec<UsdtArgument>, Error> {
    if !register::knows(machine) {
        let detail = format!("arguments of static probes are not known for ELF machine {machine}");
        return Err(Error::new(ErrorKind::Program, detail));
    }
    let mut parser = Parser { machine, rest: text };
    let mut arguments = Vec::new();
    loop {
        parser.skip_spaces();
        if parser.rest.is_empty() {
            return Ok(arguments);
        }
        let start = parser.rest;
        let argument = parser.argument().map_err(|fault| {
            let (number, left) = (arguments.len(), parser.rest);
            let end = left.find(' ').unwrap_or(left.len()) + start.len() - left.len();
            let shown = start.get(..end).unwrap_or(start);
            Error::new(
                ErrorKind::Program,
                format!("argument {number}, '{shown}', {fault}"),
            )
        })?;
        arguments.push(argument);
    }
}

struct Parser<'t> {
    machine: u16,
    rest: &'t str,
}

type Fault = String;

impl<'t> Parser<'t> {
    fn argument(&mut self) -> Result<UsdtArgument, Fault> {
        let size = self.number().ok_or("does not begin with a size")?;
        if self.take('f') {
            return Err("is a floating-point number, which programs cannot get".into());
        }
        if !self.take('@') {
            return Err("has no '@' after its size".into());
        }
        let location = self.operand()?;
        if !(self.rest.is_empty() || self.rest.starts_with([' ', '\t'])) {
            return Err("goes on in a way that is not known".into());
        }
        let signed = size < 0;
        match size.unsigned_abs() {
            size @ (1 | 2 | 4 | 8) => Ok(UsdtArgument {
                size: size as u8,
                signed,
                location,
            }),
            size => Err(format!("is of {size} bytes, not of 1, 2, 4 or 8")),
        }
    }

    fn operand(&mut self) -> Result<UsdtLocation, Fault> {
        if self.take('[') {
            return self.bracketed();
        }
        if self.take('$') {
            let value = self.number().ok_or("has no number after '$'")?;
            return Ok(UsdtLocation::Constant(value as u64));
        }
        let offset = match self.number() {
            Some(offset) if !self.rest.starts_with('(') => {
                // There it would be an address.
                if self.machine == EM_X86_64 {
                    return Err("is at a fixed address, which is not known here".into());
                }
                return Ok(UsdtLocation::Constant(offset as u64));
            }
            offset => offset,
        };
        if self.take('(') {
            let offset = i64::try_from(offset.unwrap_or(0)).map_err(|_| "has an offset that is too large")?;
            return self.parenthesized(offset);
        }
        Ok(UsdtLocation::Register(self.register()?))
    }

    /// `BASE)`, `BASE,INDEX)` or `BASE,INDEX,SCALE)`.
    fn parenthesized(&mut self, offset: i64) -> Result<UsdtLocation, Fault> {
        let base = self.register()?;
        let location = if self.comma() {
            let index = self.register()?;
            let scale = if self.comma() { self.number() } else { Some(1) };
            let shift = match scale {
                Some(scale @ (1 | 2 | 4 | 8)) => scale.trailing_zeros() as u8,
                _ => return Err("has a scale that is not 1, 2, 4 or 8".into()),
            };
            UsdtLocation::Indexed {
                base,
                index,
                shift,
                offset,
            }
        } else {
            UsdtLocation::Memory { base, offset }
        };
        self.skip_spaces();
        if self.take(')') {
            Ok(location)
        } else {
            Err("lacks a ')'".into())
        }
    }

    /// `BASE]` or `BASE, OFFSET]`.
    fn bracketed(&mut self) -> Result<UsdtLocation, Fault> {
        let base = self.register()?;
        let mut offset = 0;
        if self.comma() {
            self.take('#');
            let number = self.number().ok_or("has no number after ','")?;
            offset = i64::try_from(number).map_err(|_| "has an offset that is too large")?;
        }
        self.skip_spaces();
        if self.take(']') {
            Ok(UsdtLocation::Memory { base, offset })
        } else {
            Err("lacks a ']'".into())
        }
    }

    fn register(&mut self) -> Result<u16, Fault> {
        self.skip_spaces();
        self.take('%');
        let length = self
            .rest
            .find(|c: char| !c.is_ascii_alphanumeric())
            .unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(length);
        let offset = register::offset(self.machine, name);
        let offset = offset.ok_or_else(|| format!("names '{name}', which is no register of integers"))?;
        self.rest = rest;
        Ok(offset)
    }

    /// A number with or without sign, decimal or hexadecimal, of at most 64 bits.
    fn number(&mut self) -> Option<i128> {
        let (negative, rest) = match self.rest.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, self.rest),
        };
        let (digits, radix) = match rest.strip_prefix("0x") {
            Some(digits) => (digits, 16),
            None => (rest, 10),
        };
        let length = digits.find(|c: char| !c.is_digit(radix)).unwrap_or(digits.len());
        let (digits, rest) = digits.split_at(length);
        let value = i128::from(u64::from_str_radix(digits, radix).ok()?);
        self.rest = rest;
        Some(if negative { -value } else { value })
    }

    fn comma(&mut self) -> bool {
        self.skip_spaces();
        let found = self.take(',');
        self.skip_spaces();
        found
    }

    fn take(&mut self, wanted: char) -> bool {
        let rest = self.rest.strip_prefix(wanted);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn skip_spaces(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }
}

#[cfg(test)]
mod tests {
    use super::UsdtLocation::{Constant, Indexed, Memory, Register};
    use super::*;
    use alloc::string::ToString;
    use goblin::elf::header::{EM_AARCH64, EM_ARM, EM_RISCV, EM_S390};

    #[track_caller]
    fn check(machine: u16, text: &str, expected: &[(i8, UsdtLocation)]) {
        let found = parse(machine, text).unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|argument| {
                let size = argument.size as i8;
                (if argument.signed { -size } else { size }, argument.location)
            })
            .collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn x86_64() {
        check(EM_X86_64, "", &[]);
        check(
            EM_X86_64,
            "-4@%esi -4@-24(%rbp) 2@%ax 8@$71 -4@$-9 8@(%rsp)",
            &[
                (-4, Register(104)),
                (
                    -4,
                    Memory {
                        base: 32,
                        offset: -24,
                    },
                ),
                (2, Register(80)),
                (8, Constant(71)),
                (-4, Constant(-9i64 as u64)),
                (8, Memory { base: 152, offset: 0 }),
            ],
        );
        let indexed = |shift, offset| Indexed {
            base: 32,
            index: 80,
            shift,
            offset,
        };
        check(
            EM_X86_64,
            "1@-96(%rbp,%rax,8) -1@(%rbp,%rax) 8@0x10(%rbp,%rax,2)  1@%ah",
            &[
                (1, indexed(3, -96)),
                (-1, indexed(0, 0)),
                (8, indexed(1, 16)),
                (1, Register(81)),
            ],
        );
        check(EM_X86_64, "8@$18446744073709551615", &[(8, Constant(u64::MAX))]);
    }

    #[test]
    fn others() {
        check(
            EM_AARCH64,
            "-4@[sp, 12] 8@[x19] -8@x4 4@w0 -4@-5 8@[x29, -16]",
            &[
                (
                    -4,
                    Memory {
                        base: 248,
                        offset: 12,
                    },
                ),
                (8, Memory { base: 152, offset: 0 }),
                (-8, Register(32)),
                (4, Register(0)),
                (-4, Constant(-5i64 as u64)),
                (
                    8,
                    Memory {
                        base: 232,
                        offset: -16,
                    },
                ),
            ],
        );
        check(
            EM_RISCV,
            "-8@-88(s0) 4@5 -8@a1",
            &[
                (
                    -8,
                    Memory {
                        base: 64,
                        offset: -88,
                    },
                ),
                (4, Constant(5)),
                (-8, Register(88)),
            ],
        );
        check(
            EM_S390,
            "-2@160(%r15) 8@%r2 -4@1",
            &[
                (
                    -2,
                    Memory {
                        base: 144,
                        offset: 160,
                    },
                ),
                (8, Register(40)),
                (-4, Constant(1)),
            ],
        );
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (text, expected) in [
            (
                "4@%eax 8f@%xmm0 8@%rax",
                "argument 1, '8f@%xmm0', is a floating-point number, which programs cannot get",
            ),
            (
                "8@%xmm0",
                "argument 0, '8@%xmm0', names 'xmm0', which is no register of integers",
            ),
            (
                "3@%eax",
                "argument 0, '3@%eax', is of 3 bytes, not of 1, 2, 4 or 8",
            ),
            ("@%eax", "argument 0, '@%eax', does not begin with a size"),
            ("4%eax", "argument 0, '4%eax', has no '@' after its size"),
            (
                "4@%eax$",
                "argument 0, '4@%eax$', goes on in a way that is not known",
            ),
            ("4@8(%rax", "argument 0, '4@8(%rax', lacks a ')'"),
            (
                "4@(%rax,%rbx,3)",
                "argument 0, '4@(%rax,%rbx,3)', has a scale that is not 1, 2, 4 or 8",
            ),
            ("4@[rax", "argument 0, '4@[rax', lacks a ']'"),
            (
                "4@4096",
                "argument 0, '4@4096', is at a fixed address, which is not known here",
            ),
            (
                "4@name(%rip)",
                "argument 0, '4@name(%rip)', names 'name', which is no register of integers",
            ),
            ("4@$", "argument 0, '4@$', has no number after '$'"),
            (
                "4@$99999999999999999999",
                "argument 0, '4@$99999999999999999999', has no number after '$'",
            ),
        ] {
            assert_eq!(parse(EM_X86_64, text).unwrap_err().to_string(), expected);
        }
        parse(EM_ARM, "4@r0").unwrap_err();
    }
}
