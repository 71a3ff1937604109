//! Single declarations.

use alloc::{borrow::ToOwned, format, string::String, vec::Vec};
use core::fmt::Write;

use super::{
    accessors::Methods,
    enumeration::number_of,
    names::{NUMBERS, Scope, comment, valid},
    plan::{Part, Plan},
    printer::{ALLOW, DERIVE, NAMED, Printer, UNIT},
};
use crate::{Btf, DeclareError, Error, ErrorKind, IntEncoding, Kind, Type, TypeId, resolve::MAX_DEPTH};

impl<'a> Printer<'a> {
    /// Declares a type, if it has values.
    pub(super) fn root(&mut self, id: TypeId) -> Result<(), DeclareError> {
        let core = self.btf.resolve(id)?;
        if self.has_values(&core) {
            self.spell(id, core.name().unwrap_or_default())?;
        }
        Ok(())
    }

    /// Declares a type, if it has values; says so if it cannot be said in Rust.
    pub(super) fn any_root(&mut self, id: TypeId) -> Result<(), DeclareError> {
        let core = self.btf.resolve(id)?;
        match self.planner.shape(core.id()) {
            Err(DeclareError::Btf(error)) if self.has_values(&core) => {
                let name = comment(&self.btf.type_name(id));
                Ok(writeln!(self.out, "// `{name}` is left out: {error}\n")?)
            }
            Err(error @ DeclareError::TooLarge) => Err(error),
            _ => self.root(id),
        }
    }

    /// Whether this is no forward declaration and no function: only pointers to these are values.
    fn has_values(&self, core: &Type<'_>) -> bool {
        let is_forward_enumeration = core.kind().is_enumeration() && core.size_bytes() == Some(0);
        self.btf.resolve_size(core.id()).is_ok() && !is_forward_enumeration
    }

    /// The type as it stands in a field; declares what it needs. `hint` names what has no name.
    pub(super) fn spell(&mut self, id: TypeId, hint: &str) -> Result<String, DeclareError> {
        if self.depth >= MAX_DEPTH {
            return Err(Error::new(ErrorKind::Depth(id), 0).into());
        }
        self.depth += 1;
        let spelled = self.spell_within(id, hint);
        self.depth -= 1;
        spelled
    }

    fn spell_within(&mut self, id: TypeId, hint: &str) -> Result<String, DeclareError> {
        let ty = self.btf.skip_modifiers(id)?;
        if let Some(array) = ty.array() {
            return Ok(format!("[{}; {}]", self.spell(array.element, hint)?, array.len));
        }
        match ty.kind() {
            Kind::TYPEDEF => self.typedef(&ty, hint),
            Kind::STRUCT | Kind::UNION | Kind::ENUM | Kind::ENUM64 => {
                let name = self.name(&ty, hint);
                if self.done.insert(ty.id()) {
                    match ty.kind() {
                        Kind::STRUCT => self.structure(&ty, &name)?,
                        Kind::UNION => self.union(&ty, &name)?,
                        _ => self.enumeration(&ty, &name)?,
                    }
                }
                Ok(name)
            }
            _ => scalar(self.btf, &ty),
        }
    }

    /// The name of a struct, union or enumeration.
    fn name(&mut self, ty: &Type<'a>, hint: &str) -> String {
        let own = ty.name().unwrap_or_default();
        let wanted = if own.is_empty() { hint } else { own };
        let scope = &mut self.scope;
        self.names
            .entry(ty.id())
            .or_insert_with(|| scope.claim(wanted))
            .clone()
    }

    fn typedef(&mut self, ty: &Type<'a>, hint: &str) -> Result<String, DeclareError> {
        if let Some(name) = self.names.get(&ty.id()) {
            return Ok(name.clone());
        }
        let (c_name, target) = (ty.name()?, ty.target().unwrap_or(TypeId::VOID));
        // A typedef is all the name that many structs have.
        let stands_for = self.spell(target, if c_name.is_empty() { hint } else { c_name })?;
        let core = self.btf.resolve(target)?;
        let is_number = matches!(core.kind(), Kind::INT | Kind::FLOAT) && NUMBERS.contains(&c_name);
        let name = if is_number {
            // C's `u32` is Rust's, but its `bool` and `char` are not.
            scalar(self.btf, &core)?
        } else if stands_for == valid(c_name) {
            stands_for
        } else {
            let name = self.scope.claim(c_name);
            self.spend((name.len() + stands_for.len()) / UNIT)?;
            let _ = writeln!(self.out, "{ALLOW}pub type {name} = {stands_for};\n");
            name
        };
        self.names.insert(ty.id(), name.clone());
        Ok(name)
    }

    fn structure(&mut self, ty: &Type<'a>, name: &str) -> Result<(), DeclareError> {
        let Plan {
            shape,
            is_packed,
            parts,
        } = self.planner.plan(ty)?;
        let (mut fields, mut offsets, mut methods) = (String::new(), Vec::new(), Methods::default());
        let mut scope = Scope::default();
        let (mut gaps, mut shared, mut unnamed) = (0, 0, 0);
        for part in parts {
            self.spend(1)?;
            let before = fields.len() + methods.text.len();
            match part {
                Part::Gap { len } => {
                    let field = scope.claim(&format!("_padding_{gaps}"));
                    let _ = writeln!(fields, "    pub {field}: [u8; {len}],");
                    gaps += 1;
                }
                Part::Field { member, offset } => {
                    let c_name = match member.name()? {
                        "" => {
                            unnamed += 1;
                            format!("__unnamed_{}", unnamed - 1)
                        }
                        name => name.to_owned(),
                    };
                    let field = scope.claim(&c_name);
                    let spelled = self.spell(member.type_id, &format!("{name}__{c_name}"))?;
                    if self.btf.resolve(member.type_id)?.kind() == Kind::PTR {
                        let _ = writeln!(
                            fields,
                            "    /// `{}`",
                            comment(&self.btf.type_name(member.type_id))
                        );
                    }
                    let _ = writeln!(fields, "    pub {field}: {spelled},");
                    offsets.push((field, offset));
                }
                Part::Bits { len, fields: bits } => {
                    let field = scope.claim(&format!("_bits_{shared}"));
                    let _ = writeln!(fields, "    pub {field}: [u8; {len}],");
                    shared += 1;
                    for bit_field in bits {
                        self.bit_methods(&mut methods, &format!("self.{field}"), &bit_field, name)?;
                    }
                }
            }
            self.spend((fields.len() + methods.text.len() - before) / UNIT)?;
        }
        self.spend(name.len().saturating_mul(offsets.len() + NAMED) / UNIT)?;
        let packed = if is_packed { ", packed" } else { "" };
        let size = shape.size;
        let title = comment(&self.btf.type_name(ty.id()));
        let body = if fields.is_empty() {
            " {}".to_owned()
        } else {
            format!(" {{\n{fields}}}")
        };
        let _ = writeln!(
            self.out,
            "/// `{title}`, {size} bytes.\n{ALLOW}#[repr(C{packed})]\n{DERIVE}pub struct {name}{body}\n"
        );
        self.finish_struct(name, &methods.text);
        self.assertions(name, size, &offsets);
        Ok(())
    }
}

/// Rust's type for a number or pointer.
fn scalar(btf: &Btf, ty: &Type<'_>) -> Result<String, DeclareError> {
    let size = btf.resolve_size(ty.id())?;
    let is_signed = ty
        .int()
        .is_some_and(|int| int.is_signed() && !int.encoding.contains(IntEncoding::BOOL));
    let is_text = ty.kind() == Kind::INT && ty.name() == Ok("char");
    Ok(match (ty.kind(), size) {
        (Kind::FLOAT, 4) => "f32".to_owned(),
        (Kind::FLOAT, 8) => "f64".to_owned(),
        (Kind::FLOAT, 2) => "u16".to_owned(),
        (Kind::INT, _) => number_of(size, is_signed && !is_text).unwrap_or_else(|| format!("[u8; {size}]")),
        (Kind::PTR, 4 | 8) => format!("u{}", size * 8),
        _ => format!("[u8; {size}]"),
    })
}
