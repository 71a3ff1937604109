//! The kernel's types, made by `cargo xtask codegen`.

pub mod attr;
pub(crate) mod flags;
pub mod info;
pub mod link;
pub mod plain;
#[expect(
    missing_debug_implementations,
    reason = "zerocopy derives a hidden type for a public field"
)]
pub(crate) mod vocabularies;
