//! Types as they are written, one record after the other: the format of `bpftool btf dump file … format raw`.

use core::fmt;

use crate::{Btf, EnumValue, Error, IntEncoding, Kind, Linkage, Type, TypeId};

/// A record as text; see [`Type::raw`].
#[derive(Clone, Copy, Debug)]
pub struct Raw<'a> {
    ty: Type<'a>,
    btf: &'a Btf,
}

impl<'a> Type<'a> {
    /// The record as text, in the format of `bpftool`: one line, and one more for each member, value, parameter or
    /// variable, without a line break at the end. Strings that cannot be read show as `?`.
    ///
    /// ```
    /// use bpfld_btf::{Builder, IntEncoding};
    ///
    /// let mut builder = Builder::new();
    /// let int = builder.int("int", 4, IntEncoding::SIGNED)?;
    /// let btf = builder.finish()?;
    /// let text = btf.ty(int)?.raw().to_string();
    /// assert_eq!(text, "[1] INT 'int' size=4 bits_offset=0 nr_bits=32 encoding=SIGNED");
    /// # Ok::<(), bpfld_btf::Error>(())
    /// ```
    pub fn raw(&self) -> Raw<'a> {
        Raw {
            ty: *self,
            btf: self.btf(),
        }
    }
}

/// A name in quotes.
struct Quoted<'a>(Result<&'a [u8], Error>);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Ok([]) => f.write_str("'(anon)'"),
            Ok(name) => write!(f, "'{}'", alloc::string::String::from_utf8_lossy(name)),
            Err(_) => f.write_str("'?'"),
        }
    }
}

impl fmt::Display for Raw<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ty, btf } = self;
        write!(f, "[{}] {} {}", ty.id(), ty.kind(), Quoted(ty.name_bytes()))?;
        let size = ty.size_bytes().unwrap_or(0);
        let target = ty.target().unwrap_or(TypeId::VOID);
        let vlen = ty.vlen();
        match ty.kind() {
            Kind::INT => {
                let Some(int) = ty.int() else { return Ok(()) };
                let encoding = match int.encoding {
                    IntEncoding::UNSIGNED => "(none)",
                    IntEncoding::SIGNED => "SIGNED",
                    IntEncoding::CHAR => "CHAR",
                    IntEncoding::BOOL => "BOOL",
                    _ => "UNKN",
                };
                let (offset, bits) = (int.bit_offset, int.bits);
                write!(
                    f,
                    " size={size} bits_offset={offset} nr_bits={bits} encoding={encoding}"
                )
            }
            Kind::ARRAY => {
                let Some(array) = ty.array() else { return Ok(()) };
                write!(
                    f,
                    " type_id={} index_type_id={} nr_elems={}",
                    array.element, array.index, array.len
                )
            }
            Kind::STRUCT | Kind::UNION => {
                write!(f, " size={size} vlen={vlen}")?;
                for member in ty.members() {
                    let (id, offset) = (member.type_id, member.bit_offset);
                    write!(
                        f,
                        "\n\t{} type_id={id} bits_offset={offset}",
                        Quoted(member.name_bytes())
                    )?;
                    if member.bitfield_size != 0 {
                        write!(f, " bitfield_size={}", member.bitfield_size)?;
                    }
                }
                Ok(())
            }
            Kind::ENUM | Kind::ENUM64 => {
                let sign = if ty.is_signed_enum() { "SIGNED" } else { "UNSIGNED" };
                write!(f, " encoding={sign} size={size} vlen={vlen}")?;
                let suffix = match (ty.kind(), ty.is_signed_enum()) {
                    (Kind::ENUM, _) => "",
                    (_, true) => "LL",
                    (_, false) => "ULL",
                };
                ty.enum_values().try_for_each(|value: EnumValue<'_>| {
                    write!(
                        f,
                        "\n\t{} val={}{suffix}",
                        Quoted(value.name_bytes()),
                        value.value()
                    )
                })
            }
            Kind::FWD => {
                let is_union = ty.forward_kind() == Some(Kind::UNION);
                write!(f, " fwd_kind={}", if is_union { "union" } else { "struct" })
            }
            Kind::FUNC_PROTO => {
                write!(f, " ret_type_id={target} vlen={vlen}")?;
                ty.params().try_for_each(|param| {
                    write!(f, "\n\t{} type_id={}", Quoted(param.name_bytes()), param.type_id)
                })
            }
            Kind::FUNC => {
                write!(
                    f,
                    " type_id={target} linkage={}",
                    ty.linkage().unwrap_or(Linkage::STATIC)
                )
            }
            Kind::VAR => {
                write!(
                    f,
                    " type_id={target}, linkage={}",
                    ty.linkage().unwrap_or(Linkage::STATIC)
                )
            }
            Kind::DATASEC => {
                write!(f, " size={size} vlen={vlen}")?;
                for variable in ty.variables() {
                    let (id, offset, size) = (variable.type_id, variable.offset, variable.size);
                    write!(f, "\n\ttype_id={id} offset={offset} size={size}")?;
                    if let Ok(ty) = btf.ty(id) {
                        write!(f, " ({} {})", ty.kind(), Quoted(ty.name_bytes()))?;
                    }
                }
                Ok(())
            }
            Kind::FLOAT => write!(f, " size={size}"),
            Kind::DECL_TAG => {
                write!(
                    f,
                    " type_id={target} component_idx={}",
                    ty.component().unwrap_or(-1)
                )
            }
            kind if kind.has_target() => write!(f, " type_id={target}"),
            _ => write!(f, " vlen={vlen}"),
        }
    }
}
