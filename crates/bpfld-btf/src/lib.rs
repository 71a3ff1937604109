//! BTF, the type format of eBPF: read it, look things up, write it.
//!
//! BTF describes C types compactly. The Linux kernel describes itself in it (`/sys/kernel/btf/vmlinux`), and so does
//! every compiled BPF object. This crate reads BTF of any kernel up to 7.2, in either byte order, without trusting it:
//! no input makes it panic, loop, or allocate more than a small multiple of the input.
//!
//! ```
//! use bpfld_btf::{Btf, Kind};
//!
//! # fn example(bytes: Vec<u8>) -> Result<(), bpfld_btf::Error> {
//! let btf = Btf::parse(bytes)?;
//! if let Some(id) = btf.find("task_struct", Kind::STRUCT) {
//!     let task = btf.ty(id)?;
//!     println!("{} bytes", btf.resolve_size(id)?);
//!     for member in task.members() {
//!         println!("{} at bit {}", member.name()?, member.bit_offset);
//!     }
//!     // Also within structs and unions that have no name.
//!     let pid = task.member("pid")?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! It makes no system calls and knows nothing of ELF: the bytes are the caller's to bring.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

mod align;
mod bit_field;
mod btf;
mod bytes;
mod c;
mod dedup;
mod diff;
mod distill;
mod endian;
mod error;
mod ext;
mod flavor;
mod hash;
mod header;
mod import;
mod index;
mod input;
mod kind;
mod lazy;
mod load;
mod members;
mod minimal;
mod parts;
mod permute;
mod raw;
mod reader;
mod record;
mod relocate;
mod render;
mod resolve;
mod rust;
mod strings;
mod ty;
mod type_name;
mod walk;
mod write;

pub use crate::{
    btf::Btf,
    bytes::Bytes,
    c::DeclareError,
    dedup::Deduplicated,
    diff::{Change, Detail, Diff, Place},
    distill::Distilled,
    endian::Endian,
    error::{Error, ErrorKind},
    ext::{BtfExt, CoreRelocation, ExtRecord, ExtRecords, ExtSection, ExtTable, FuncInfo, LineInfo},
    flavor::essential_name,
    import::Import,
    input::{InputError, InputErrorKind},
    kind::{CoreKind, IntEncoding, Kind, Linkage, TypeId},
    load::{BtfFeature, BtfFeatures, Draft, Placement, sanitize},
    members::NamedMembers,
    minimal::MinimalBtf,
    parts::{Array, EnumValue, EnumValues, Int, Member, Members, Parameter, Parameters, Variable, Variables},
    raw::Raw,
    relocate::{
        Accessor, Candidate, CoreError, Module, Outcome, Poison, Resolution, Resolver, Spec, Targets, Width,
        types_are_compatible,
    },
    render::{RenderError, Style},
    ty::Type,
    write::{Builder, Field, SectionEntry, Sign},
};
