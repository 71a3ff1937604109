//! What BTF.ext says of one instruction: the function or source line that begins there, or how it is to be adapted.

use core::fmt;

use crate::{TypeId, kind::CoreKind};

/// A kind of record of BTF.ext. Implemented here only.
pub trait ExtRecord: fmt::Debug + sealed::Sealed {
    /// The size of the known fields in bytes.
    const SIZE: usize;

    #[doc(hidden)]
    fn decode(word: impl Fn(usize) -> u32) -> Self;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::FuncInfo {}
    impl Sealed for super::LineInfo {}
    impl Sealed for super::CoreRelocation {}
}

/// A function begins at an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FuncInfo {
    /// Where, in bytes from the start of the section.
    pub insn_offset: u32,
    /// The function: a type of kind FUNC.
    pub type_id: TypeId,
}

impl ExtRecord for FuncInfo {
    const SIZE: usize = 8;

    fn decode(word: impl Fn(usize) -> u32) -> Self {
        Self {
            insn_offset: word(0),
            type_id: TypeId(word(1)),
        }
    }
}

/// A source line begins at an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineInfo {
    /// Where, in bytes from the start of the section.
    pub insn_offset: u32,
    /// The string offset of the file's name.
    pub file: u32,
    /// The string offset of the line's text.
    pub text: u32,
    /// Line number times 1024, plus column.
    pub line_column: u32,
}

impl LineInfo {
    /// The line number, from 1.
    pub fn line(&self) -> u32 {
        self.line_column >> 10
    }

    /// The column, from 1; zero if unknown.
    pub fn column(&self) -> u32 {
        self.line_column & 0x3ff
    }
}

impl ExtRecord for LineInfo {
    const SIZE: usize = 16;

    fn decode(word: impl Fn(usize) -> u32) -> Self {
        Self {
            insn_offset: word(0),
            file: word(1),
            text: word(2),
            line_column: word(3),
        }
    }
}

/// An instruction is to be adapted to the types of the kernel it runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoreRelocation {
    /// Which, in bytes from the start of the section.
    pub insn_offset: u32,
    /// The type of the object's BTF that the access starts from.
    pub type_id: TypeId,
    /// The string offset of the access path: indices with colons between.
    pub access: u32,
    /// What is asked about the accessed thing.
    pub kind: CoreKind,
}

impl ExtRecord for CoreRelocation {
    const SIZE: usize = 16;

    fn decode(word: impl Fn(usize) -> u32) -> Self {
        let (insn_offset, type_id) = (word(0), TypeId(word(1)));
        Self {
            insn_offset,
            type_id,
            access: word(2),
            kind: CoreKind(word(3)),
        }
    }
}
