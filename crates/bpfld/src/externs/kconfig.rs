//! Values of `__kconfig` variables, from what the kernel's configuration says to the bytes of the variable.

use std::borrow::Cow;

use bpfld_features::ConfigValue;
use bpfld_object::KconfigValue;

type Message = Cow<'static, str>;

/// Writes what the configuration says to a variable.
pub(crate) fn write(shape: KconfigValue, value: ConfigValue<'_>, out: &mut [u8]) -> Result<(), Message> {
    match value {
        ConfigValue::Yes => write_letter(shape, b'y', out),
        ConfigValue::Module => write_letter(shape, b'm', out),
        ConfigValue::No => write_letter(shape, b'n', out),
        ConfigValue::Text(text) => write_text(shape, text, out),
        ConfigValue::Number(number) => match shape {
            KconfigValue::Bool => Err(format!("the configured value {number} is no y or n").into()),
            _ => write_number(shape, number, out),
        },
        ConfigValue::Other(text) => Err(format!("the configured value {text} is of no known form").into()),
    }
}

/// Writes a number, checked to fit.
pub(crate) fn write_number(shape: KconfigValue, value: u64, out: &mut [u8]) -> Result<(), Message> {
    let signed = match shape {
        KconfigValue::Int { signed } | KconfigValue::Char { signed } => signed,
        KconfigValue::Bool if value <= 1 => false,
        KconfigValue::Bool => return Err(format!("the value {value} is no truth value").into()),
        _ => return Err(format!("the value {value} needs an integer variable").into()),
    };
    if !fits(value, out.len(), signed) {
        return Err(format!("the value {value} does not fit in {} bytes", out.len()).into());
    }
    write_bytes(value, out)
}

fn write_letter(shape: KconfigValue, letter: u8, out: &mut [u8]) -> Result<(), Message> {
    let value = match (shape, letter) {
        (KconfigValue::Bool | KconfigValue::Tristate, b'n') => 0,
        (KconfigValue::Bool | KconfigValue::Tristate, b'y') => 1,
        (KconfigValue::Tristate, b'm') => 2,
        (KconfigValue::Char { .. }, letter) => u64::from(letter),
        (KconfigValue::Bool, _) => {
            return Err("the configured value m needs a tristate or char variable".into());
        }
        _ => {
            let letter = char::from(letter);
            return Err(
                format!("the configured value {letter} needs a bool, tristate or char variable").into(),
            );
        }
    };
    write_bytes(value, out)
}

/// Writes a string, cut to fit and closed by a NUL byte.
fn write_text(shape: KconfigValue, text: &str, out: &mut [u8]) -> Result<(), Message> {
    if shape != KconfigValue::String {
        return Err(format!("the configured value \"{text}\" needs a char array").into());
    }
    let room = out.len().saturating_sub(1);
    out.fill(0);
    for (to, from) in out.iter_mut().take(room).zip(text.as_bytes()) {
        *to = *from;
    }
    Ok(())
}

/// The low bytes of a number, in host order.
fn write_bytes(value: u64, out: &mut [u8]) -> Result<(), Message> {
    let size = out.len();
    let bytes = value.to_le_bytes();
    let Some(bytes) = bytes.get(..size).filter(|_| matches!(size, 1 | 2 | 4 | 8)) else {
        return Err(format!("variables of {size} bytes are not supported here").into());
    };
    out.copy_from_slice(bytes);
    if cfg!(target_endian = "big") {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(shape: KconfigValue, size: usize, text: &str, expected: Result<u64, &str>) {
        let mut out = vec![0; size];
        let result = write(shape, ConfigValue::parse(text), &mut out);
        match expected {
            Ok(value) => {
                result.unwrap();
                let mut bytes = value.to_le_bytes()[..size].to_vec();
                if cfg!(target_endian = "big") {
                    bytes.reverse();
                }
                assert_eq!(out, bytes);
            }
            Err(message) => assert_eq!(result.unwrap_err(), message),
        }
    }

    const UNSIGNED: KconfigValue = KconfigValue::Int { signed: false };
    const SIGNED: KconfigValue = KconfigValue::Int { signed: true };

    #[test]
    fn letters() {
        check(KconfigValue::Bool, 1, "y", Ok(1));
        check(KconfigValue::Bool, 1, "n", Ok(0));
        check(
            KconfigValue::Bool,
            1,
            "m",
            Err("the configured value m needs a tristate or char variable"),
        );
        check(
            KconfigValue::Bool,
            1,
            "1",
            Err("the configured value 1 is no y or n"),
        );
        check(KconfigValue::Tristate, 4, "m", Ok(2));
        check(KconfigValue::Tristate, 4, "y", Ok(1));
        check(KconfigValue::Char { signed: true }, 1, "m", Ok(b'm'.into()));
        check(
            UNSIGNED,
            4,
            "y",
            Err("the configured value y needs a bool, tristate or char variable"),
        );
    }

    #[test]
    fn numbers_must_fit() {
        check(UNSIGNED, 2, "0xffff", Ok(0xffff));
        check(
            UNSIGNED,
            2,
            "65536",
            Err("the value 65536 does not fit in 2 bytes"),
        );
        check(SIGNED, 1, "-128", Ok(0x80));
        check(SIGNED, 1, "128", Err("the value 128 does not fit in 1 bytes"));
        check(SIGNED, 8, "-1", Ok(u64::MAX));
        check(SIGNED, 4, "010", Ok(8));
        check(
            SIGNED,
            4,
            "12x",
            Err("the configured value 12x is of no known form"),
        );
        check(SIGNED, 3, "1", Err("variables of 3 bytes are not supported here"));
        check(SIGNED, 0, "1", Err("the value 1 does not fit in 0 bytes"));
        check(
            KconfigValue::String,
            4,
            "1",
            Err("the value 1 needs an integer variable"),
        );
    }

    #[test]
    fn strings_are_cut_and_closed() {
        let mut out = [0xff; 4];
        write(KconfigValue::String, ConfigValue::Text("abcdef"), &mut out).unwrap();
        assert_eq!(&out, b"abc\0");
        write(KconfigValue::String, ConfigValue::Text(""), &mut out).unwrap();
        assert_eq!(&out, b"\0\0\0\0");
        assert!(write(KconfigValue::Bool, ConfigValue::Text("a"), &mut [0]).is_err());
    }

    #[test]
    fn truth_values() {
        let mut out = [7];
        write_number(KconfigValue::Bool, 1, &mut out).unwrap();
        assert_eq!(out, [1]);
        assert!(write_number(KconfigValue::Bool, 2, &mut out).is_err());
    }
}
