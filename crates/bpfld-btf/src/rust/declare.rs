//! Single declarations.

use alloc::{
    borrow::ToOwned,
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::fmt::Write;

use hashbrown::{HashMap, HashSet};

use super::{
    bits,
    names::{NUMBERS, Scope, comment, valid},
    plan::{BitField, Part, Plan, Planner, bit_start, bit_width},
};
use crate::{Btf, DeclareError, Error, ErrorKind, IntEncoding, Kind, Type, TypeId, resolve::MAX_DEPTH};

const ALLOW: &str = "#[allow(nonstandard_style, dead_code, missing_docs, unreachable_pub, clippy::all)]\n";
const DERIVE: &str = "#[derive(Clone, Copy, Debug, ::zerocopy::FromBytes, ::zerocopy::Immutable, ::zerocopy::IntoBytes, ::zerocopy::KnownLayout)]\n";
const DERIVE_ENUM: &str = "#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ::zerocopy::FromBytes, ::zerocopy::Immutable, ::zerocopy::IntoBytes, ::zerocopy::KnownLayout)]\n";
/// Offsets in one assertion.
const MAX_ASSERTED: usize = 16;

/// Prints declarations of the types of one BTF, each once and after what it contains.
pub(super) struct Printer<'a> {
    btf: &'a Btf,
    planner: Planner<'a>,
    scope: Scope,
    names: HashMap<TypeId, String>,
    done: HashSet<TypeId>,
    out: String,
    needs_bits: bool,
    needs_part: bool,
    depth: usize,
    /// How many more members and values may be printed.
    budget: usize,
}

/// Methods to be printed after a struct.
#[derive(Default)]
struct Methods {
    scope: Scope,
    text: String,
}

impl<'a> Printer<'a> {
    pub(super) fn new(btf: &'a Btf) -> Self {
        let len = btf.bytes().as_slice().len();
        Self {
            btf,
            planner: Planner::new(btf),
            scope: Scope::items(),
            names: HashMap::new(),
            done: HashSet::new(),
            out: String::new(),
            needs_bits: false,
            needs_part: false,
            depth: 0,
            budget: len.saturating_mul(2).saturating_add(1 << 16),
        }
    }

    /// All declarations, with what they need.
    pub(super) fn finish(self) -> String {
        let bits = if self.needs_bits {
            bits::helpers(self.btf.endian())
        } else {
            ""
        };
        let part = if self.needs_part { bits::PART } else { "" };
        format!("{bits}{part}{}", self.out)
    }

    fn spend(&mut self) -> Result<(), DeclareError> {
        self.budget = self.budget.checked_sub(1).ok_or(DeclareError::TooLarge)?;
        Ok(())
    }

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
    fn spell(&mut self, id: TypeId, hint: &str) -> Result<String, DeclareError> {
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
            self.spend()?;
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
        }
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

    /// The value of all zeros, and methods.
    fn finish_struct(&mut self, name: &str, methods: &str) {
        let _ = writeln!(
            self.out,
            "impl ::core::default::Default for {name} {{\n    fn default() -> Self {{\n        ::zerocopy::FromZeros::new_zeroed()\n    }}\n}}\n"
        );
        if !methods.is_empty() {
            let _ = writeln!(
                self.out,
                "{ALLOW}impl {name} {{\n{}}}\n",
                methods.trim_end_matches('\n').to_owned() + "\n"
            );
        }
    }

    fn assertions(&mut self, name: &str, size: u32, offsets: &[(String, u32)]) {
        let _ = writeln!(
            self.out,
            "const _: () = assert!(::core::mem::size_of::<{name}>() == {size});"
        );
        for some in offsets.chunks(MAX_ASSERTED) {
            let one = |(field, offset): &(String, u32)| {
                format!("::core::mem::offset_of!({name}, {field}) == {offset}")
            };
            let all: Vec<String> = some.iter().map(one).collect();
            let _ = writeln!(self.out, "const _: () = assert!({});", all.join(" && "));
        }
        self.out.push('\n');
    }

    /// A union is bytes, as aligned as its members, which are read and written by methods.
    fn union(&mut self, ty: &Type<'a>, name: &str) -> Result<(), DeclareError> {
        let Plan { shape, .. } = self.planner.plan(ty)?;
        let mut methods = Methods::default();
        let mut unnamed = 0;
        for member in ty.members() {
            self.spend()?;
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
    fn bit_methods(
        &mut self,
        methods: &mut Methods,
        place: &str,
        bit_field: &BitField<'a>,
        owner: &str,
    ) -> Result<(), DeclareError> {
        self.spend()?;
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
            true => (format!("{spelled}({value})"), "value.0 as u64"),
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

    fn enumeration(&mut self, ty: &Type<'a>, name: &str) -> Result<(), DeclareError> {
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
        for value in ty.enum_values() {
            self.spend()?;
            let constant = scope.claim(value.name()?);
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
fn number_of(size: u32, signed: bool) -> Option<String> {
    let sign = if signed { 'i' } else { 'u' };
    matches!(size, 1 | 2 | 4 | 8 | 16).then(|| format!("{sign}{}", size * 8))
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
