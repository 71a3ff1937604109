//! Names of types as C writes them, for people: `const struct key *`, `u32[4]`.

use alloc::{borrow::ToOwned, format, string::String, vec::Vec};

use crate::{Btf, Kind, Type, TypeId};

/// Deeper than any type that a person reads.
const MAX_DEPTH: usize = 32;
/// How deeply functions may take functions.
const MAX_FUNCTIONS: usize = 4;
/// More than any type has that a person reads.
const MAX_PARTS: usize = 512;

impl Btf {
    /// The name of a type in the notation of C, without a variable's name; a function by its prototype. What has no
    /// name shows as `struct {…}`; what is malformed or deeper than a person would read, as `?`.
    ///
    /// ```
    /// use bpfld_btf::{Builder, IntEncoding};
    ///
    /// let mut builder = Builder::new();
    /// let int = builder.int("int", 4, IntEncoding::SIGNED)?;
    /// let constant = builder.constant(int)?;
    /// let pointer = builder.pointer(constant)?;
    /// let prototype = builder.prototype(int, &[("at", pointer)])?;
    /// let btf = builder.finish()?;
    /// assert_eq!(btf.type_name(pointer), "const int *");
    /// assert_eq!(btf.type_name(prototype), "int (const int *)");
    /// # Ok::<(), bpfld_btf::Error>(())
    /// ```
    #[must_use]
    pub fn type_name(&self, id: TypeId) -> String {
        let mut writer = Writer {
            btf: self,
            parts: MAX_PARTS,
            functions: MAX_FUNCTIONS,
        };
        writer.describe(id, MAX_DEPTH).unwrap_or_else(|| "?".to_owned())
    }
}

struct Writer<'a> {
    btf: &'a Btf,
    /// How many more types may be written.
    parts: usize,
    /// How many more functions may be nested.
    functions: usize,
}

impl Writer<'_> {
    fn describe(&mut self, id: TypeId, depth: usize) -> Option<String> {
        if id.is_void() {
            return Some("void".to_owned());
        }
        let depth = depth.checked_sub(1)?;
        self.parts = self.parts.checked_sub(1)?;
        let ty = self.btf.ty(id).ok()?;
        match ty.kind() {
            Kind::STRUCT | Kind::UNION | Kind::ENUM | Kind::ENUM64 | Kind::FWD => named(&ty),
            Kind::PTR => self.pointer(&ty, depth),
            Kind::ARRAY => {
                let array = ty.array()?;
                let element = self.describe(array.element, depth)?;
                // The outer dimension stands first.
                Some(match element.find('[') {
                    Some(at) => {
                        let (element, inner) = element.split_at(at);
                        format!("{element}[{}]{inner}", array.len)
                    }
                    None => format!("{element}[{}]", array.len),
                })
            }
            Kind::CONST => Some(qualified("const", &self.describe(ty.target()?, depth)?)),
            Kind::VOLATILE => Some(qualified("volatile", &self.describe(ty.target()?, depth)?)),
            Kind::RESTRICT | Kind::TYPE_TAG | Kind::DECL_TAG | Kind::VAR | Kind::FUNC => {
                self.describe(ty.target()?, depth)
            }
            Kind::FUNC_PROTO => self.prototype(&ty, depth, ""),
            _ => Some(ty.name().ok()?.to_owned()),
        }
    }

    fn pointer(&mut self, ty: &Type<'_>, depth: usize) -> Option<String> {
        let target = ty.target()?;
        match self.btf.skip_modifiers(target) {
            Ok(function) if function.kind() == Kind::FUNC_PROTO => self.prototype(&function, depth, "(*)"),
            _ => {
                let target = self.describe(target, depth)?;
                let space = if target.ends_with('*') { "" } else { " " };
                Some(format!("{target}{space}*"))
            }
        }
    }

    fn prototype(&mut self, ty: &Type<'_>, depth: usize, name: &str) -> Option<String> {
        let Some(left) = self.functions.checked_sub(1) else {
            return Some(format!("… {name}(…)"));
        };
        self.functions = left;
        let returns = self.describe(ty.target()?, depth);
        let dots = ty.is_variadic().then(|| Some("...".to_owned()));
        let params: Option<Vec<String>> = ty
            .typed_params()
            .map(|param| self.describe(param.type_id, depth))
            .chain(dots)
            .collect();
        self.functions += 1;
        Some(format!("{} {name}({})", returns?, params?.join(", ")))
    }
}

fn named(ty: &Type<'_>) -> Option<String> {
    let keyword = match ty.forward_kind().unwrap_or(ty.kind()) {
        Kind::STRUCT => "struct",
        Kind::UNION => "union",
        _ => "enum",
    };
    let name = ty.name().ok()?;
    Some(if name.is_empty() {
        format!("{keyword} {{…}}")
    } else {
        format!("{keyword} {name}")
    })
}

/// A qualifier belongs before the type, but behind the star of a pointer.
fn qualified(word: &str, target: &str) -> String {
    if target.ends_with('*') {
        format!("{target} {word}")
    } else {
        format!("{word} {target}")
    }
}
