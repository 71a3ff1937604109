//! The bytes of configuration values (`__kconfig` variables), in the order of the object's machine.

use alloc::borrow::Cow;
use alloc::format;

use bpfld_insn::Endian;

use crate::KconfigValue;

/// What is wrong with a value, in words.
type Message = Cow<'static, str>;

impl KconfigValue {
    /// Writes a number to a variable, checked to fit.
    ///
    /// # Errors
    ///
    /// The variable holds no numbers, or not this one.
    pub fn write_number(self, value: u64, out: &mut [u8], endian: Endian) -> Result<(), Message> {
        let signed = match self {
            Self::Int { signed } | Self::Char { signed } => signed,
            Self::Bool if value <= 1 => false,
            Self::Bool => return Err(format!("the value {value} is no truth value").into()),
            _ => return Err(format!("the value {value} needs an integer variable").into()),
        };
        if !fits(value, out.len(), signed) {
            return Err(format!("the value {value} does not fit in {} bytes", out.len()).into());
        }
        write_bytes(value, out, endian)
    }

    /// Writes `y`, `m` or `n` to a variable.
    ///
    /// # Errors
    ///
    /// The variable cannot hold it.
    pub fn write_letter(self, letter: u8, out: &mut [u8], endian: Endian) -> Result<(), Message> {
        let value = match (self, letter) {
            (Self::Bool | Self::Tristate, b'n') => 0,
            (Self::Bool | Self::Tristate, b'y') => 1,
            (Self::Tristate, b'm') => 2,
            (Self::Char { .. }, letter) => u64::from(letter),
            (Self::Bool, _) => {
                return Err("the configured value m needs a tristate or char variable".into());
            }
            _ => {
                let letter = char::from(letter);
                return Err(
                    format!("the configured value {letter} needs a bool, tristate or char variable").into(),
                );
            }
        };
        write_bytes(value, out, endian)
    }

    /// Writes a string to a variable, cut to fit and closed by a NUL byte.
    ///
    /// # Errors
    ///
    /// The variable holds no strings.
    pub fn write_text(self, text: &str, out: &mut [u8]) -> Result<(), Message> {
        if self != Self::String {
            return Err(format!("the configured value \"{text}\" needs a char array").into());
        }
        let room = out.len().saturating_sub(1);
        out.fill(0);
        for (to, from) in out.iter_mut().take(room).zip(text.as_bytes()) {
            *to = *from;
        }
        Ok(())
    }
}

/// The low bytes of a number.
fn write_bytes(value: u64, out: &mut [u8], endian: Endian) -> Result<(), Message> {
    let size = out.len();
    let bytes = value.to_le_bytes();
    let Some(bytes) = bytes.get(..size).filter(|_| matches!(size, 1 | 2 | 4 | 8)) else {
        return Err(format!("variables of {size} bytes are not supported here").into());
    };
    out.copy_from_slice(bytes);
    if endian == Endian::Big {
        out.reverse();
    }
    Ok(())
}

fn fits(value: u64, size: usize, signed: bool) -> bool {
    match size {
        0 => false,
        8.. => true,
        _ if signed => {
            let unused = 64 - size * 8;
            let value = value as i64;
            value << unused >> unused == value
        }
        _ => value >> (size * 8) == 0,
    }
}
