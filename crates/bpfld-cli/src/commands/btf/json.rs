//! Types as JSON: the fields that bpftool gives them, by the same names.

use bpfld_btf::{IntEncoding, Kind, Type};
use serde::{Serialize, Serializer};

/// `{"types": […]}`, from a function that gives the types.
pub(super) struct Types<F>(pub(super) F);

impl<'a, F, I> Serialize for Types<F>
where
    F: Fn() -> I,
    I: Iterator<Item = Type<'a>>,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Outer<T> {
            types: T,
        }
        let types = Sequence(|| (self.0)().map(|ty| TypeRow::new(&ty)));
        Outer { types }.serialize(serializer)
    }
}

/// A sequence that is not collected first.
struct Sequence<F>(F);

impl<F, I> Serialize for Sequence<F>
where
    F: Fn() -> I,
    I: Iterator<Item: Serialize>,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((self.0)())
    }
}

/// One type. Which fields there are depends on its kind.
#[derive(Serialize)]
pub(super) struct TypeRow<'a> {
    id: u32,
    kind: String,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bits_offset: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nr_bits: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    type_id: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ret_type_id: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    index_type_id: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nr_elems: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fwd_kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    linkage: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    component_idx: Option<i32>,
    /// Of a tag: whether it is an attribute of its own rather than a string in one.
    #[serde(skip_serializing_if = "Option::is_none")]
    attribute: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vlen: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    members: Option<Vec<MemberRow<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    values: Option<Vec<ValueRow<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    params: Option<Vec<ParamRow<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vars: Option<Vec<VarRow>>,
}

#[derive(Serialize)]
struct MemberRow<'a> {
    name: &'a str,
    type_id: u32,
    bits_offset: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    bitfield_size: Option<u8>,
}

#[derive(Serialize)]
struct ValueRow<'a> {
    name: &'a str,
    val: i128,
}

#[derive(Serialize)]
struct ParamRow<'a> {
    name: &'a str,
    type_id: u32,
}

#[derive(Serialize)]
struct VarRow {
    type_id: u32,
    offset: u32,
    size: u32,
}

/// A name, or what stands for none.
fn name(name: Result<&str, bpfld_btf::Error>) -> &str {
    match name {
        Ok("") => "(anon)",
        Ok(name) => name,
        Err(_) => "?",
    }
}

impl<'a> TypeRow<'a> {
    pub(super) fn new(ty: &Type<'a>) -> Self {
        let kind = ty.kind();
        let is = |wanted: Kind| (kind == wanted).then_some(());
        let (int, array, target) = (ty.int(), ty.array(), ty.target().map(|id| id.0));
        let has_parts = kind.is_composite()
            || kind.is_enumeration()
            || matches!(kind, Kind::FUNC_PROTO | Kind::DATASEC)
            || kind.name().is_none();
        let encoding = match int.map(|int| int.encoding) {
            Some(IntEncoding::UNSIGNED) => Some("(none)"),
            Some(IntEncoding::SIGNED) => Some("SIGNED"),
            Some(IntEncoding::CHAR) => Some("CHAR"),
            Some(IntEncoding::BOOL) => Some("BOOL"),
            Some(_) => Some("UNKN"),
            None if !kind.is_enumeration() => None,
            None if ty.is_signed_enum() => Some("SIGNED"),
            None => Some("UNSIGNED"),
        };
        let forward = ty.forward_kind().map(|kind| match kind {
            Kind::UNION => "union",
            _ => "struct",
        });
        let is_tag = matches!(kind, Kind::DECL_TAG | Kind::TYPE_TAG);
        Self {
            id: ty.id().0,
            kind: kind.to_string(),
            name: name(ty.name()),
            size: ty.size_bytes(),
            bits_offset: int.map(|int| int.bit_offset),
            nr_bits: int.map(|int| int.bits),
            encoding,
            type_id: match array {
                Some(array) => Some(array.element.0),
                None => target.filter(|_| kind != Kind::FUNC_PROTO),
            },
            ret_type_id: is(Kind::FUNC_PROTO).and(target),
            index_type_id: array.map(|array| array.index.0),
            nr_elems: array.map(|array| array.len),
            fwd_kind: forward,
            linkage: ty.linkage().map(|linkage| linkage.to_string()),
            component_idx: ty.component(),
            attribute: (is_tag && ty.kind_flag()).then_some(true),
            vlen: has_parts.then_some(ty.vlen()),
            members: kind.is_composite().then(|| members(ty)),
            values: kind.is_enumeration().then(|| values(ty)),
            params: is(Kind::FUNC_PROTO).map(|()| params(ty)),
            vars: is(Kind::DATASEC).map(|()| vars(ty)),
        }
    }
}

fn members<'a>(ty: &Type<'a>) -> Vec<MemberRow<'a>> {
    let row = |member: bpfld_btf::Member<'a>| MemberRow {
        name: name(member.name()),
        type_id: member.type_id.0,
        bits_offset: member.bit_offset,
        bitfield_size: (member.bitfield_size != 0).then_some(member.bitfield_size),
    };
    ty.members().map(row).collect()
}

fn values<'a>(ty: &Type<'a>) -> Vec<ValueRow<'a>> {
    let row = |value: bpfld_btf::EnumValue<'a>| ValueRow {
        name: name(value.name()),
        val: value.value(),
    };
    ty.enum_values().map(row).collect()
}

fn params<'a>(ty: &Type<'a>) -> Vec<ParamRow<'a>> {
    let row = |param: bpfld_btf::Parameter<'a>| ParamRow {
        name: name(param.name()),
        type_id: param.type_id.0,
    };
    ty.params().map(row).collect()
}

fn vars(ty: &Type<'_>) -> Vec<VarRow> {
    let row = |variable: bpfld_btf::Variable<'_>| VarRow {
        type_id: variable.type_id.0,
        offset: variable.offset,
        size: variable.size,
    };
    ty.variables().map(row).collect()
}
