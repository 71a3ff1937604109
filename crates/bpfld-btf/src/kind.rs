//! Type ids and the open vocabularies of BTF: kinds, linkages, integer encodings.

use core::fmt;

/// The number of a type within one BTF (and its base). Zero is `void`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeId(pub u32);

impl TypeId {
    /// The type `void`: in every BTF, written in none.
    pub const VOID: Self = Self(0);

    /// Whether this is `void`.
    pub fn is_void(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for TypeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Names an open vocabulary: constants, names, parsing of a known number.
macro_rules! vocabulary {
    ($(#[$meta:meta])* $type:ident($repr:ty) { $($(#[$row:meta])* $name:ident = $number:literal, $text:literal;)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(pub $repr);

        impl $type {
            $($(#[$row])* pub const $name: Self = Self($number);)*

            /// All that this build knows, in numeric order.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The name, if this build knows the number.
            pub fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some($text),)*
                    _ => None,
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.name() {
                    Some(name) => f.pad(name),
                    None => fmt::Display::fmt(&self.0, f),
                }
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.name() {
                    Some(name) => write!(f, "{}({name})", stringify!($type)),
                    None => write!(f, "{}({})", stringify!($type), self.0),
                }
            }
        }
    };
}

vocabulary! {
    /// What sort of type a BTF record describes. Open: kinds this build does not know survive, provided that the BTF
    /// carries a layout section (kernel 7.1) that says how long their records are.
    Kind(u8) {
        /// `void`, which has id 0 and no record.
        VOID = 0, "VOID";
        /// An integer, with size, signedness and encoding.
        INT = 1, "INT";
        /// A pointer.
        PTR = 2, "PTR";
        /// An array of fixed length (zero for a flexible one).
        ARRAY = 3, "ARRAY";
        /// A struct.
        STRUCT = 4, "STRUCT";
        /// A union.
        UNION = 5, "UNION";
        /// An enumeration whose values fit in 32 bits.
        ENUM = 6, "ENUM";
        /// A struct or union that is declared but not defined.
        FWD = 7, "FWD";
        /// A typedef.
        TYPEDEF = 8, "TYPEDEF";
        /// The `volatile` qualifier.
        VOLATILE = 9, "VOLATILE";
        /// The `const` qualifier.
        CONST = 10, "CONST";
        /// The `restrict` qualifier.
        RESTRICT = 11, "RESTRICT";
        /// A function: name, linkage and prototype (kernel 5.0).
        FUNC = 12, "FUNC";
        /// A function prototype: return type and parameters (kernel 5.0).
        FUNC_PROTO = 13, "FUNC_PROTO";
        /// A global variable (kernel 5.2).
        VAR = 14, "VAR";
        /// A section with its variables (kernel 5.2).
        DATASEC = 15, "DATASEC";
        /// A floating-point number (kernel 5.13).
        FLOAT = 16, "FLOAT";
        /// An annotation of a declaration: `btf_decl_tag` (kernel 5.16).
        DECL_TAG = 17, "DECL_TAG";
        /// An annotation of a type: `btf_type_tag` (kernel 5.18).
        TYPE_TAG = 18, "TYPE_TAG";
        /// An enumeration with 64-bit values (kernel 6.0).
        ENUM64 = 19, "ENUM64";
    }
}

impl Kind {
    /// The largest number the format has room for.
    pub const MAX: Self = Self(0x7f);

    /// Whether this is a struct or a union.
    pub fn is_composite(self) -> bool {
        matches!(self, Self::STRUCT | Self::UNION)
    }

    /// Whether this is an enumeration of either width.
    pub fn is_enumeration(self) -> bool {
        matches!(self, Self::ENUM | Self::ENUM64)
    }

    /// Whether this merely qualifies or annotates another type: `const`, `volatile`, `restrict`, a type tag.
    pub fn is_modifier(self) -> bool {
        matches!(
            self,
            Self::CONST | Self::VOLATILE | Self::RESTRICT | Self::TYPE_TAG
        )
    }

    /// Whether the third word of the record is a type id rather than a size.
    pub(crate) fn has_target(self) -> bool {
        matches!(
            self,
            Self::PTR
                | Self::TYPEDEF
                | Self::VOLATILE
                | Self::CONST
                | Self::RESTRICT
                | Self::FUNC
                | Self::FUNC_PROTO
                | Self::VAR
                | Self::DECL_TAG
                | Self::TYPE_TAG
        )
    }

    /// Whether the third word of the record is a size in bytes.
    pub(crate) fn has_size(self) -> bool {
        matches!(
            self,
            Self::INT | Self::STRUCT | Self::UNION | Self::ENUM | Self::DATASEC | Self::FLOAT | Self::ENUM64
        )
    }
}

/// How long records are: bytes after the 12-byte head, and bytes per element.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RecordShape {
    pub(crate) fixed: u8,
    pub(crate) element: u8,
    pub(crate) known: bool,
}

/// The head every type record begins with.
pub(crate) const TYPE_HEAD: usize = 12;

/// The record shapes of the kinds this build knows; index is the kind.
pub(crate) const SHAPES: [RecordShape; 20] = {
    const fn shape(fixed: u8, element: u8) -> RecordShape {
        RecordShape {
            fixed,
            element,
            known: true,
        }
    }
    [
        RecordShape {
            fixed: 0,
            element: 0,
            known: false,
        }, // VOID is never written
        shape(4, 0),  // INT
        shape(0, 0),  // PTR
        shape(12, 0), // ARRAY
        shape(0, 12), // STRUCT
        shape(0, 12), // UNION
        shape(0, 8),  // ENUM
        shape(0, 0),  // FWD
        shape(0, 0),  // TYPEDEF
        shape(0, 0),  // VOLATILE
        shape(0, 0),  // CONST
        shape(0, 0),  // RESTRICT
        shape(0, 0),  // FUNC
        shape(0, 8),  // FUNC_PROTO
        shape(4, 0),  // VAR
        shape(0, 12), // DATASEC
        shape(0, 0),  // FLOAT
        shape(4, 0),  // DECL_TAG
        shape(0, 0),  // TYPE_TAG
        shape(0, 12), // ENUM64
    ]
};

/// The shape of the records of a kind: what we know goes before what the data says of itself.
#[inline]
pub(crate) fn shape_of<'a>(
    kind: u8,
    layout: impl FnOnce() -> Option<&'a [RecordShape]>,
) -> Option<RecordShape> {
    let index = usize::from(kind);
    match SHAPES.get(index) {
        Some(shape) if shape.known => Some(*shape),
        _ => layout()?.get(index).copied().filter(|shape| shape.known),
    }
}

vocabulary! {
    /// Who sees a function or variable.
    Linkage(u32) {
        /// Only this compilation unit.
        STATIC = 0, "static";
        /// Everybody; for a variable, it is defined here.
        GLOBAL = 1, "global";
        /// Defined elsewhere.
        EXTERN = 2, "extern";
    }
}

vocabulary! {
    /// What a CO-RE relocation asks for. The names are those that libbpf prints.
    CoreKind(u32) {
        /// The offset of a field in bytes.
        FIELD_BYTE_OFFSET = 0, "byte_off";
        /// The size of a field in bytes.
        FIELD_BYTE_SIZE = 1, "byte_sz";
        /// Whether a field exists.
        FIELD_EXISTS = 2, "field_exists";
        /// Whether a field is signed.
        FIELD_SIGNED = 3, "signed";
        /// By how much a bit field, loaded into 64 bits, is to be shifted left.
        FIELD_LSHIFT_U64 = 4, "lshift_u64";
        /// By how much it is then to be shifted right.
        FIELD_RSHIFT_U64 = 5, "rshift_u64";
        /// The id of a type in the object's own BTF.
        TYPE_ID_LOCAL = 6, "local_type_id";
        /// The id of a type in the kernel's BTF.
        TYPE_ID_TARGET = 7, "target_type_id";
        /// Whether a type exists.
        TYPE_EXISTS = 8, "type_exists";
        /// The size of a type in bytes.
        TYPE_SIZE = 9, "type_size";
        /// Whether a value of an enumeration exists.
        ENUMVAL_EXISTS = 10, "enumval_exists";
        /// The number behind a value of an enumeration.
        ENUMVAL_VALUE = 11, "enumval_value";
        /// Whether a type exists with the same shape.
        TYPE_MATCHES = 12, "type_matches";
    }
}

impl CoreKind {
    /// Whether the question is about a field.
    pub fn is_field(self) -> bool {
        self.0 <= Self::FIELD_RSHIFT_U64.0
    }

    /// Whether the question is about a type.
    pub fn is_type(self) -> bool {
        matches!(
            self,
            Self::TYPE_ID_LOCAL
                | Self::TYPE_ID_TARGET
                | Self::TYPE_EXISTS
                | Self::TYPE_SIZE
                | Self::TYPE_MATCHES
        )
    }

    /// Whether the question is about a value of an enumeration.
    pub fn is_enum_value(self) -> bool {
        matches!(self, Self::ENUMVAL_EXISTS | Self::ENUMVAL_VALUE)
    }
}

/// How an integer is to be read and shown: a set of bits, of which compilers set at most one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct IntEncoding(pub u8);

impl IntEncoding {
    /// An unsigned number.
    pub const UNSIGNED: Self = Self(0);
    /// A signed number.
    pub const SIGNED: Self = Self(1);
    /// A character.
    pub const CHAR: Self = Self(2);
    /// A truth value.
    pub const BOOL: Self = Self(4);

    /// Whether the bits of `other` are all set here.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}
