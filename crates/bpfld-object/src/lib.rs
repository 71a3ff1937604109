//! Compiled BPF objects: from ELF bytes to programs, maps, externs and relocations, without a kernel.
//!
//! [`Object::parse`] reads what clang and gcc write, and with feature `asm` assembly too; [`Object::link`] makes one sequence of instructions of a program and
//! the subprograms that it reaches. Both are pure functions of the bytes: they run on any host, for objects of
//! either byte order, and no input can make them panic. What the kernel is asked for to run the result is up to
//! others: crate `bpfld` loads it, `bpfld-vm` runs it in this process.
//!
//! With feature `asm`, `ObjectAssembler` makes object files of assembly. Not here: loading.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

mod adapt;
#[cfg(feature = "asm")]
mod assembly;
mod btf_file;
mod datasec;
mod edit;
mod elf;
mod error;
mod executable;
mod externs;
mod fixups;
mod index;
mod info;
mod kconfig;
mod link;
mod map;
mod map_btf;
mod map_data;
mod map_legacy;
mod object;
mod open;
pub mod poison;
mod program;
mod relocation;
mod sections;
mod struct_ops;
mod tags;
mod usdt;
mod variables;

#[cfg(feature = "asm")]
pub use crate::assembly::{Assembled, AssemblyText, ObjectAssembler, TextError};
pub use crate::{
    adapt::{CoreOutcome, CoreReport, Unfit},
    btf_file::BtfFile,
    datasec::{DataSection, DataVariable},
    elf::Section,
    error::{Error, ErrorKind},
    executable::{Executable, ExecutableFunction, ExecutableSection},
    externs::{Extern, ExternKind, KconfigValue},
    index::{ExternIndex, FunctionIndex, MapIndex, ProgramIndex, SectionIndex},
    info::{FunctionInfo, SourceLine},
    link::{JumpTable, LinkedFunction, LinkedProgram, Relocation, Target},
    map::{KERNEL_NAME_MAX, MapDef, MapKind, MemberProgram, Pinning, SlotValue, ring_size},
    object::Object,
    open::OpenOptions,
    program::{Function, Linkage, Program},
    sections::{AutoAttach, ProgramSpec, SECTIONS, SectionFlags, SectionRow},
    tags::ContextArgument,
    usdt::{UsdtArgument, UsdtLocation, UsdtProbe},
    variables::Variable,
};
