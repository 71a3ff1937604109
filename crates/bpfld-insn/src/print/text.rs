//! Pieces of text that the dialects share: numbers, addresses, targets.

use core::fmt::{self, Write};

use crate::helper::Helper;
use crate::insn::Address;
use crate::isa::{Reg, Width};

/// What an instruction refers to, where it refers to code or to a symbol.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(
    not(feature = "alloc"),
    expect(dead_code, reason = "names occur in listings, which allocate")
)]
pub(super) enum Refer<'a> {
    /// The distance or number in the instruction.
    Number,
    /// A numbered label of this listing: a letter that tells its kind, and its number.
    Label(char, usize),
    /// A name, and a distance from it in bytes.
    Symbol(&'a str, i64),
}

/// How numbers and names are written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub(super) hex: bool,
    pub(super) helper_names: bool,
    pub(super) map_ids: bool,
}

/// Writes a number without the machinery of `core::fmt`, which takes longer than the rest of the line.
pub(super) fn unsigned<W: Write + ?Sized>(out: &mut W, mut value: u64, hex: bool) -> fmt::Result {
    let mut digits = [0_u8; 20];
    let mut start = digits.len();
    let base = if hex { 16 } else { 10 };
    for digit in digits.iter_mut().rev() {
        *digit = match (value % base) as u8 {
            ones @ 0..=9 => b'0' + ones,
            letter => b'a' - 10 + letter,
        };
        value /= base;
        start -= 1;
        if value == 0 {
            break;
        }
    }
    if hex {
        out.write_str("0x")?;
    }
    let text = digits
        .get(start..)
        .and_then(|digits| core::str::from_utf8(digits).ok());
    out.write_str(text.unwrap_or_default())
}

/// A number with a minus where it is negative.
pub(super) fn signed<W: Write + ?Sized>(out: &mut W, value: i64, hex: bool) -> fmt::Result {
    if value < 0 {
        out.write_char('-')?;
    }
    unsigned(out, value.unsigned_abs(), hex)
}

/// A number with a sign in any case.
pub(super) fn distance<W: Write + ?Sized>(out: &mut W, value: i64, hex: bool) -> fmt::Result {
    out.write_char(if value < 0 { '-' } else { '+' })?;
    unsigned(out, value.unsigned_abs(), hex)
}

/// A number set off from what it is added to: ` + 5`, ` - 8`.
pub(super) fn spaced<W: Write + ?Sized>(out: &mut W, value: i64, hex: bool) -> fmt::Result {
    out.write_str(if value < 0 { " - " } else { " + " })?;
    unsigned(out, value.unsigned_abs(), hex)
}

/// The name of a register.
pub(super) const fn r(reg: Reg) -> &'static str {
    match reg {
        Reg::R0 => "r0",
        Reg::R1 => "r1",
        Reg::R2 => "r2",
        Reg::R3 => "r3",
        Reg::R4 => "r4",
        Reg::R5 => "r5",
        Reg::R6 => "r6",
        Reg::R7 => "r7",
        Reg::R8 => "r8",
        Reg::R9 => "r9",
        Reg::R10 => "r10",
        Reg::R11 => "r11",
    }
}

/// The name of a register of this width.
pub(super) const fn reg(width: Width, reg: Reg) -> &'static str {
    match width {
        Width::W64 => r(reg),
        Width::W32 => match reg {
            Reg::R0 => "w0",
            Reg::R1 => "w1",
            Reg::R2 => "w2",
            Reg::R3 => "w3",
            Reg::R4 => "w4",
            Reg::R5 => "w5",
            Reg::R6 => "w6",
            Reg::R7 => "w7",
            Reg::R8 => "w8",
            Reg::R9 => "w9",
            Reg::R10 => "w10",
            Reg::R11 => "w11",
        },
    }
}

/// A label or symbol; `false` if there is only the number.
pub(super) fn named<W: Write + ?Sized>(out: &mut W, refer: Refer<'_>) -> Result<bool, fmt::Error> {
    match refer {
        Refer::Number => return Ok(false),
        Refer::Label(kind, number) => {
            out.write_char(kind)?;
            unsigned(out, number as u64, false)?;
        }
        Refer::Symbol(name, offset) => {
            name_text(out, name)?;
            if offset != 0 {
                distance(out, offset, false)?;
            }
        }
    }
    Ok(true)
}

/// A name, quoted where it is no plain identifier.
pub(super) fn name_text<W: Write + ?Sized>(out: &mut W, name: &str) -> fmt::Result {
    if is_plain(name) {
        return out.write_str(name);
    }
    out.write_char('"')?;
    for char in name.chars() {
        match char {
            '"' | '\\' => {
                out.write_char('\\')?;
                out.write_char(char)?;
            }
            '\n' => out.write_str("\\n")?,
            _ => out.write_char(char)?,
        }
    }
    out.write_char('"')
}

/// Can the name stand without quotes: a letter, underscore or dot, then these, digits, `$` and `@`; and no register?
fn is_plain(name: &str) -> bool {
    let mut bytes = name.bytes();
    let starts = bytes
        .next()
        .is_some_and(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'.'));
    starts
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'$'))
        && !is_word(name)
}

/// Would the assembler take this for a register or another word of its own where it expects a name?
fn is_word(name: &str) -> bool {
    let number = name.strip_prefix(['r', 'w', 'R', 'W']);
    number.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
        || matches!(
            name,
            "fp" | "pc" | "kfunc" | "map" | "var" | "subprog" | "helper" | "ll" | "goto"
        )
}

/// What a 64-bit load stands for: `map[fd:7]`, `map[fd:7][0]+8`, `map[idx:7]+8`, `subprog[+5]` as bpftool prints them;
/// `var[id:7]` where it prints only a number.
pub(super) fn address<W: Write + ?Sized>(out: &mut W, address: Address, style: Style) -> fmt::Result {
    let map = if style.map_ids { "map[id:" } else { "map[fd:" };
    match address {
        Address::Map { fd } => {
            out.write_str(map)?;
            signed(out, fd.into(), false)?;
            out.write_str("]")
        }
        Address::MapValue { fd, offset } => {
            out.write_str(map)?;
            signed(out, fd.into(), false)?;
            out.write_str("][0]+")?;
            unsigned(out, offset.into(), false)
        }
        Address::MapIndex { index } => {
            out.write_str("map[idx:")?;
            unsigned(out, index.into(), false)?;
            out.write_str("]")
        }
        Address::MapIndexValue { index, offset } => {
            out.write_str("map[idx:")?;
            unsigned(out, index.into(), false)?;
            out.write_str("]+")?;
            unsigned(out, offset.into(), false)
        }
        Address::Variable { btf_id, module_fd } => {
            out.write_str("var[id:")?;
            unsigned(out, btf_id.into(), false)?;
            if module_fd != 0 {
                out.write_str("][fd:")?;
                signed(out, module_fd.into(), false)?;
            }
            out.write_str("]")
        }
        Address::Func { offset } => {
            out.write_str("subprog[")?;
            distance(out, offset.into(), false)?;
            out.write_str("]")
        }
    }
}

/// The operand of a call of a helper function, in the dialects that write its name or its number.
pub(super) fn helper<W: Write + ?Sized>(
    out: &mut W,
    refer: Refer<'_>,
    helper: Helper,
    style: Style,
) -> fmt::Result {
    if named(out, refer)? {
        return Ok(());
    }
    match helper.name().filter(|_| style.helper_names) {
        Some(name) => {
            out.write_str("bpf_")?;
            out.write_str(name)
        }
        None => unsigned(out, helper.0.into(), style.hex),
    }
}

/// The operand of a call of a kernel function, in the dialects that have no form of their own for its number.
pub(super) fn kfunc<W: Write + ?Sized>(
    out: &mut W,
    refer: Refer<'_>,
    btf_id: u32,
    module: i16,
) -> fmt::Result {
    if let Refer::Symbol(..) = refer {
        return named(out, refer).map(|_| ());
    }
    out.write_str("kfunc ")?;
    unsigned(out, btf_id.into(), false)?;
    if module != 0 {
        out.write_str(", ")?;
        signed(out, module.into(), false)?;
    }
    Ok(())
}
