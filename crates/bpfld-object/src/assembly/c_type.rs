//! Types of BTF as the C that declarations of externs are written in.

use alloc::format;
use alloc::string::String;

use bpfld_btf::{Btf, IntEncoding, Kind, TypeId};

/// Types that are nested deeper are not written.
const DEEPEST: u32 = 16;

/// A type as [`declaration`](super::declaration) reads it. What that has no word for becomes `void`.
pub(super) fn text(btf: &Btf, id: TypeId) -> String {
    write(btf, id, 0)
}

fn write(btf: &Btf, id: TypeId, depth: u32) -> String {
    let void = || String::from("void");
    let Some(ty) = btf.resolve(id).ok().filter(|_| depth < DEEPEST) else {
        return void();
    };
    let name = ty.name().unwrap_or_default();
    let target = || write(btf, ty.target().unwrap_or(TypeId::VOID), depth + 1);
    match ty.kind() {
        Kind::INT => {
            let int = ty.int();
            let has = |encoding| int.is_some_and(|int| int.encoding.contains(encoding));
            match ty.size_bytes().unwrap_or(0) {
                1 if has(IntEncoding::BOOL) => String::from("bool"),
                1 if name == "char" => String::from("char"),
                size @ (1 | 2 | 4 | 8) => {
                    format!("{}{}", if has(IntEncoding::SIGNED) { 's' } else { 'u' }, size * 8)
                }
                _ => void(),
            }
        }
        Kind::PTR => format!("{} *", target()),
        Kind::STRUCT | Kind::UNION | Kind::ENUM | Kind::ENUM64 | Kind::FWD if !name.is_empty() => {
            let keyword = match ty.kind() {
                Kind::UNION => "union",
                Kind::ENUM | Kind::ENUM64 => "enum",
                Kind::FWD if ty.forward_kind() == Some(Kind::UNION) => "union",
                _ => "struct",
            };
            format!("{keyword} {name}")
        }
        Kind::ARRAY => match ty.array() {
            Some(array) => format!("{}[{}]", write(btf, array.element, depth + 1), array.len),
            None => void(),
        },
        Kind::FUNC_PROTO if depth == 0 => {
            let params: alloc::vec::Vec<String> = ty
                .params()
                .map(|param| match param.type_id {
                    TypeId::VOID => String::from("..."),
                    ty => write(btf, ty, depth + 1),
                })
                .collect();
            format!("{} ({})", target(), params.join(", "))
        }
        _ => void(),
    }
}
