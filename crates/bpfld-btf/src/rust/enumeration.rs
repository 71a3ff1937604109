//! Enumerations: a number with names for some of its values.

use alloc::{
    format,
    string::{String, ToString},
};
use core::fmt::Write;

use super::{
    names::{Scope, comment},
    printer::{ALLOW, NAMED, Printer, UNIT},
};
use crate::{DeclareError, Error, ErrorKind, Type};

const DERIVE_ENUM: &str = "#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ::zerocopy::FromBytes, ::zerocopy::Immutable, ::zerocopy::IntoBytes, ::zerocopy::KnownLayout)]\n";

impl<'a> Printer<'a> {
    pub(super) fn enumeration(&mut self, ty: &Type<'a>, name: &str) -> Result<(), DeclareError> {
        let size = ty.size_bytes().unwrap_or(0);
        let Some(number) = number_of(size, ty.is_signed_enum()) else {
            let kind = ErrorKind::UnexpectedKind {
                id: ty.id(),
                kind: ty.kind(),
                expected: "an enumeration of 1, 2, 4 or 8 bytes",
            };
            return Err(Error::new(kind, 0).into());
        };
        let mut scope = Scope::default();
        let mut values = String::new();
        self.spend(name.len().saturating_mul(NAMED) / UNIT)?;
        for value in ty.enum_values() {
            let constant = scope.claim(value.name()?);
            self.spend(1 + constant.len() / UNIT)?;
            let wrapped = wrap(value.value(), size, value.signed);
            let _ = writeln!(values, "    pub const {constant}: Self = Self({wrapped});");
        }
        let title = comment(&self.btf.type_name(ty.id()));
        let _ = writeln!(
            self.out,
            "/// `{title}`: any number, some of which have names.\n{ALLOW}#[repr(transparent)]\n{DERIVE_ENUM}pub struct {name}(pub {number});\n"
        );
        self.finish_struct(name, &values);
        self.assertions(name, size, &[]);
        Ok(())
    }
}

/// A value as a number of this size: what does not fit is cut off, as C does.
fn wrap(value: i128, size: u32, signed: bool) -> String {
    match (size, signed) {
        (1, true) => (value as i8).to_string(),
        (1, false) => (value as u8).to_string(),
        (2, true) => (value as i16).to_string(),
        (2, false) => (value as u16).to_string(),
        (4, true) => (value as i32).to_string(),
        (4, false) => (value as u32).to_string(),
        (_, true) => (value as i64).to_string(),
        (_, false) => (value as u64).to_string(),
    }
}

/// Rust's number of a size in bytes.
pub(super) fn number_of(size: u32, signed: bool) -> Option<String> {
    let sign = if signed { 'i' } else { 'u' };
    matches!(size, 1 | 2 | 4 | 8 | 16).then(|| format!("{sign}{}", size * 8))
}
