//! What records hold besides their head: members, values, parameters, variables.

use core::{fmt, iter::FusedIterator};

use crate::{Btf, Error, IntEncoding, TypeId};

/// How to read an integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Int {
    /// The size of the storage in bytes.
    pub size: u32,
    /// Signed, character or truth value.
    pub encoding: IntEncoding,
    /// Where the value begins within the storage. Compilers long since leave this at zero.
    pub bit_offset: u8,
    /// The number of bits of the value.
    pub bits: u8,
}

impl Int {
    /// Whether the number is signed.
    pub fn is_signed(&self) -> bool {
        self.encoding.contains(IntEncoding::SIGNED)
    }
}

/// The type of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Array {
    /// The type of the elements.
    pub element: TypeId,
    /// The type of the index: some integer, without further meaning.
    pub index: TypeId,
    /// The number of elements; zero for a flexible array.
    pub len: u32,
}

/// Declares a sequence of elements of one length: an iterator with random access. The form is what the type says about how to
/// read them.
macro_rules! sequence {
    ($(#[$meta:meta])* $sequence:ident, $item:ident, $form:ty) => {
        $(#[$meta])*
        #[derive(Clone, Copy)]
        pub struct $sequence<'a> {
            btf: &'a Btf,
            words: &'a [[u8; 4]],
            form: $form,
        }

        impl<'a> $sequence<'a> {
            #[inline]
            pub(crate) fn new(btf: &'a Btf, body: &'a [u8], form: $form) -> Self {
                let (words, _) = body.as_chunks();
                Self { btf, words, form }
            }

            /// The number of elements that are left.
            #[inline]
            pub fn len(&self) -> usize {
                self.words.len() / $item::words(self.form)
            }

            /// Whether none is left.
            #[inline]
            pub fn is_empty(&self) -> bool {
                self.words.is_empty()
            }

            /// The element with this number.
            #[inline]
            pub fn get(&self, index: usize) -> Option<$item<'a>> {
                let len = $item::words(self.form);
                let record = self.words.get(index.checked_mul(len)?..)?.get(..len)?;
                Some($item::decode(self.btf, record, self.form))
            }
        }

        impl<'a> Iterator for $sequence<'a> {
            type Item = $item<'a>;

            #[inline]
            fn next(&mut self) -> Option<$item<'a>> {
                let (record, rest) = self.words.split_at_checked($item::words(self.form))?;
                self.words = rest;
                Some($item::decode(self.btf, record, self.form))
            }

            fn size_hint(&self) -> (usize, Option<usize>) {
                (self.len(), Some(self.len()))
            }
        }

        impl ExactSizeIterator for $sequence<'_> {}
        impl FusedIterator for $sequence<'_> {}

        impl fmt::Debug for $sequence<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_list().entries(*self).finish()
            }
        }
    };
}

/// A 32-bit word of an element; the sequence has checked that it is there.
#[inline]
fn word(btf: &Btf, record: &[[u8; 4]], index: usize) -> u32 {
    record.get(index).map_or(0, |bytes| btf.endian().u32(*bytes))
}

/// Declares the name look-ups that elements have in common.
macro_rules! named {
    ($item:ident) => {
        impl<'a> $item<'a> {
            /// The name; empty if there is none.
            ///
            /// # Errors
            ///
            /// When the name's offset is out of bounds, or the name is not UTF-8.
            #[inline]
            pub fn name(&self) -> Result<&'a str, Error> {
                self.btf.string(self.name_offset)
            }

            /// The name as it is written; empty if there is none.
            ///
            /// # Errors
            ///
            /// When the name's offset is out of bounds.
            #[inline]
            pub fn name_bytes(&self) -> Result<&'a [u8], Error> {
                self.btf.string_bytes(self.name_offset)
            }
        }
    };
}

sequence! {
    /// The members of a struct or union.
    Members, Member, WithBitfields
}

/// Whether offsets carry the sizes of bit fields.
type WithBitfields = bool;

/// A member of a struct or union.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Member<'a> {
    btf: &'a Btf,
    /// The offset of the name in the string section; zero if there is none.
    pub name_offset: u32,
    /// The member's type.
    pub type_id: TypeId,
    /// The offset from the start of the struct, in bits.
    pub bit_offset: u32,
    /// The width in bits if this is a bit field, else zero. A bit field in a struct of the old encoding (compilers
    /// before 2019) shows zero here and has an integer type of fewer bits than its size.
    pub bitfield_size: u8,
}

named!(Member);

impl<'a> Member<'a> {
    #[inline]
    const fn words(_: WithBitfields) -> usize {
        3
    }

    #[inline]
    fn decode(btf: &'a Btf, record: &'a [[u8; 4]], with_bitfields: WithBitfields) -> Self {
        let offset = word(btf, record, 2);
        let (bit_offset, bitfield_size) = if with_bitfields {
            (offset & 0x00ff_ffff, (offset >> 24) as u8)
        } else {
            (offset, 0)
        };
        let (name_offset, type_id) = (word(btf, record, 0), TypeId(word(btf, record, 1)));
        Self {
            btf,
            name_offset,
            type_id,
            bit_offset,
            bitfield_size,
        }
    }

    /// The offset from the start of the struct in bytes, if the member begins at a byte.
    pub fn byte_offset(&self) -> Option<u32> {
        self.bit_offset.is_multiple_of(8).then_some(self.bit_offset / 8)
    }
}

impl fmt::Debug for Member<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member")
            .field("name", &self.name().unwrap_or("?"))
            .field("type_id", &self.type_id)
            .field("bit_offset", &self.bit_offset)
            .field("bitfield_size", &self.bitfield_size)
            .finish()
    }
}

sequence! {
    /// The values of an enumeration.
    EnumValues, EnumValue, EnumForm
}

/// How the values of an enumeration are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EnumForm {
    /// With 64 bits.
    pub(crate) wide: bool,
    pub(crate) signed: bool,
}

/// A value of an enumeration.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct EnumValue<'a> {
    btf: &'a Btf,
    /// The offset of the name in the string section.
    pub name_offset: u32,
    /// The value, extended to 64 bits: with its sign if the enumeration is signed, else with zeros.
    pub bits: u64,
    /// Whether the value is to be read as signed.
    pub signed: bool,
}

named!(EnumValue);

impl<'a> EnumValue<'a> {
    #[inline]
    const fn words(form: EnumForm) -> usize {
        if form.wide { 3 } else { 2 }
    }

    #[inline]
    fn decode(btf: &'a Btf, record: &'a [[u8; 4]], form: EnumForm) -> Self {
        let low = word(btf, record, 1);
        let bits = match form {
            EnumForm { wide: true, .. } => u64::from(word(btf, record, 2)) << 32 | u64::from(low),
            EnumForm { signed: true, .. } => i64::from(low as i32) as u64,
            _ => u64::from(low),
        };
        Self {
            btf,
            name_offset: word(btf, record, 0),
            bits,
            signed: form.signed,
        }
    }

    /// The value as a number of either sign.
    pub fn value(&self) -> i128 {
        if self.signed {
            i128::from(self.bits as i64)
        } else {
            i128::from(self.bits)
        }
    }
}

impl fmt::Debug for EnumValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}", self.name().unwrap_or("?"), self.value())
    }
}

sequence! {
    /// The parameters of a function prototype.
    Parameters, Parameter, ()
}

/// A parameter of a function prototype.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Parameter<'a> {
    btf: &'a Btf,
    /// The offset of the name in the string section; zero if there is none.
    pub name_offset: u32,
    /// The parameter's type. The last parameter of a variadic function has neither name nor type.
    pub type_id: TypeId,
}

named!(Parameter);

impl<'a> Parameter<'a> {
    #[inline]
    const fn words((): ()) -> usize {
        2
    }

    #[inline]
    fn decode(btf: &'a Btf, record: &'a [[u8; 4]], (): ()) -> Self {
        Self {
            btf,
            name_offset: word(btf, record, 0),
            type_id: TypeId(word(btf, record, 1)),
        }
    }
}

impl fmt::Debug for Parameter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name().unwrap_or("?"), self.type_id)
    }
}

sequence! {
    /// The variables of a section.
    Variables, Variable, ()
}

/// A variable (or, among externs, a function) of a section.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Variable<'a> {
    btf: &'a Btf,
    /// The variable: a type of kind VAR or FUNC.
    pub type_id: TypeId,
    /// Where it lies in the section, in bytes. Compilers leave this at zero; the loader fills it in from the symbols.
    pub offset: u32,
    /// Its size in bytes.
    pub size: u32,
}

impl<'a> Variable<'a> {
    #[inline]
    const fn words((): ()) -> usize {
        3
    }

    #[inline]
    fn decode(btf: &'a Btf, record: &'a [[u8; 4]], (): ()) -> Self {
        let type_id = TypeId(word(btf, record, 0));
        Self {
            btf,
            type_id,
            offset: word(btf, record, 1),
            size: word(btf, record, 2),
        }
    }

    /// The variable's name.
    ///
    /// # Errors
    ///
    /// When the type or its name is out of bounds, or the name is not UTF-8.
    #[inline]
    pub fn name(&self) -> Result<&'a str, Error> {
        self.btf.ty(self.type_id)?.name()
    }
}

impl fmt::Debug for Variable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] at {}, {} bytes", self.type_id, self.offset, self.size)
    }
}
