//! The kernel's types, made by `cargo xtask codegen`.

pub mod attr;
pub(crate) mod flags;
pub mod info;
pub mod link;
pub mod plain;
pub(crate) mod vocabularies;
