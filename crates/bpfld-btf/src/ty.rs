//! A type as a borrowed view of its record.

use core::{fmt, iter::Take};

use crate::{
    Btf, Error, ErrorKind, IntEncoding, Kind, Linkage, TypeId,
    kind::TYPE_HEAD,
    parts::{Array, EnumForm, EnumValues, Int, Members, Parameters, Variables},
    reader::Reader,
};

/// A type: a view of its record in the BTF.
///
/// Questions that make no sense for the kind (the members of a pointer) are answered with `None` or an empty sequence.
#[derive(Clone, Copy)]
pub struct Type<'a> {
    btf: &'a Btf,
    id: TypeId,
    name: u32,
    info: u32,
    size_or_target: u32,
    /// What follows the head; its length was checked against kind and vlen.
    body: &'a [u8],
}

impl<'a> Type<'a> {
    pub(crate) fn void(btf: &'a Btf) -> Self {
        Self {
            btf,
            id: TypeId::VOID,
            name: 0,
            info: 0,
            size_or_target: 0,
            body: &[],
        }
    }

    /// Reads the record that begins at `start` of the type section of `btf`, over which `reader` is.
    #[inline]
    pub(crate) fn read(btf: &'a Btf, reader: Reader<'a>, id: TypeId, start: u32) -> Result<Self, Error> {
        let start = start as usize;
        let truncated = || reader.error(ErrorKind::Truncated("type record"), start);
        let tail = reader.data().get(start..).unwrap_or_default();
        let (head, tail) = tail.split_first_chunk::<TYPE_HEAD>().ok_or_else(truncated)?;
        let [a, b, c, d, e, f, g, h, i, j, k, l] = *head;
        let endian = btf.endian();
        let (name, info) = (endian.u32([a, b, c, d]), endian.u32([e, f, g, h]));
        let ty = Self {
            btf,
            id,
            name,
            info,
            size_or_target: endian.u32([i, j, k, l]),
            body: &[],
        };
        let Some(shape) = btf.shape(ty.kind()) else {
            return Err(reader.error(ErrorKind::UnknownKind(ty.kind()), start));
        };
        let body_len = u64::from(shape.fixed) + u64::from(ty.vlen()) * u64::from(shape.element);
        let body = usize::try_from(body_len).ok().and_then(|len| tail.get(..len));
        Ok(Self {
            body: body.ok_or_else(truncated)?,
            ..ty
        })
    }

    /// The BTF that this record is written in. For a type of a base, that is the base.
    pub fn btf(&self) -> &'a Btf {
        self.btf
    }

    /// The type's number.
    #[inline]
    pub fn id(&self) -> TypeId {
        self.id
    }

    /// The type's kind.
    #[inline]
    pub fn kind(&self) -> Kind {
        Kind((self.info >> 24) as u8 & Kind::MAX.0)
    }

    /// The number of members, values, parameters or variables.
    #[inline]
    pub fn vlen(&self) -> u32 {
        self.info & 0x00ff_ffff
    }

    /// The highest bit of the info word. It means: for a struct or union, that member offsets carry bit-field sizes;
    /// for an enumeration, that values are signed; for a forward declaration, that it is a union; for a tag, that it
    /// is an attribute.
    #[inline]
    pub fn kind_flag(&self) -> bool {
        self.info >> 31 != 0
    }

    pub(crate) fn raw_head(&self) -> [u32; 3] {
        [self.name, self.info, self.size_or_target]
    }

    pub(crate) fn body(&self) -> &'a [u8] {
        self.body
    }

    /// A 32-bit word of what follows the head.
    fn word(&self, index: usize) -> Option<u32> {
        let bytes = self.body.get(index.checked_mul(4)?..)?.first_chunk()?;
        Some(self.btf.endian().u32(*bytes))
    }

    /// The offset of the name in the string section; zero if there is none.
    pub fn name_offset(&self) -> u32 {
        self.name
    }

    /// Whether the type has no name.
    pub fn is_anonymous(&self) -> bool {
        self.name == 0 || self.btf.starts_with_zero(self.name)
    }

    /// The name; empty if there is none.
    ///
    /// # Errors
    ///
    /// When the name's offset is out of bounds, or the name is not UTF-8.
    #[inline]
    pub fn name(&self) -> Result<&'a str, Error> {
        self.btf.string(self.name)
    }

    /// The name as it is written; empty if there is none.
    ///
    /// # Errors
    ///
    /// When the name's offset is out of bounds.
    #[inline]
    pub fn name_bytes(&self) -> Result<&'a [u8], Error> {
        self.btf.string_bytes(self.name)
    }

    /// The size in bytes that the record states: of an integer, struct, union, enumeration, float or section. For
    /// other kinds, see [`Btf::resolve_size`].
    #[inline]
    pub fn size_bytes(&self) -> Option<u32> {
        self.kind().has_size().then_some(self.size_or_target)
    }

    /// The type this one refers to: what a pointer points to, what a qualifier or typedef stands for, a function's
    /// prototype, a prototype's return type, a variable's type, what a tag is attached to. For arrays, see
    /// [`Type::array`].
    #[inline]
    pub fn target(&self) -> Option<TypeId> {
        self.kind().has_target().then_some(TypeId(self.size_or_target))
    }

    /// How to read an integer.
    pub fn int(&self) -> Option<Int> {
        if self.kind() != Kind::INT {
            return None;
        }
        let word = self.word(0)?;
        Some(Int {
            size: self.size_or_target,
            encoding: IntEncoding((word >> 24) as u8 & 0xf),
            bit_offset: (word >> 16) as u8,
            bits: word as u8,
        })
    }

    /// Element, index type and length of an array.
    pub fn array(&self) -> Option<Array> {
        if self.kind() != Kind::ARRAY {
            return None;
        }
        Some(Array {
            element: TypeId(self.word(0)?),
            index: TypeId(self.word(1)?),
            len: self.word(2)?,
        })
    }

    /// The members of a struct or union.
    #[inline]
    pub fn members(&self) -> Members<'a> {
        let body = if self.kind().is_composite() {
            self.body
        } else {
            &[]
        };
        Members::new(self.btf, body, self.kind_flag())
    }

    /// The values of an enumeration.
    #[inline]
    pub fn enum_values(&self) -> EnumValues<'a> {
        let kind = self.kind();
        let body = if kind.is_enumeration() { self.body } else { &[] };
        let form = EnumForm {
            wide: kind == Kind::ENUM64,
            signed: self.kind_flag(),
        };
        EnumValues::new(self.btf, body, form)
    }

    /// The parameters of a function prototype.
    #[inline]
    pub fn params(&self) -> Parameters<'a> {
        let body = if self.kind() == Kind::FUNC_PROTO {
            self.body
        } else {
            &[]
        };
        Parameters::new(self.btf, body, ())
    }

    /// Whether a function prototype ends in `...`: its last parameter, and not the only one, has no type.
    ///
    /// A single parameter without a type is what compilers write for `int f()`, of whose parameters C knows nothing.
    pub fn is_variadic(&self) -> bool {
        self.typed_params().len() < self.params().len() && self.vlen() > 1
    }

    /// The parameters of a function prototype without the one that stands for `...`.
    pub(crate) fn typed_params(&self) -> Take<Parameters<'a>> {
        let (params, count) = (self.params(), self.params().len());
        let last = count.checked_sub(1).and_then(|last| params.get(last));
        let is_open = last.is_some_and(|last| last.type_id.is_void());
        params.take(count - usize::from(is_open))
    }

    /// The variables of a section.
    #[inline]
    pub fn variables(&self) -> Variables<'a> {
        let body = if self.kind() == Kind::DATASEC {
            self.body
        } else {
            &[]
        };
        Variables::new(self.btf, body, ())
    }

    /// The linkage of a function or variable.
    pub fn linkage(&self) -> Option<Linkage> {
        match self.kind() {
            Kind::FUNC => Some(Linkage(self.vlen())),
            Kind::VAR => self.word(0).map(Linkage),
            _ => None,
        }
    }

    /// Which member or parameter a declaration tag is about; -1 if it is about the whole.
    pub fn component(&self) -> Option<i32> {
        (self.kind() == Kind::DECL_TAG)
            .then(|| self.word(0).map(|word| word as i32))
            .flatten()
    }

    /// Whether the values of this enumeration are signed.
    pub fn is_signed_enum(&self) -> bool {
        self.kind().is_enumeration() && self.kind_flag()
    }

    /// Whether a forward declaration is of a struct or of a union.
    pub fn forward_kind(&self) -> Option<Kind> {
        match (self.kind(), self.kind_flag()) {
            (Kind::FWD, false) => Some(Kind::STRUCT),
            (Kind::FWD, true) => Some(Kind::UNION),
            _ => None,
        }
    }
}

impl fmt::Debug for Type<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "[{}] {} '{}'",
            self.id,
            self.kind(),
            self.name().unwrap_or("?")
        )
    }
}
