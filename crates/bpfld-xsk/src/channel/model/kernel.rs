//! The kernel's end of rings, and a kernel that has queues of one memory.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, atomic::Ordering},
};

use bpfld_sys::{
    mmap::{Access, SharedMmap},
    xdp::{Desc, PKT_CONTD, RingOffsets},
};

use crate::{
    Umem,
    channel::Channel,
    queue::Queue,
    ring::{End, Ring},
};

const OFFSETS: RingOffsets = RingOffsets {
    producer: 0,
    consumer: 64,
    desc: 192,
    flags: 128,
};

/// The kernel's end of a ring, straight out of its documentation.
pub(super) struct Far<const WORDS: usize> {
    memory: SharedMmap,
    size: u32,
}

impl<const WORDS: usize> Far<WORDS> {
    /// A ring, and its other end.
    pub(super) fn pair(size: u32, end: End, start: u32) -> (Ring<WORDS>, Self) {
        let file = tempfile::tempfile().unwrap();
        let len = 192 + size as usize * Ring::<WORDS>::STRIDE;
        file.set_len(len as u64).unwrap();
        let map = || SharedMmap::new(&file, 0, len, Access::ReadWrite).unwrap();
        let memory = map();
        for position in [0, 64] {
            memory
                .atomic_u32(position)
                .unwrap()
                .store(start, Ordering::Release);
        }
        let ring = Ring::new(map(), OFFSETS, size, end).unwrap();
        (ring, Far { memory, size })
    }

    pub(super) fn filled(&self) -> u32 {
        let read = |at| self.memory.load_u32(at, Ordering::Acquire).unwrap();
        read(0).wrapping_sub(read(64))
    }

    fn slot(&self, position: usize) -> usize {
        let at = self.memory.load_u32(position, Ordering::Acquire).unwrap();
        192 + (at % self.size) as usize * Ring::<WORDS>::STRIDE
    }

    fn step(&self, position: usize) {
        let number = self.memory.atomic_u32(position).unwrap();
        number.store(number.load(Ordering::Acquire).wrapping_add(1), Ordering::Release);
    }

    /// Reads an element; nothing if there is none.
    pub(super) fn take(&self) -> Option<[u64; WORDS]> {
        if self.filled() == 0 {
            return None;
        }
        let at = self.slot(64);
        let word = |word| self.memory.load_u64(at + word * 8, Ordering::Relaxed);
        let element = std::array::from_fn(|at| word(at).unwrap());
        self.step(64);
        Some(element)
    }

    /// Writes an element; false if there is no room.
    pub(super) fn put(&self, element: [u64; WORDS]) -> bool {
        if self.filled() == self.size {
            return false;
        }
        let at = self.slot(0);
        for (word, offset) in element.into_iter().zip([0, 8]) {
            self.memory
                .store_u64(at + offset, word, Ordering::Relaxed)
                .unwrap();
        }
        self.step(0);
        true
    }
}

pub(super) fn tail(len: u32, options: u32) -> u64 {
    let bytes: [u8; 8] = zerocopy::transmute!([len, options]);
    u64::from_ne_bytes(bytes)
}

/// A kernel that has queues of one memory.
pub(super) struct Kernel {
    pub(super) umem: Umem,
    pub(super) fill: Far<1>,
    pub(super) rx: Far<2>,
    pub(super) tx: Far<2>,
    pub(super) completion: Far<1>,
    /// Frames taken from the fill ring, for packets to come.
    pub(super) empty: VecDeque<u64>,
    /// Packets taken from the TX ring, not completed.
    pub(super) sending: VecDeque<u64>,
    /// What was written into frames that are in the RX ring, by frame.
    pub(super) written: BTreeMap<u32, Vec<u8>>,
    /// Whether it has given frames back that it goes on to use.
    pub(super) lies: bool,
}

pub(super) const FRAMES: u32 = 24;

pub(super) fn set_up(frame_size: u32, start: u32) -> (Channel, Kernel) {
    let builder = Umem::builder().frames(FRAMES).frame_size(frame_size).headroom(16);
    let builder = if frame_size.is_power_of_two() {
        builder
    } else {
        builder.unaligned()
    };
    let umem = builder.build().unwrap();
    let (fill, far_fill) = Far::pair(8, End::Writer, start);
    let (completion, far_completion) = Far::pair(4, End::Reader, start);
    let (rx, far_rx) = Far::pair(4, End::Reader, start);
    let (tx, far_tx) = Far::pair(8, End::Writer, start);
    let queue = Queue::new(Arc::clone(&umem.shared), fill, completion).unwrap();
    let channel = Channel::new(Arc::new(queue), Some(rx), Some(tx), 3);
    let kernel = Kernel {
        umem,
        fill: far_fill,
        rx: far_rx,
        tx: far_tx,
        completion: far_completion,
        empty: VecDeque::new(),
        sending: VecDeque::new(),
        written: BTreeMap::new(),
        lies: false,
    };
    (channel, kernel)
}

impl Kernel {
    /// A packet comes in, if there is room for it.
    pub(super) fn receive(&mut self, byte: u8, len: usize) {
        self.empty.extend(self.fill.take().map(|[address]| address));
        let Some(base) = self.empty.pop_front() else {
            return;
        };
        let start = 256 + 16;
        let bytes = vec![byte; len];
        self.umem
            .shared
            .memory
            .write(usize::try_from(base).unwrap() + start, &bytes)
            .unwrap();
        let unaligned = self.umem.shared.cut.unaligned;
        let addr = if unaligned {
            base | (start as u64) << 48
        } else {
            base + start as u64
        };
        if self.rx.put([addr, tail(len as u32, 0)]) {
            let number = (base / self.umem.frame_size() as u64) as u32;
            let there = self.written.insert(number, bytes).is_some();
            assert!(self.lies || !there, "frame {number} twice in the RX ring");
        } else {
            // As kernels do: the frame is kept for the next packet.
            self.empty.push_front(base);
        }
    }

    /// A packet is taken to be sent; its bytes.
    pub(super) fn send(&mut self) -> Option<Vec<u8>> {
        let Desc { addr, len, options } = zerocopy::transmute!(self.tx.take()?);
        assert_eq!(options & !PKT_CONTD, 0);
        let mut bytes = vec![0; len as usize];
        self.umem
            .shared
            .memory
            .read(usize::try_from(addr).unwrap(), &mut bytes)
            .unwrap();
        self.sending.push_back(addr);
        Some(bytes)
    }

    /// A packet was sent.
    pub(super) fn complete(&mut self) {
        if let Some(addr) = self.sending.pop_front()
            && !self.completion.put([addr])
        {
            self.sending.push_front(addr);
        }
    }
}
