//! Contexts that are structures of fields: of control groups, of socket options, of messages and look-ups of sockets.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::net::SocketAddr;

use bpfld_insn::Endian;
use bpfld_sys::ProgramType;

use super::fields::narrow;
use super::layout::{Kind, Layout};
use super::xdp::open_fields;
use super::{Fields, sealed::Sealed};
use crate::address::{GuestAddr, RegionId};
use crate::memory::Memory;
use crate::state::State;

/// The context of programs on control groups (`sock_addr`, `sock`, `sockopt`, `sysctl`, `device`, `sock_ops`), of `sk_msg`,
/// `sk_lookup` and `sk_reuseport`: fields by their C names, which programs may read and write as the kernel lets them.
///
/// ```
/// use bpfld_vm::{ProgramType, Structure};
///
/// let mut connect = Structure::new(ProgramType::CGROUP_SOCK_ADDR).unwrap();
/// connect.set("user_family", 2).unwrap();
/// connect.set("user_port", u32::from(80u16.to_be()).into()).unwrap();
/// assert_eq!(connect.get("user_family"), Some(2));
/// assert_eq!(connect.get("no_such_field"), None);
/// ```
#[derive(Clone, Debug)]
pub struct Structure {
    inner: Box<StructureFields>,
    data: Vec<u8>,
}

/// The fields, at rest and while a program runs.
#[derive(Clone, Debug)]
pub(crate) struct StructureFields {
    layout: &'static Layout,
    /// Numbers in the order of the host.
    bytes: Vec<u8>,
    pub(crate) sysctl: Sysctl,
    message: Message,
    /// The address that the program bound the socket to.
    bound: Option<SocketAddr>,
}

/// What programs on messages said about the bytes that are still to come.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Message {
    pub(crate) apply_bytes: u32,
    pub(crate) cork_bytes: u32,
}

/// What programs on settings of the kernel ask for by helpers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sysctl {
    pub(crate) name: Vec<u8>,
    pub(crate) current: Vec<u8>,
    /// What is to be written, or what the program wants written instead.
    pub(crate) new: Option<Vec<u8>>,
}

/// No such field, or one that has no value of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoField;

impl core::fmt::Display for NoField {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the context has no such field that holds a number of this size")
    }
}

impl core::error::Error for NoField {}

impl Structure {
    /// The context of programs of this type, all of it zero; `None` if theirs is none of these.
    #[must_use]
    pub fn new(program_type: ProgramType) -> Option<Self> {
        let layout = Layout::of(program_type)?;
        Some(Self {
            inner: Box::new(StructureFields {
                layout,
                bytes: vec![0; layout.size],
                sysctl: Sysctl::default(),
                message: Message::default(),
                bound: None,
            }),
            data: Vec::new(),
        })
    }

    /// The context as bytes, as `BPF_PROG_TEST_RUN` takes it: numbers in the order of this machine. What is missing is zero; addresses are
    /// not taken over.
    #[must_use]
    pub fn from_bytes(program_type: ProgramType, bytes: &[u8]) -> Option<Self> {
        let mut structure = Self::new(program_type)?;
        for (to, from) in structure.inner.bytes.iter_mut().zip(bytes) {
            *to = *from;
        }
        Some(structure)
    }

    /// The same bytes: as they went in, or as the program left them.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.inner.bytes
    }

    /// The C name of the structure.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.inner.layout.name
    }

    /// The fields: name, offset and size in bytes.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, usize, usize)> {
        let rows = self.inner.layout.rows.iter();
        rows.map(|row| (row.name.trim_end_matches('_'), row.offset, row.size))
    }

    /// The number in a field, as a program reads it. Of several numbers (`user_ip6`), the first.
    #[must_use]
    pub fn get(&self, field: &str) -> Option<u64> {
        self.get_at(field, 0)
    }

    /// One of several numbers of a field: the words of an IPv6 address, for example.
    #[must_use]
    pub fn get_at(&self, field: &str, index: usize) -> Option<u64> {
        self.inner.field_at(field, index)
    }

    /// Sets the number in a field.
    ///
    /// # Errors
    ///
    /// There is no such field, or it is an address, which is that of the data or of the socket.
    pub fn set(&mut self, field: &str, value: u64) -> Result<&mut Self, NoField> {
        self.set_at(field, 0, value)
    }

    /// Sets one of several numbers of a field.
    ///
    /// # Errors
    ///
    /// As for [`set`](Self::set).
    pub fn set_at(&mut self, field: &str, index: usize, value: u64) -> Result<&mut Self, NoField> {
        let (start, size) = self.inner.place(field, index).ok_or(NoField)?;
        self.inner.set_number(start, size, value);
        Ok(self)
    }

    /// The data that programs get the address of, of the message, packet or option; the field that tells its length is set, too.
    pub fn set_data(&mut self, data: &[u8]) -> &mut Self {
        self.data = data.to_vec();
        self.inner.set_size(data.len() as u32);
        self
    }

    /// The data: as it went in, or as the program left it.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// How many bytes of messages the verdict is about, by `bpf_msg_apply_bytes`; 0 if nothing was said.
    #[must_use]
    pub fn apply_bytes(&self) -> u32 {
        self.inner.message.apply_bytes
    }

    /// How many bytes the program wants to have come before it runs again, by `bpf_msg_cork_bytes`; 0 if nothing was said.
    #[must_use]
    pub fn cork_bytes(&self) -> u32 {
        self.inner.message.cork_bytes
    }

    /// The address that the program bound the socket to, by `bpf_bind`.
    #[must_use]
    pub fn bound(&self) -> Option<SocketAddr> {
        self.inner.bound
    }

    /// Name and value of the setting that is read, and the value that is to be written, for programs on `sysctl`.
    pub fn set_sysctl(&mut self, name: &str, current: &[u8], new: Option<&[u8]>) -> &mut Self {
        self.inner.sysctl = Sysctl {
            name: name.as_bytes().to_vec(),
            current: current.to_vec(),
            new: new.map(<[u8]>::to_vec),
        };
        self
    }

    /// What is to be written to the setting, by the program's will.
    #[must_use]
    pub fn sysctl_new(&self) -> Option<&[u8]> {
        self.inner.sysctl.new.as_deref()
    }
}

impl Sealed for Structure {
    fn enter(&mut self, state: &mut State, _: ProgramType, _: Endian) {
        if let Some(region) = state.memory.region_mut(RegionId::PACKET) {
            region.bytes = core::mem::take(&mut self.data);
            let end = region.bytes.len();
            region.set_window(0, end);
        }
        open_fields(state);
        let empty = Box::new(StructureFields {
            layout: self.inner.layout,
            bytes: Vec::new(),
            sysctl: Sysctl::default(),
            message: Message::default(),
            bound: None,
        });
        state.context = Fields::Structure(core::mem::replace(&mut self.inner, empty));
    }

    fn leave(&mut self, state: &mut State) {
        if let Fields::Structure(fields) = core::mem::replace(&mut state.context, Fields::None) {
            self.inner = fields;
        }
        if let Some(region) = state.memory.region_mut(RegionId::PACKET) {
            self.data = core::mem::take(&mut region.bytes);
            region.set_window(0, 0);
        }
    }
}

impl StructureFields {
    fn field_at(&self, field: &str, index: usize) -> Option<u64> {
        let (start, size) = self.place(field, index)?;
        Some(self.number(start, size))
    }

    pub(super) fn field(&self, field: &str) -> Option<u64> {
        self.field_at(field, 0)
    }

    pub(super) fn set_field(&mut self, field: &str, value: u64) -> bool {
        let place = self.place(field, 0);
        if let Some((start, size)) = place {
            self.set_number(start, size, value);
        }
        place.is_some()
    }

    /// What helpers were told, of a message.
    pub(super) fn message_mut(&mut self) -> Option<&mut Message> {
        self.layout.is_message().then_some(&mut self.message)
    }

    /// What a socket is bound to, where it is about addresses.
    pub(super) fn bound_mut(&mut self) -> Option<&mut Option<SocketAddr>> {
        self.layout.is_address().then_some(&mut self.bound)
    }

    /// The length of the data, where a field tells it.
    pub(super) fn set_size(&mut self, size: u32) {
        if let Some(field) = self.layout.len_field() {
            self.set_field(field, size.into());
        }
    }

    /// Where a number of a field is, and how many bytes it has.
    fn place(&self, field: &str, index: usize) -> Option<(usize, usize)> {
        let row = self.layout.row(field)?;
        if !matches!(row.kind, Kind::Read | Kind::Write) {
            return None;
        }
        let width = if row.size > 8 { 4 } else { row.size };
        let start = index.checked_mul(width)?;
        (start < row.size).then_some((row.offset + start, width))
    }

    fn number(&self, start: usize, size: usize) -> u64 {
        let bytes = self.bytes.get(start..start + size).unwrap_or_default();
        match *bytes {
            [a, b] => u16::from_ne_bytes([a, b]).into(),
            [a, b, c, d] => u32::from_ne_bytes([a, b, c, d]).into(),
            _ => u64::from_ne_bytes(bytes.first_chunk().copied().unwrap_or_default()),
        }
    }

    fn set_number(&mut self, start: usize, size: usize, value: u64) {
        let Some(place) = self.bytes.get_mut(start..start + size) else {
            return;
        };
        match size {
            2 => place.copy_from_slice(&(value as u16).to_ne_bytes()),
            4 => place.copy_from_slice(&(value as u32).to_ne_bytes()),
            _ => place.copy_from_slice(&value.to_ne_bytes()),
        }
    }

    pub(super) fn load(&self, memory: &Memory, offset: usize, size: usize, endian: Endian) -> Option<u64> {
        let row = self.layout.at(offset, size)?;
        let region = memory.region(RegionId::PACKET)?;
        let pointer = |region: RegionId, at: usize| GuestAddr::new(region, at as u64).0;
        let whole = size == row.size;
        match row.kind {
            Kind::Data => return whole.then(|| pointer(RegionId::PACKET, region.start)),
            Kind::DataEnd => return whole.then(|| pointer(RegionId::PACKET, region.end())),
            Kind::Socket => return whole.then(|| pointer(RegionId::SOCKET, 0)),
            Kind::Read | Kind::Write => {}
        }
        if size == 8 && row.size > 8 {
            let words = [offset, offset + 4].map(|at| self.number(at, 4));
            return Some(match endian {
                Endian::Little => words[0] | words[1] << 32,
                Endian::Big => words[0] << 32 | words[1],
            });
        }
        let width = if row.size > 8 { 4 } else { row.size };
        let start = row.offset + (offset - row.offset) / width * width;
        Some(narrow(
            self.number(start, width),
            width,
            offset - start,
            size,
            endian,
        ))
    }

    pub(super) fn store(&mut self, offset: usize, size: usize, value: u64, endian: Endian) -> bool {
        let Some(row) = self.layout.at(offset, size).filter(|row| row.kind == Kind::Write) else {
            return false;
        };
        match size {
            4 => self.set_number(offset, 4, value),
            8 if row.size > 8 => {
                let (low, high) = (value & 0xffff_ffff, value >> 32);
                let (first, second) = match endian {
                    Endian::Little => (low, high),
                    Endian::Big => (high, low),
                };
                self.set_number(offset, 4, first);
                self.set_number(offset + 4, 4, second);
            }
            _ => return false,
        }
        true
    }

    /// A field of `struct bpf_sock`: of the socket, what the context tells of it.
    pub(super) fn load_socket(&self, offset: usize, size: usize) -> Option<u64> {
        let field = match (offset, size) {
            (4, 4) => "family",
            (8, 4) => "type",
            (12, 4) => "protocol",
            (72, 4) => "state",
            (0..80, 1 | 2 | 4) => return Some(0),
            _ => return None,
        };
        let place = self.place(field, 0);
        Some(place.map_or(0, |(start, size)| self.number(start, size)))
    }
}
