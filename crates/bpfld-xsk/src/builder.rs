//! Options for sockets, and how one is made.

use std::{
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
    thread,
    time::Duration,
};

use bpfld::{Interface, ToInterface};
use bpfld_sys::{
    Errno,
    xdp::{self, BindFlags, Offsets, RingKind, RingOffsets},
};

use crate::{
    Error, Result, Umem, XskSocket,
    channel::Channel,
    error::errno,
    queue::Queue,
    queues::told_count,
    ring::{End, Ring},
};

/// Which way packets go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Both.
    #[default]
    Both,
    /// Packets are received only.
    Receive,
    /// Packets are sent only.
    Send,
}

/// How packets get from the driver into the memory and back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CopyMode {
    /// Without being copied if the driver can, else copied.
    #[default]
    Auto,
    /// Copied.
    Copy,
    /// Without being copied, or not at all.
    ZeroCopy,
}

/// Frames of a packet with many: what all kernels take that have such packets.
const MOST_PARTS: u32 = 17;

/// Packets that a call sends in any case.
const LEAST_BUDGET: u32 = 32;

/// Elements of rings.
const DEFAULT_SIZE: u32 = 2048;

/// How long, and how often, a queue is asked for that another socket has. The kernel lets a queue go a moment after its last socket was closed.
const BUSY_FOR: (u32, Duration) = (500, Duration::from_millis(2));

/// Options for an [`XskSocket`].
#[derive(Debug)]
#[must_use = "nothing happens before `bind`"]
pub struct XskBuilder {
    umem: Umem,
    direction: Direction,
    sizes: Vec<(RingKind, u32)>,
    copy_mode: CopyMode,
    need_wakeup: NeedWakeup,
    multi_buffer: bool,
    busy_poll: Option<(u32, u32)>,
    passed: Option<OwnedFd>,
}

/// Whether the kernel says when it wants to be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NeedWakeup {
    IfKnown,
    No,
}

impl XskBuilder {
    pub(crate) fn new(umem: &Umem) -> Self {
        Self {
            umem: umem.clone(),
            direction: Direction::Both,
            sizes: Vec::new(),
            copy_mode: CopyMode::Auto,
            need_wakeup: NeedWakeup::IfKnown,
            multi_buffer: false,
            busy_poll: None,
            passed: None,
        }
    }

    /// Which way packets go; both ways unless said otherwise.
    pub fn direction(mut self, direction: Direction) -> Self {
        self.direction = direction;
        self
    }

    /// Elements of a ring, a power of two; 2048 unless said otherwise, or less if the memory has fewer frames.
    ///
    /// The fill ring takes as many free frames as it has elements: there should be more frames than that for packets to be sent
    /// and for the user. So by itself it has half as many elements as there are frames, or less. Sockets that have the same memory should be given
    /// sizes that leave some.
    pub fn ring_size(mut self, ring: RingKind, elements: u32) -> Self {
        self.sizes.push((ring, elements));
        self
    }

    /// How packets get into the memory.
    #[doc(alias = "XDP_ZEROCOPY")]
    pub fn copy_mode(mut self, mode: CopyMode) -> Self {
        self.copy_mode = mode;
        self
    }

    /// Calls the kernel for each batch, whether it wants that or not. Otherwise it says so itself, where it can (5.4).
    #[doc(alias = "XDP_USE_NEED_WAKEUP")]
    pub fn always_wake(mut self) -> Self {
        self.need_wakeup = NeedWakeup::No;
        self
    }

    /// Packets may have several frames (6.6): see [`Frame::continues`](crate::Frame::continues). The program that
    /// redirects them must say that it can do that too.
    #[doc(alias = "XDP_USE_SG")]
    pub fn multi_buffer(mut self) -> Self {
        self.multi_buffer = true;
        self
    }

    /// Polls the device from this process rather than by interrupts (5.11): for so many microseconds at a call, and so many packets
    /// at once. The settings `napi_defer_hard_irqs` and `gro_flush_timeout` of the interface must be on for it to be of use.
    #[doc(alias = "SO_PREFER_BUSY_POLL")]
    pub fn busy_poll(mut self, microseconds: u32, packets: u32) -> Self {
        self.busy_poll = Some((microseconds, packets));
        self
    }

    /// Uses a socket that a process with more rights has made (`socket(AF_XDP, SOCK_RAW, 0)`), put into an XSKMAP perhaps, and passed on. To bind it no
    /// rights are needed.
    ///
    /// The memory is always this process's own (see "What is not here" in the [crate](crate)); it counts against this process's limit of
    /// locked memory. Nobody may change its memory or rings besides this process. When it is dropped, others may still have it open; so the frames that
    /// the kernel then has are [retired](crate::Usage::retired).
    pub fn passed(mut self, socket: OwnedFd) -> Self {
        self.passed = Some(socket);
        self
    }

    /// Makes the socket and binds it to a queue of an interface, given by name or index.
    ///
    /// A queue that another socket has is asked for again for a second: the kernel lets it go a moment after that was dropped.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for rings whose sizes are no powers of two; [`Error::Unsupported`] when kernel or driver cannot do what is asked;
    /// otherwise when the kernel refuses: EBUSY when another socket has the queue.
    pub fn bind(self, interface: impl ToInterface, queue: u32) -> Result<XskSocket> {
        let interface = interface.interface()?;
        for (kind, size) in self.rings() {
            if !size.is_power_of_two() {
                let message = format!("a {kind:?} ring of {size} elements: sizes of rings are powers of two");
                return Err(Error::invalid(message));
            }
        }
        let fd = self.socket()?;
        let shared = &self.umem.shared;
        xdp::register(&fd, &shared.memory, &shared.registration).map_err(|errno| {
            match (errno, shared.registration.flags) {
                (Errno::EINVAL, flags) if flags & !1 != 0 => Error::Unsupported {
                    feature: "metadata of packets to be sent",
                    since: "6.8",
                    errno,
                },
                (Errno::EINVAL, 1) => Error::Unsupported {
                    feature: "unaligned frames",
                    since: "5.4",
                    errno,
                },
                (Errno::ENOPROTOOPT | Errno::EOPNOTSUPP | Errno::ENOTSOCK, _) => {
                    Error::invalid("this is no AF_XDP socket")
                }
                _ => Error::kernel("register the memory of packets", errno),
            }
        })?;
        for (kind, size) in self.rings() {
            xdp::set_ring_size(&fd, kind, size)
                .map_err(|errno| Error::kernel(format!("make a {kind:?} ring of {size} elements"), errno))?;
        }
        let offsets = offsets(&fd)?;
        let fill = self.map(&fd, (RingKind::Fill, offsets.fill, End::Writer))?;
        let completion = self.map(&fd, (RingKind::Completion, offsets.completion, End::Reader))?;
        let (Some(fill), Some(completion)) = (fill, completion) else {
            return Err(Error::invalid("a socket has a fill and a completion ring"));
        };
        let queue_rings = Arc::new(Queue::new(Arc::clone(shared), fill, completion)?);
        let channel = self.channel(queue_rings, self.packet_rings(&fd, &offsets)?);
        let mut flags = match self.copy_mode {
            CopyMode::Auto => BindFlags::empty(),
            CopyMode::Copy => BindFlags::COPY,
            CopyMode::ZeroCopy => BindFlags::ZEROCOPY,
        };
        flags.set(BindFlags::USE_SG, self.multi_buffer);
        let bind = |flags| {
            let (mut left, pause) = BUSY_FOR;
            loop {
                match xdp::bind(&fd, interface.index(), queue, flags, None) {
                    Err(Errno::EBUSY) if left > 0 => left -= 1,
                    bound => return bound,
                }
                thread::sleep(pause);
            }
        };
        let wakes = self.need_wakeup == NeedWakeup::IfKnown;
        let mut says_when = wakes;
        let bound = if wakes {
            match bind(flags | BindFlags::USE_NEED_WAKEUP) {
                // Kernels before 5.4 do not know it.
                Err(Errno::EINVAL) => {
                    says_when = false;
                    bind(flags)
                }
                bound => bound,
            }
        } else {
            bind(flags)
        };
        bound.map_err(|errno| match errno {
            Errno::EINVAL if let Some(count) = fewer(&interface, queue) => Error::kernel(
                format!("bind to queue {queue} of {interface}, which has {count}, from 0 on"),
                errno,
            ),
            Errno::EOPNOTSUPP | Errno::EINVAL if self.multi_buffer => Error::Unsupported {
                feature: "packets of several frames",
                since: "6.6",
                errno,
            },
            Errno::EOPNOTSUPP | Errno::EINVAL if self.copy_mode == CopyMode::ZeroCopy => Error::Unsupported {
                feature: "zero copy with this driver",
                since: "4.18",
                errno,
            },
            errno => Error::kernel(format!("bind to queue {queue} of {interface}"), errno),
        })?;
        self.finish(fd, channel, (interface.index(), queue), says_when)
    }

    /// Makes a socket on the same queue as another: with an RX and a TX ring of its own, and that one's memory, fill and completion rings and way to be
    /// bound. The program decides which of them gets a packet.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the other socket has other memory; otherwise as [`bind`](Self::bind).
    pub fn share(self, other: &XskSocket) -> Result<XskSocket> {
        if !Arc::ptr_eq(&self.umem.shared, &other.channel.queue.umem) {
            return Err(Error::invalid("sockets of one queue have the same memory"));
        }
        let fd = self.socket()?;
        for (kind, size) in self.rings() {
            if matches!(kind, RingKind::Rx | RingKind::Tx) {
                if !size.is_power_of_two() {
                    let message =
                        format!("a {kind:?} ring of {size} elements: sizes of rings are powers of two");
                    return Err(Error::invalid(message));
                }
                xdp::set_ring_size(&fd, kind, size)
                    .map_err(|errno| Error::kernel(format!("make a {kind:?} ring"), errno))?;
            }
        }
        let offsets = offsets(&fd)?;
        let queue = Arc::clone(&other.channel.queue);
        let mut channel = self.channel(queue, self.packet_rings(&fd, &offsets)?);
        channel.most_parts = other.channel.most_parts;
        let (ifindex, queue) = (other.ifindex, other.queue_id);
        xdp::bind(
            &fd,
            ifindex,
            queue,
            BindFlags::SHARED_UMEM,
            Some(other.fd.as_fd()),
        )
        .map_err(|errno| Error::kernel("bind to the queue of another socket", errno))?;
        self.finish(fd, channel, (ifindex, queue), other.says_when)
    }

    fn socket(&self) -> Result<OwnedFd> {
        match &self.passed {
            Some(fd) => fd
                .try_clone()
                .map_err(|error| Error::kernel("copy a descriptor", errno(&error))),
            None => xdp::socket().map_err(|errno| Error::kernel("make an AF_XDP socket", errno)),
        }
    }

    /// The rings that there are to be, with their sizes.
    fn rings(&self) -> impl Iterator<Item = (RingKind, u32)> {
        use RingKind::{Completion, Fill, Rx, Tx};
        let frames = self.umem.shared.cut.frames;
        [Fill, Completion, Rx, Tx]
            .into_iter()
            .filter(|kind| match kind {
                Rx => self.direction != Direction::Send,
                Tx => self.direction != Direction::Receive,
                Fill | Completion => true,
            })
            .map(move |kind| {
                let asked = self.sizes.iter().rev().find(|(asked, _)| *asked == kind);
                let most = if kind == Fill { frames / 2 } else { frames };
                let usual = DEFAULT_SIZE.min(most.checked_ilog2().map_or(1, |log| 1 << log));
                (kind, asked.map_or(usual, |(_, size)| *size))
            })
    }

    fn map<const WORDS: usize>(
        &self,
        fd: &OwnedFd,
        (kind, offsets, end): (RingKind, RingOffsets, End),
    ) -> Result<Option<Ring<WORDS>>> {
        let Some((_, size)) = self.rings().find(|(ring, _)| *ring == kind) else {
            return Ok(None);
        };
        let len = Ring::<WORDS>::end(offsets, size).ok_or(Errno::EOVERFLOW);
        let memory = len.and_then(|len| xdp::map_ring(fd, kind, len));
        let memory = memory.map_err(|errno| Error::kernel(format!("map the {kind:?} ring"), errno))?;
        let ring = Ring::new(memory, offsets, size, end);
        ring.map(Some)
            .ok_or_else(|| Error::kernel(format!("make sense of the {kind:?} ring"), Errno::EINVAL))
    }

    /// The rings of one socket, where it has them: RX and TX.
    fn packet_rings(&self, fd: &OwnedFd, offsets: &Offsets) -> Result<[Option<Ring<2>>; 2]> {
        Ok([
            self.map(fd, (RingKind::Rx, offsets.rx, End::Reader))?,
            self.map(fd, (RingKind::Tx, offsets.tx, End::Writer))?,
        ])
    }

    fn channel(&self, queue: Arc<Queue>, [rx, tx]: [Option<Ring<2>>; 2]) -> Channel {
        let most_parts = if self.multi_buffer { MOST_PARTS } else { 1 };
        Channel::new(queue, rx, tx, most_parts)
    }

    /// What is left to do when the socket is bound.
    fn finish(
        self,
        fd: OwnedFd,
        mut channel: Channel,
        place: (u32, u32),
        says_when: bool,
    ) -> Result<XskSocket> {
        // What the kernel writes to a frame after it was closed must not be seen: see `XskSocket`.
        let zero_copy = match xdp::is_zero_copy(&fd) {
            // Before 5.3 it cannot be asked.
            Err(Errno::ENOPROTOOPT | Errno::EOPNOTSUPP) => self.copy_mode != CopyMode::Copy,
            answer => answer.map_err(|errno| Error::kernel("ask for the socket's options", errno))?,
        };
        if zero_copy || self.passed.is_some() {
            channel.keeps();
        }
        if let Some((microseconds, packets)) = self.busy_poll {
            xdp::prefer_busy_poll(&fd, microseconds, packets).map_err(|errno| match errno {
                Errno::ENOPROTOOPT => Error::Unsupported {
                    feature: "preferred busy polling",
                    since: "5.11",
                    errno,
                },
                errno => Error::kernel("poll busily", errno),
            })?;
        }
        let tx = self.rings().find(|(kind, _)| *kind == RingKind::Tx);
        if let Some((_, size)) = tx.filter(|(_, size)| *size >= LEAST_BUDGET) {
            // One call sends all that is in the ring; kernels before 6.17 are called for each 32 packets.
            match xdp::set_tx_budget(&fd, size) {
                Ok(()) | Err(Errno::ENOPROTOOPT) => {}
                Err(errno) => return Err(Error::kernel("say how much to send at once", errno)),
            }
        }
        channel.refill();
        Ok(XskSocket::new(
            fd,
            channel,
            place,
            [zero_copy, says_when, self.busy_poll.is_some()],
        ))
    }
}

fn offsets(fd: &OwnedFd) -> Result<Offsets> {
    xdp::offsets(fd).map_err(|errno| Error::kernel("ask for the layout of rings", errno))
}

/// How many queues an interface has, if it is known that they are too few for there to be this one.
fn fewer(interface: &Interface, queue: u32) -> Option<u32> {
    let count = told_count(interface).ok().flatten();
    count.filter(|count| queue >= *count)
}
