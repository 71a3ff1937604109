//! Values of `__kconfig` variables, from what the kernel's configuration says to the bytes of the variable.

use std::borrow::Cow;

use bpfld_features::ConfigValue;
use bpfld_insn::Endian;
use bpfld_object::KconfigValue;

type Message = Cow<'static, str>;

/// Writes what the configuration says to a variable.
pub(crate) fn write(shape: KconfigValue, value: ConfigValue<'_>, out: &mut [u8]) -> Result<(), Message> {
    match value {
        ConfigValue::Yes => shape.write_letter(b'y', out, Endian::NATIVE),
        ConfigValue::Module => shape.write_letter(b'm', out, Endian::NATIVE),
        ConfigValue::No => shape.write_letter(b'n', out, Endian::NATIVE),
        ConfigValue::Text(text) => shape.write_text(text, out),
        ConfigValue::Number(number) => match shape {
            KconfigValue::Bool => Err(format!("the configured value {number} is no y or n").into()),
            _ => shape.write_number(number, out, Endian::NATIVE),
        },
        ConfigValue::Other(text) => Err(format!("the configured value {text} is of no known form").into()),
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
        KconfigValue::Bool
            .write_number(1, &mut out, Endian::NATIVE)
            .unwrap();
        assert_eq!(out, [1]);
        assert!(
            KconfigValue::Bool
                .write_number(2, &mut out, Endian::NATIVE)
                .is_err()
        );
    }
}
