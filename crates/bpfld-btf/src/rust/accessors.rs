//! Methods that read and write what has no field of its own: bit fields, and the members of unions.

use alloc::{borrow::ToOwned, format, string::String};
use core::fmt::Write;

use super::{
    enumeration::number_of,
    names::{Scope, comment},
    plan::{BitField, Plan},
    printer::{ALLOW, DERIVE, NAMED, Printer, UNIT},
};
use crate::{
    DeclareError, IntEncoding, Kind, Type,
    bit_field::{bit_start, bit_width},
};

/// Methods to be printed after a struct.
#[derive(Default)]
pub(super) struct Methods {
    pub(super) scope: Scope,
    pub(super) text: String,
}

impl<'a> Printer<'a> {
    /// A union is bytes, as aligned as its members, which are read and written by methods.
    pub(super) fn union(&mut self, ty: &Type<'a>, name: &str) -> Result<(), DeclareError> {
        let Plan { shape, .. } = self.planner.plan(ty)?;
        let mut methods = Methods::default();
        let mut unnamed = 0;
        self.spend(name.len().saturating_mul(NAMED) / UNIT)?;
        for member in ty.members() {
            self.spend(1)?;
            let before = methods.text.len();
            let bits = bit_width(self.btf, &member);
            if bits != 0 {
                let bit_field = BitField {
                    member,
                    start: bit_start(self.btf, &member),
                    bits,
                };
                self.bit_methods(
                    &mut methods,
                    "::zerocopy::IntoBytes::as_bytes(self)",
                    &bit_field,
                    name,
                )?;
                self.spend((methods.text.len() - before) / UNIT)?;
                continue;
            }
            let c_name = match member.name()? {
                "" => {
                    unnamed += 1;
                    format!("__unnamed_{}", unnamed - 1)
                }
                name => name.to_owned(),
            };
            let spelled = self.spell(member.type_id, &format!("{name}__{c_name}"))?;
            let title = comment(&self.btf.type_name(member.type_id));
            let (get, set) = (
                methods.scope.claim(&c_name),
                methods.scope.claim(&format!("set_{c_name}")),
            );
            self.needs_part = true;
            let _ = writeln!(
                methods.text,
                "    /// Member `{}`: `{title}`.\n    pub fn {get}(&self) -> {spelled} {{\n        __part(::zerocopy::IntoBytes::as_bytes(self))\n    }}\n\n    /// Writes member `{}`.\n    pub fn {set}(&mut self, value: {spelled}) {{\n        let _ = ::zerocopy::IntoBytes::write_to_prefix(&value, ::zerocopy::IntoBytes::as_mut_bytes(self));\n    }}\n",
                comment(&c_name),
                comment(&c_name),
            );
            self.spend((methods.text.len() - before) / UNIT)?;
        }
        let (size, align) = (shape.size, shape.align);
        let title = comment(&self.btf.type_name(ty.id()));
        let (unit, count) = (align * 8, size / align);
        let _ = writeln!(
            self.out,
            "/// `{title}`, {size} bytes: one of its members at a time.\n{ALLOW}#[repr(C)]\n{DERIVE}pub struct {name} {{\n    pub _storage: [u{unit}; {count}],\n}}\n"
        );
        self.finish_struct(name, &methods.text);
        self.assertions(name, size, &[]);
        Ok(())
    }

    /// The methods of a bit field that lies in the bytes `place`.
    pub(super) fn bit_methods(
        &mut self,
        methods: &mut Methods,
        place: &str,
        bit_field: &BitField<'a>,
        owner: &str,
    ) -> Result<(), DeclareError> {
        self.spend(1)?;
        let BitField { member, start, bits } = bit_field;
        let c_name = member.name()?;
        // Padding has no name; what is wider than 64 bits, or no number, no compiler makes.
        let ty = self.btf.resolve(member.type_id)?;
        let is_number = matches!(ty.kind(), Kind::INT | Kind::ENUM | Kind::ENUM64);
        let is_number = is_number
            && ty
                .size_bytes()
                .is_some_and(|size| number_of(size, false).is_some());
        if c_name.is_empty() || *bits > 64 || !is_number {
            return Ok(());
        }
        self.needs_bits = true;
        let spelled = self.spell(member.type_id, &format!("{owner}__{c_name}"))?;
        let ty = self.btf.resolve(member.type_id)?;
        let is_bool = ty
            .int()
            .is_some_and(|int| int.encoding.contains(IntEncoding::BOOL));
        let is_signed = ty.int().map_or(ty.is_signed_enum(), |int| int.is_signed());
        let raw = format!("__bits(&{place}[..], {start}, {bits})");
        let number = match ty.kind().is_enumeration() {
            true => number_of(ty.size_bytes().unwrap_or(0), is_signed).unwrap_or_else(|| "u64".to_owned()),
            false => spelled.clone(),
        };
        let value = match is_signed && !is_bool {
            true => format!("((({raw} << {}) as i64) >> {}) as {number}", 64 - bits, 64 - bits),
            false => format!("{raw} as {number}"),
        };
        let (value, written) = match ty.kind().is_enumeration() {
            // By its own name, since that of an alias does not make values.
            true => (
                format!("{}({value})", self.spell(ty.id(), c_name)?),
                "value.0 as u64",
            ),
            false => (value, "value as u64"),
        };
        let (get, set) = (
            methods.scope.claim(c_name),
            methods.scope.claim(&format!("set_{c_name}")),
        );
        let target = place.replace("IntoBytes::as_bytes", "IntoBytes::as_mut_bytes");
        let target = if target.starts_with("self.") {
            format!("&mut {target}[..]")
        } else {
            target
        };
        let c_name = comment(c_name);
        let _ = writeln!(
            methods.text,
            "    /// Bit field `{c_name}`: {bits} bits of `{}`.\n    pub fn {get}(&self) -> {spelled} {{\n        {value}\n    }}\n\n    /// Writes bit field `{c_name}`.\n    pub fn {set}(&mut self, value: {spelled}) {{\n        __set_bits({target}, {start}, {bits}, {written});\n    }}\n",
            comment(&self.btf.type_name(member.type_id)),
        );
        Ok(())
    }
}
