//! Names of types as C writes them.

use bpfld_btf::{Btf, Kind, Type, TypeId};

/// Deeper than any type that a person reads.
const MAX_DEPTH: usize = 32;

/// More parameters than functions that BPF programs call have.
const MAX_PARAMS: usize = 12;

/// A type in the notation of C, without a variable's name: `const struct key *`, `u32[4]`. Malformed types read as `?`.
pub(crate) fn name(btf: &Btf, id: TypeId) -> String {
    describe(btf, id, MAX_DEPTH).unwrap_or_else(|| "?".to_owned())
}

fn describe(btf: &Btf, id: TypeId, depth: usize) -> Option<String> {
    if id.is_void() {
        return Some("void".to_owned());
    }
    let depth = depth.checked_sub(1)?;
    let ty = btf.ty(id).ok()?;
    let named = |keyword: &str| {
        let name = ty.name().ok()?;
        Some(if name.is_empty() {
            format!("{keyword} {{…}}")
        } else {
            format!("{keyword} {name}")
        })
    };
    let target = || describe(btf, ty.target()?, depth);
    match ty.kind() {
        Kind::STRUCT => named("struct"),
        Kind::UNION => named("union"),
        Kind::ENUM | Kind::ENUM64 => named("enum"),
        Kind::FWD => named(if ty.forward_kind() == Some(Kind::UNION) {
            "union"
        } else {
            "struct"
        }),
        Kind::PTR => pointer(&ty, btf, depth),
        Kind::ARRAY => {
            let array = ty.array()?;
            Some(format!("{}[{}]", describe(btf, array.element, depth)?, array.len))
        }
        Kind::CONST => qualified("const", target()?),
        Kind::VOLATILE => qualified("volatile", target()?),
        Kind::RESTRICT | Kind::TYPE_TAG | Kind::DECL_TAG => target(),
        Kind::VAR => target(),
        Kind::FUNC_PROTO => prototype(&ty, btf, depth, "()"),
        _ => Some(ty.name().ok()?.to_owned()),
    }
}

/// A qualifier belongs before the type, but behind the star of a pointer.
fn qualified(word: &str, target: String) -> Option<String> {
    Some(if target.ends_with('*') {
        format!("{target} {word}")
    } else {
        format!("{word} {target}")
    })
}

fn pointer(ty: &Type<'_>, btf: &Btf, depth: usize) -> Option<String> {
    let target = ty.target()?;
    match btf.skip_modifiers(target) {
        Ok(function) if function.kind() == Kind::FUNC_PROTO => prototype(&function, btf, depth, "(*)"),
        _ => {
            let target = describe(btf, target, depth)?;
            let space = if target.ends_with('*') { "" } else { " " };
            Some(format!("{target}{space}*"))
        }
    }
}

fn prototype(ty: &Type<'_>, btf: &Btf, depth: usize, name: &str) -> Option<String> {
    let returns = describe(btf, ty.target()?, depth)?;
    // parameters may be functions with parameters, and so on: two levels and a few names say enough
    let params: Option<Vec<String>> = ty
        .params()
        .take(MAX_PARAMS)
        .map(|p| describe(btf, p.type_id, depth.min(2)))
        .collect();
    Some(format!("{returns} {name}({})", params?.join(", ")))
}
