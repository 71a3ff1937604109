// Written by the test; BPFLD_BLESS=1 writes it anew.

/// The `len` bits at bit `start`.
#[allow(dead_code, clippy::all)]
fn __bits(bytes: &[u8], start: usize, len: usize) -> u64 {
    let bit = |at: usize| bytes.get(at / 8).map_or(0, |byte| u64::from(byte >> (at % 8) & 1));
    (0..len).rev().fold(0, |value, at| value << 1 | bit(start + at))
}

/// Writes the `len` bits at bit `start`.
#[allow(dead_code, clippy::all)]
fn __set_bits(bytes: &mut [u8], start: usize, len: usize, value: u64) {
    for at in 0..len {
        if let Some(byte) = bytes.get_mut((start + at) / 8) {
            let shift = (start + at) % 8;
            *byte = *byte & !(1 << shift) | ((value >> at & 1) as u8) << shift;
        }
    }
}

/// The value that these bytes begin with.
#[allow(dead_code, clippy::all)]
fn __part<T: ::zerocopy::FromBytes>(bytes: &[u8]) -> T {
    match T::read_from_prefix(bytes) {
        Ok((value, _)) => value,
        Err(_) => <T as ::zerocopy::FromZeros>::new_zeroed(),
    }
}

/// `enum state`: any number, some of which have names.
#[allow(nonstandard_style, dead_code, missing_docs, unreachable_pub, clippy::all)]
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ::zerocopy::FromBytes, ::zerocopy::Immutable, ::zerocopy::IntoBytes, ::zerocopy::KnownLayout)]
pub struct state(pub u32);

impl ::core::default::Default for state {
    fn default() -> Self {
        ::zerocopy::FromZeros::new_zeroed()
    }
}

#[allow(nonstandard_style, dead_code, missing_docs, unreachable_pub, clippy::all)]
impl state {
    pub const IDLE: Self = Self(0);
    pub const RUNNING: Self = Self(1);
    pub const r#type: Self = Self(7);
}

const _: () = assert!(::core::mem::size_of::<state>() == 4);

/// `enum far`: any number, some of which have names.
#[allow(nonstandard_style, dead_code, missing_docs, unreachable_pub, clippy::all)]
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ::zerocopy::FromBytes, ::zerocopy::Immutable, ::zerocopy::IntoBytes, ::zerocopy::KnownLayout)]
pub struct far(pub i64);

impl ::core::default::Default for far {
    fn default() -> Self {
        ::zerocopy::FromZeros::new_zeroed()
    }
}

#[allow(nonstandard_style, dead_code, missing_docs, unreachable_pub, clippy::all)]
impl far {
    pub const NEAR: Self = Self(-1);
    pub const FAR: Self = Self(1099511627776);
}

const _: () = assert!(::core::mem::size_of::<far>() == 8);

#[allow(nonstandard_style, dead_code, missing_docs, unreachable_pub, clippy::all)]
pub type state_t = state;

/// `struct nothing`, 0 bytes.
#[allow(nonstandard_style, dead_code, missing_docs, unreachable_pub, clippy::all)]
#[repr(C)]
#[derive(Clone, Copy, Debug, ::zerocopy::FromBytes, ::zerocopy::Immutable, ::zerocopy::IntoBytes, ::zerocopy::KnownLayout)]
pub struct nothing {}

impl ::core::default::Default for nothing {
    fn default() -> Self {
        ::zerocopy::FromZeros::new_zeroed()
    }
}

const _: () = assert!(::core::mem::size_of::<nothing>() == 0);

/// `struct packed`, 13 bytes.
#[allow(nonstandard_style, dead_code, missing_docs, unreachable_pub, clippy::all)]
#[repr(C, packed)]
#[derive(Clone, Copy, Debug, ::zerocopy::FromBytes, ::zerocopy::Immutable, ::zerocopy::IntoBytes, ::zerocopy::KnownLayout)]
pub struct packed {
    pub tag: u8,
    pub value: i64,
    pub tail: u32,
}

impl ::core::default::Default for packed {
    fn default() -> Self {
        ::zerocopy::FromZeros::new_zeroed()
    }
}

const _: () = assert!(::core::mem::size_of::<packed>() == 13);
const _: () = assert!(::core::mem::offset_of!(packed, tag) == 0 && ::core::mem::offset_of!(packed, value) == 1 && ::core::mem::offset_of!(packed, tail) == 9);

/// `struct {…}`, 8 bytes.
#[allow(nonstandard_style, dead_code, missing_docs, unreachable_pub, clippy::all)]
#[repr(C)]
#[derive(Clone, Copy, Debug, ::zerocopy::FromBytes, ::zerocopy::Immutable, ::zerocopy::IntoBytes, ::zerocopy::KnownLayout)]
pub struct variant____unnamed_0 {
    pub low: u32,
    pub high: u32,
}

impl ::core::default::Default for variant____unnamed_0 {
    fn default() -> Self {
        ::zerocopy::FromZeros::new_zeroed()
    }
}

const _: () = assert!(::core::mem::size_of::<variant____unnamed_0>() == 8);
const _: () = assert!(::core::mem::offset_of!(variant____unnamed_0, low) == 0 && ::core::mem::offset_of!(variant____unnamed_0, high) == 4);

/// `struct {…}`, 4 bytes.
#[allow(nonstandard_style, dead_code, missing_docs, unreachable_pub, clippy::all)]
#[repr(C)]
#[derive(Clone, Copy, Debug, ::zerocopy::FromBytes, ::zerocopy::Immutable, ::zerocopy::IntoBytes, ::zerocopy::KnownLayout)]
pub struct variant__flags {
    pub _bits_0: [u8; 1],
    pub _padding_0: [u8; 3],
}

impl ::core::default::Default for variant__flags {
    fn default() -> Self {
        ::zerocopy::FromZeros::new_zeroed()
    }
}

#[allow(nonstandard_style, dead_code, missing_docs, unreachable_pub, clippy::all)]
impl variant__flags {
    /// Bit field `low`: 3 bits of `unsigned int`.
    pub fn low(&self) -> u32 {
        __bits(&self._bits_0[..], 0, 3) as u32
    }

    /// Writes bit field `low`.
    pub fn set_low(&mut self, value: u32) {
        __set_bits(&mut self._bits_0[..], 0, 3, value as u64);
    }

    /// Bit field `sign`: 2 bits of `int`.
    pub fn sign(&self) -> i32 {
        (((__bits(&self._bits_0[..], 3, 2) << 62) as i64) >> 62) as i32
    }

    /// Writes bit field `sign`.
    pub fn set_sign(&mut self, value: i32) {
        __set_bits(&mut self._bits_0[..], 3, 2, value as u64);
    }
}

const _: () = assert!(::core::mem::size_of::<variant__flags>() == 4);

/// `union variant`, 8 bytes: one of its members at a time.
#[allow(nonstandard_style, dead_code, missing_docs, unreachable_pub, clippy::all)]
#[repr(C)]
#[derive(Clone, Copy, Debug, ::zerocopy::FromBytes, ::zerocopy::Immutable, ::zerocopy::IntoBytes, ::zerocopy::KnownLayout)]
pub struct variant {
    pub _storage: [u64; 1],
}

impl ::core::default::Default for variant {
    fn default() -> Self {
        ::zerocopy::FromZeros::new_zeroed()
    }
}

#[allow(nonstandard_style, dead_code, missing_docs, unreachable_pub, clippy::all)]
impl variant {
    /// Member `whole`: `long`.
    pub fn whole(&self) -> i64 {
        __part(::zerocopy::IntoBytes::as_bytes(self))
    }

    /// Writes member `whole`.
    pub fn set_whole(&mut self, value: i64) {
        let _ = ::zerocopy::IntoBytes::write_to_prefix(&value, ::zerocopy::IntoBytes::as_mut_bytes(self));
    }

    /// Member `__unnamed_0`: `struct {…}`.
    pub fn __unnamed_0(&self) -> variant____unnamed_0 {
        __part(::zerocopy::IntoBytes::as_bytes(self))
    }

    /// Writes member `__unnamed_0`.
    pub fn set___unnamed_0(&mut self, value: variant____unnamed_0) {
        let _ = ::zerocopy::IntoBytes::write_to_prefix(&value, ::zerocopy::IntoBytes::as_mut_bytes(self));
    }

    /// Member `flags`: `struct {…}`.
    pub fn flags(&self) -> variant__flags {
        __part(::zerocopy::IntoBytes::as_bytes(self))
    }

    /// Writes member `flags`.
    pub fn set_flags(&mut self, value: variant__flags) {
        let _ = ::zerocopy::IntoBytes::write_to_prefix(&value, ::zerocopy::IntoBytes::as_mut_bytes(self));
    }

    /// Member `real`: `double`.
    pub fn real(&self) -> f64 {
        __part(::zerocopy::IntoBytes::as_bytes(self))
    }

    /// Writes member `real`.
    pub fn set_real(&mut self, value: f64) {
        let _ = ::zerocopy::IntoBytes::write_to_prefix(&value, ::zerocopy::IntoBytes::as_mut_bytes(self));
    }
}

const _: () = assert!(::core::mem::size_of::<variant>() == 8);

/// `enum {…}`: any number, some of which have names.
#[allow(nonstandard_style, dead_code, missing_docs, unreachable_pub, clippy::all)]
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ::zerocopy::FromBytes, ::zerocopy::Immutable, ::zerocopy::IntoBytes, ::zerocopy::KnownLayout)]
pub struct mixed__kind(pub i32);

impl ::core::default::Default for mixed__kind {
    fn default() -> Self {
        ::zerocopy::FromZeros::new_zeroed()
    }
}

#[allow(nonstandard_style, dead_code, missing_docs, unreachable_pub, clippy::all)]
impl mixed__kind {
    pub const MINUS: Self = Self(-1);
}

const _: () = assert!(::core::mem::size_of::<mixed__kind>() == 4);

/// `struct mixed`, 112 bytes.
#[allow(nonstandard_style, dead_code, missing_docs, unreachable_pub, clippy::all)]
#[repr(C)]
#[derive(Clone, Copy, Debug, ::zerocopy::FromBytes, ::zerocopy::Immutable, ::zerocopy::IntoBytes, ::zerocopy::KnownLayout)]
pub struct mixed {
    pub comm: [u8; 16],
    /// `struct unknown *`
    pub next: u64,
    pub _bits_0: [u8; 3],
    pub _padding_0: [u8; 1],
    pub kind: mixed__kind,
    pub variant: variant,
    pub packed: packed,
    pub alive: u8,
    pub _padding_1: [u8; 2],
    pub far: far,
    pub wide: i128,
    pub ratio: [u8; 16],
    pub nothing: nothing,
    pub rest: [u32; 0],
    pub _padding_2: [u8; 16],
}

impl ::core::default::Default for mixed {
    fn default() -> Self {
        ::zerocopy::FromZeros::new_zeroed()
    }
}

#[allow(nonstandard_style, dead_code, missing_docs, unreachable_pub, clippy::all)]
impl mixed {
    /// Bit field `ready`: 1 bits of `unsigned int`.
    pub fn ready(&self) -> u32 {
        __bits(&self._bits_0[..], 0, 1) as u32
    }

    /// Writes bit field `ready`.
    pub fn set_ready(&mut self, value: u32) {
        __set_bits(&mut self._bits_0[..], 0, 1, value as u64);
    }

    /// Bit field `level`: 5 bits of `int`.
    pub fn level(&self) -> i32 {
        (((__bits(&self._bits_0[..], 1, 5) << 59) as i64) >> 59) as i32
    }

    /// Writes bit field `level`.
    pub fn set_level(&mut self, value: i32) {
        __set_bits(&mut self._bits_0[..], 1, 5, value as u64);
    }

    /// Bit field `mode`: 3 bits of `enum state`.
    pub fn mode(&self) -> state {
        state(__bits(&self._bits_0[..], 14, 3) as u32)
    }

    /// Writes bit field `mode`.
    pub fn set_mode(&mut self, value: state) {
        __set_bits(&mut self._bits_0[..], 14, 3, value.0 as u64);
    }

    /// Bit field `last`: 3 bits of `state_t`.
    pub fn last(&self) -> state_t {
        state(__bits(&self._bits_0[..], 17, 3) as u32)
    }

    /// Writes bit field `last`.
    pub fn set_last(&mut self, value: state_t) {
        __set_bits(&mut self._bits_0[..], 17, 3, value.0 as u64);
    }
}

const _: () = assert!(::core::mem::size_of::<mixed>() == 112);
const _: () = assert!(::core::mem::offset_of!(mixed, comm) == 0 && ::core::mem::offset_of!(mixed, next) == 16 && ::core::mem::offset_of!(mixed, kind) == 28 && ::core::mem::offset_of!(mixed, variant) == 32 && ::core::mem::offset_of!(mixed, packed) == 40 && ::core::mem::offset_of!(mixed, alive) == 53 && ::core::mem::offset_of!(mixed, far) == 56 && ::core::mem::offset_of!(mixed, wide) == 64 && ::core::mem::offset_of!(mixed, ratio) == 80 && ::core::mem::offset_of!(mixed, nothing) == 96 && ::core::mem::offset_of!(mixed, rest) == 96);

/// `struct type`, 8 bytes.
#[allow(nonstandard_style, dead_code, missing_docs, unreachable_pub, clippy::all)]
#[repr(C)]
#[derive(Clone, Copy, Debug, ::zerocopy::FromBytes, ::zerocopy::Immutable, ::zerocopy::IntoBytes, ::zerocopy::KnownLayout)]
pub struct r#type {
    pub self_: u32,
    pub r#fn: u32,
}

impl ::core::default::Default for r#type {
    fn default() -> Self {
        ::zerocopy::FromZeros::new_zeroed()
    }
}

const _: () = assert!(::core::mem::size_of::<r#type>() == 8);
const _: () = assert!(::core::mem::offset_of!(r#type, self_) == 0 && ::core::mem::offset_of!(r#type, r#fn) == 4);

#[allow(nonstandard_style, dead_code, missing_docs, unreachable_pub, clippy::all)]
pub type state___2 = mixed;

/// `struct {…}`, 4 bytes.
#[allow(nonstandard_style, dead_code, missing_docs, unreachable_pub, clippy::all)]
#[repr(C)]
#[derive(Clone, Copy, Debug, ::zerocopy::FromBytes, ::zerocopy::Immutable, ::zerocopy::IntoBytes, ::zerocopy::KnownLayout)]
pub struct only_t {
    pub only: i32,
}

impl ::core::default::Default for only_t {
    fn default() -> Self {
        ::zerocopy::FromZeros::new_zeroed()
    }
}

const _: () = assert!(::core::mem::size_of::<only_t>() == 4);
const _: () = assert!(::core::mem::offset_of!(only_t, only) == 0);

