//! What a kernel knows of BTF, as far as kernels differ.

use core::fmt;

/// Something of BTF that old kernels refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum BtfFeature {
    /// Kinds FUNC and FUNC_PROTO.
    Func,
    /// Kinds VAR and DATASEC.
    Datasec,
    /// Functions with global linkage.
    GlobalFunc,
    /// Kind FLOAT.
    Float,
    /// Kind DECL_TAG.
    DeclTag,
    /// Kind TYPE_TAG.
    TypeTag,
    /// Kind ENUM64, and the sign flag of enumerations.
    Enum64,
    /// Names of sections that begin with a question mark.
    QuestionMark,
    /// The layout section.
    Layout,
}

impl BtfFeature {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Func,
        Self::Datasec,
        Self::GlobalFunc,
        Self::Float,
        Self::DeclTag,
        Self::TypeTag,
        Self::Enum64,
        Self::QuestionMark,
        Self::Layout,
    ];

    /// A short name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Func => "func",
            Self::Datasec => "datasec",
            Self::GlobalFunc => "global_func",
            Self::Float => "float",
            Self::DeclTag => "decl_tag",
            Self::TypeTag => "type_tag",
            Self::Enum64 => "enum64",
            Self::QuestionMark => "question_mark",
            Self::Layout => "layout",
        }
    }

    /// The first kernel release that has it.
    pub fn since(self) -> (u8, u8) {
        match self {
            Self::Func => (5, 0),
            Self::Datasec => (5, 2),
            Self::GlobalFunc => (5, 6),
            Self::Float => (5, 13),
            Self::DeclTag => (5, 16),
            Self::TypeTag => (5, 17),
            Self::Enum64 => (6, 0),
            Self::QuestionMark => (6, 9),
            Self::Layout => (7, 1),
        }
    }

    /// What is done to BTF for a kernel that lacks it.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Func => "prototypes become enumerations, functions typedefs",
            Self::Datasec => "variables become one-byte integers, sections structs",
            Self::GlobalFunc => "functions become static",
            Self::Float => "floats become empty structs of the same size",
            Self::DeclTag => "declaration tags become one-byte integers",
            Self::TypeTag => "type tags become const",
            Self::Enum64 => "64-bit enumerations become unions, enumerations lose their sign flag",
            Self::QuestionMark => "a leading question mark in the name of a section becomes an underscore",
            Self::Layout => "the layout section is left out",
        }
    }
}

impl fmt::Display for BtfFeature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A set of [`BtfFeature`]s: those that a kernel has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct BtfFeatures(u16);

impl BtfFeatures {
    /// All that this build knows.
    pub const ALL: Self = Self((1 << BtfFeature::ALL.len()) - 1);
    /// None: a 4.18 kernel.
    pub const NONE: Self = Self(0);

    /// The set with this one too.
    #[must_use]
    pub fn with(self, feature: BtfFeature) -> Self {
        Self(self.0 | 1 << feature as u16)
    }

    /// The set without this one.
    #[must_use]
    pub fn without(self, feature: BtfFeature) -> Self {
        Self(self.0 & !(1 << feature as u16))
    }

    /// Whether this one is in the set.
    pub fn contains(self, feature: BtfFeature) -> bool {
        self.0 & 1 << feature as u16 != 0
    }
}

impl FromIterator<BtfFeature> for BtfFeatures {
    fn from_iter<I: IntoIterator<Item = BtfFeature>>(features: I) -> Self {
        features.into_iter().fold(Self::NONE, Self::with)
    }
}
