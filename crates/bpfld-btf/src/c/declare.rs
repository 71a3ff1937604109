//! Single declarations: C's inside-out syntax, bodies of structs, enumerations.

use alloc::{borrow::Cow, format, string::String};
use core::fmt::Write;

use super::{
    DeclareError,
    layout::{Alignments, Layout, tabs},
    names::{Names, valid},
    spelling,
};
use crate::{Btf, Error, ErrorKind, Kind, Member, Type, TypeId, resolve::MAX_DEPTH};

/// The longest chain of pointers, arrays, qualifiers and prototypes.
const MAX_CHAIN: usize = 256;

/// How many characters count as much as a member.
const UNIT: usize = 64;

/// Prints declarations of the types of one BTF.
pub(super) struct Printer<'a> {
    btf: &'a Btf,
    names: Names<'a>,
    alignments: Alignments,
    depth: usize,
    /// How many more members, values and parameters may be printed.
    budget: usize,
}

/// Qualifiers on the way to a type.
#[derive(Default)]
struct Qualifiers {
    is_const: bool,
    is_volatile: bool,
    is_restrict: bool,
    attributes: String,
}

impl Qualifiers {
    fn add(&mut self, ty: &Type<'_>) -> Result<(), Error> {
        match ty.kind() {
            Kind::CONST => self.is_const = true,
            Kind::VOLATILE => self.is_volatile = true,
            Kind::RESTRICT => self.is_restrict = true,
            _ => {
                let name = ty.name()?;
                let attribute = if ty.kind_flag() {
                    name.into()
                } else {
                    format!("btf_type_tag(\"{name}\")")
                };
                // We come from outside; compilers go the other way.
                self.attributes
                    .insert_str(0, &format!(" __attribute__(({attribute}))"));
            }
        }
        Ok(())
    }

    /// Before the name of a type.
    fn prefix(&self) -> &'static str {
        match (self.is_const, self.is_volatile) {
            (true, true) => "const volatile ",
            (true, false) => "const ",
            (false, true) => "volatile ",
            (false, false) => "",
        }
    }

    /// After the star of a pointer.
    fn suffix(&self) -> Cow<'static, str> {
        if !self.is_restrict && self.attributes.is_empty() {
            return self.prefix().into();
        }
        let restrict = if self.is_restrict { "restrict " } else { "" };
        let attributes = self.attributes.trim_start();
        let space = if attributes.is_empty() { "" } else { " " };
        format!("{}{restrict}{attributes}{space}", self.prefix()).into()
    }
}

/// What stands before a tag.
fn keyword(kind: Kind) -> &'static str {
    match kind {
        Kind::STRUCT => "struct",
        Kind::UNION => "union",
        _ => "enum",
    }
}

impl<'a> Printer<'a> {
    pub(super) fn new(btf: &'a Btf) -> Self {
        let budget = btf
            .bytes()
            .as_slice()
            .len()
            .saturating_mul(2)
            .saturating_add(1 << 16);
        Self {
            btf,
            names: Names::default(),
            alignments: Alignments::default(),
            depth: 0,
            budget,
        }
    }

    fn spend(&mut self, much: usize) -> Result<(), DeclareError> {
        self.budget = self.budget.checked_sub(much).ok_or(DeclareError::TooLarge)?;
        Ok(())
    }

    /// `struct name`, `union name`, `enum name`; without a name where there is none.
    pub(super) fn tag(&mut self, out: &mut String, ty: Type<'a>) -> Result<(), DeclareError> {
        out.push_str(keyword(ty.forward_kind().unwrap_or(ty.kind())));
        let name = ty.name()?;
        if name.is_empty() {
            return Ok(());
        }
        let name = match ty.forward_kind() {
            Some(kind) => self.names.of_forward(ty.id(), kind, name),
            None => self.names.of_type(ty.id(), ty.kind(), name),
        };
        out.push(' ');
        out.push_str(name);
        Ok(())
    }

    /// A whole definition, with an empty line after it.
    pub(super) fn define(&mut self, out: &mut String, id: TypeId) -> Result<(), DeclareError> {
        let (ty, start) = (self.btf.ty(id)?, out.len());
        match ty.kind() {
            Kind::TYPEDEF => {
                let name = String::from(self.names.of_type(id, Kind::TYPEDEF, ty.name()?));
                out.push_str("typedef ");
                self.declare(out, ty.target().unwrap_or(TypeId::VOID), &name)?;
            }
            Kind::ENUM | Kind::ENUM64 => self.enumeration(out, ty, 0)?,
            _ => self.composite(out, ty, 0)?,
        }
        self.spend((out.len() - start) / UNIT)?;
        out.push_str(";\n\n");
        Ok(())
    }

    /// A declaration of `name` as something of this type.
    pub(super) fn declare(&mut self, out: &mut String, id: TypeId, name: &str) -> Result<(), DeclareError> {
        self.declare_at(out, id, name, 0)
    }

    fn declare_at(
        &mut self,
        out: &mut String,
        id: TypeId,
        name: &str,
        indent: usize,
    ) -> Result<(), DeclareError> {
        self.deeper(|printer| printer.declaration(out, id, name, indent))
    }

    /// Goes one level deeper.
    fn deeper(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<(), DeclareError>,
    ) -> Result<(), DeclareError> {
        if self.depth >= MAX_DEPTH {
            return Err(DeclareError::TooLarge);
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    fn declaration(
        &mut self,
        out: &mut String,
        id: TypeId,
        name: &str,
        indent: usize,
    ) -> Result<(), DeclareError> {
        // There is room for what most declarators need besides.
        let mut declarator = String::with_capacity(name.len() + 8);
        declarator.push_str(name);
        let mut qualifiers = Qualifiers::default();
        let mut is_pointer = false;
        let mut at = id;
        for _ in 0..MAX_CHAIN {
            let ty = self.btf.ty(at)?;
            if is_pointer && matches!(ty.kind(), Kind::ARRAY | Kind::FUNC_PROTO) {
                declarator.insert(0, '(');
                declarator.push(')');
            }
            match ty.kind() {
                kind if kind.is_modifier() => qualifiers.add(&ty)?,
                Kind::PTR => {
                    let suffix = core::mem::take(&mut qualifiers).suffix();
                    if !suffix.is_empty() {
                        declarator.insert_str(0, &suffix);
                        declarator.insert(0, ' ');
                    }
                    declarator.insert(0, '*');
                    is_pointer = true;
                }
                Kind::ARRAY => {
                    let array = ty.array().ok_or(DeclareError::TooLarge)?;
                    let _ = write!(declarator, "[{}]", array.len);
                    (is_pointer, at) = (false, array.element);
                    continue;
                }
                Kind::FUNC_PROTO => {
                    declarator.push('(');
                    self.parameters(&mut declarator, ty)?;
                    declarator.push(')');
                    (is_pointer, qualifiers) = (false, Qualifiers::default());
                }
                _ => {
                    out.push_str(qualifiers.prefix());
                    self.base(out, ty, indent)?;
                    out.push_str(&qualifiers.attributes);
                    if !declarator.is_empty() {
                        out.push(' ');
                        out.push_str(declarator.trim_end());
                    }
                    return Ok(());
                }
            }
            at = ty.target().unwrap_or(TypeId::VOID);
        }
        Err(Error::new(ErrorKind::Depth(id), 0).into())
    }

    /// What stands leftmost in a declaration.
    fn base(&mut self, out: &mut String, ty: Type<'a>, indent: usize) -> Result<(), DeclareError> {
        match ty.kind() {
            Kind::VOID => out.push_str("void"),
            Kind::INT | Kind::FLOAT => out.push_str(&spelling::number(&ty)),
            Kind::STRUCT | Kind::UNION if ty.is_anonymous() => self.composite(out, ty, indent)?,
            Kind::ENUM | Kind::ENUM64 if ty.is_anonymous() => self.enumeration(out, ty, indent)?,
            Kind::STRUCT | Kind::UNION | Kind::ENUM | Kind::ENUM64 | Kind::FWD => {
                self.tag(out, ty)?;
            }
            Kind::TYPEDEF => out.push_str(self.names.of_type(ty.id(), Kind::TYPEDEF, ty.name()?)),
            kind => {
                let kind = ErrorKind::UnexpectedKind {
                    id: ty.id(),
                    kind,
                    expected: "a type of a value",
                };
                return Err(Error::new(kind, 0).into());
            }
        }
        Ok(())
    }

    fn parameters(&mut self, out: &mut String, prototype: Type<'a>) -> Result<(), DeclareError> {
        let params = prototype.typed_params();
        if params.len() == 0 {
            out.push_str("void");
        }
        for (number, param) in params.enumerate() {
            self.spend(1)?;
            if number > 0 {
                out.push_str(", ");
            }
            self.declare_at(out, param.type_id, &valid(param.name()?), 0)?;
        }
        if prototype.is_variadic() {
            out.push_str(", ...");
        }
        Ok(())
    }

    fn composite(&mut self, out: &mut String, ty: Type<'a>, indent: usize) -> Result<(), DeclareError> {
        self.tag(out, ty)?;
        self.body(out, ty, indent)
    }

    fn body(&mut self, out: &mut String, ty: Type<'a>, indent: usize) -> Result<(), DeclareError> {
        out.push_str(" {");
        let brace = out.len();
        out.push('\n');
        let mut layout = Layout::new(self.btf, &mut self.alignments, &ty)?;
        for member in ty.members() {
            self.spend(1)?;
            layout.member(out, indent + 1, &mut self.alignments, &member)?;
            tabs(out, indent + 1);
            let start = out.len();
            self.member(out, &member, indent + 1)?;
            self.spend((out.len() - start) / UNIT)?;
            out.push_str(";\n");
        }
        layout.end(out, indent + 1, ty.size_bytes().unwrap_or(0));
        if out.len() == brace + 1 {
            out.truncate(brace);
        } else {
            tabs(out, indent);
        }
        out.push('}');
        if layout.is_packed {
            out.push_str(" __attribute__((packed))");
        }
        Ok(())
    }

    /// A member. If it has no name, but its type has one, C compilers leave it out unless told otherwise: it is spelled out.
    fn member(&mut self, out: &mut String, member: &Member<'a>, indent: usize) -> Result<(), DeclareError> {
        let name = member.name()?;
        let is_spelled = self.btf.skip_modifiers(member.type_id)?.is_anonymous();
        let inner = self.btf.resolve(member.type_id)?;
        if name.is_empty() && inner.kind().is_composite() && !is_spelled {
            return self.deeper(|printer| {
                out.push_str(keyword(inner.kind()));
                printer.body(out, inner, indent)
            });
        }
        self.declare_at(out, member.type_id, &valid(name), indent)?;
        if member.bitfield_size != 0 {
            let _ = write!(out, ": {}", member.bitfield_size);
        }
        Ok(())
    }

    fn enumeration(&mut self, out: &mut String, ty: Type<'a>, indent: usize) -> Result<(), DeclareError> {
        self.tag(out, ty)?;
        if ty.vlen() == 0 {
            // C has no empty enumerations.
            return Ok(());
        }
        out.push_str(" {\n");
        let mut is_wide = false;
        for value in ty.enum_values() {
            self.spend(1)?;
            let number = value.value();
            let suffix = match ty.kind() {
                Kind::ENUM64 if value.signed => "LL",
                Kind::ENUM64 => "ULL",
                _ => "",
            };
            is_wide |= i32::try_from(number).is_err() && u32::try_from(number).is_err();
            tabs(out, indent + 1);
            let name = self.names.of_value(value.name()?);
            // The lowest number has no literal of its own: it is one less than minus the highest.
            let _ = match (i64::try_from(number), suffix) {
                (Ok(i64::MIN), _) => writeln!(out, "{name} = (-9223372036854775807LL - 1),"),
                _ => writeln!(out, "{name} = {number}{suffix},"),
            };
        }
        tabs(out, indent);
        out.push('}');
        match ty.size_bytes() {
            size if size == packed_size(&ty) => out.push_str(" __attribute__((packed))"),
            // With a mode, clang takes enumerations for signed.
            Some(1) => out.push_str(" __attribute__((mode(byte)))"),
            Some(2) => out.push_str(" __attribute__((mode(HI)))"),
            Some(8) if !is_wide => out.push_str(" __attribute__((mode(DI)))"),
            _ => {}
        }
        Ok(())
    }
}

/// How many bytes the values of an enumeration need, one or two, if it is signed only where it has to be.
fn packed_size(ty: &Type<'_>) -> Option<u32> {
    let values = || ty.enum_values().map(|value| value.value());
    let (lowest, highest) = (values().min()?, values().max()?);
    let is_within = |low: i128, high: i128| lowest >= low && highest <= high;
    let is_signed = lowest < 0;
    let size = match is_signed {
        true if is_within(i8::MIN.into(), i8::MAX.into()) => 1,
        true if is_within(i16::MIN.into(), i16::MAX.into()) => 2,
        false if is_within(0, u8::MAX.into()) => 1,
        false if is_within(0, u16::MAX.into()) => 2,
        _ => return None,
    };
    (is_signed == ty.is_signed_enum()).then_some(size)
}
