//! Where a packet lies.

/// A packet that came: what becomes a [`Frame`](crate::Frame). Whoever has it must see to it that it becomes one, or is free again.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Packet {
    pub(crate) number: u32,
    pub(crate) start: u32,
    pub(crate) len: u32,
    pub(crate) options: u32,
}
