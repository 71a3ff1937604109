//! The program that gives packets to sockets, made here.

use bpfld::{
    Array, Errno, Link, Map, MapType, ProgFlags, Program, ProgramKind as _, ProgramType, ToInterface, Xdp,
    XdpMode, XskMap,
};
use bpfld_insn::Slot;

use crate::{
    Error, Result, XskSocket,
    code::{XDP_PASS, new_program, old_program},
    queue_count, rx_metadata,
};

/// A program on an interface that gives each packet to the socket on the queue it came by; packets of queues without a socket go on to
/// the network stack.
///
/// It is put together in memory: no file, no compiler. Dropping it takes the program off the interface.
///
/// Whoever wants to choose among packets loads a program of their own, with a map of type XSKMAP, and puts sockets into that:
/// [`XskSocket::insert_into`].
#[derive(Debug)]
pub struct Redirect {
    // The first to go.
    link: Link,
    program: Xdp,
    sockets: XskMap,
    /// For the program of old kernels: which places have a socket.
    taken: Option<Array<u32>>,
    ifindex: u32,
}

/// Options for [`Redirect`].
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing happens before `attach`"]
pub struct RedirectBuilder {
    mode: XdpMode,
    queues: Option<u32>,
    flags: ProgFlags,
    metadata: bool,
    old: bool,
}

impl Redirect {
    /// Puts a program onto an interface, given by name or index, in a way.
    ///
    /// # Errors
    ///
    /// As [`RedirectBuilder::attach`].
    pub fn attach(interface: impl ToInterface, mode: XdpMode) -> Result<Self> {
        Self::builder().mode(mode).attach(interface)
    }

    /// Options for a program.
    pub fn builder() -> RedirectBuilder {
        RedirectBuilder {
            mode: XdpMode::Auto,
            queues: None,
            flags: ProgFlags::empty(),
            metadata: false,
            old: false,
        }
    }

    /// Gives the packets of a socket's queue to it from now on, instead of another that had them. It is taken out when it is dropped.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the socket is on another interface; E2BIG when there is no place for its queue.
    pub fn insert(&self, socket: &XskSocket) -> Result<()> {
        if socket.ifindex() != self.ifindex {
            let (own, other) = (self.ifindex, socket.ifindex());
            let message = format!("the program is on interface {own}, the socket on interface {other}");
            return Err(Error::invalid(message));
        }
        socket.insert_into(&self.sockets, socket.queue())?;
        match &self.taken {
            Some(taken) => Ok(taken.set(socket.queue(), &1)?),
            None => Ok(()),
        }
    }

    /// Lets the packets of a queue go on to the network stack.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn remove(&self, queue: u32) -> Result<()> {
        if let Some(taken) = &self.taken {
            taken.set(queue, &0)?;
        }
        Ok(self.sockets.clear(queue)?)
    }

    /// The program.
    #[must_use]
    pub fn program(&self) -> &Program {
        self.program.program()
    }

    /// The map with the sockets, by queue. To put it into a process with fewer rights, pass a descriptor of it.
    #[must_use]
    pub fn sockets(&self) -> &XskMap {
        &self.sockets
    }

    /// Takes the program off the interface.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn detach(self) -> Result<()> {
        Ok(self.link.detach()?)
    }
}

impl RedirectBuilder {
    /// In which way it hangs on the interface. Without copying it must be in the driver.
    pub fn mode(mut self, mode: XdpMode) -> Self {
        self.mode = mode;
        self
    }

    /// Places for so many queues; as many as the interface has, unless said otherwise.
    pub fn queues(mut self, queues: u32) -> Self {
        self.queues = Some(queues);
        self
    }

    /// Takes packets that do not fit into a page too (5.18), for sockets with [`multi_buffer`](crate::XskBuilder::multi_buffer).
    pub fn multi_buffer(mut self) -> Self {
        self.flags |= ProgFlags::XDP_HAS_FRAGS;
        self
    }

    /// Puts in front of each packet what the driver knows about it (6.3): [`Frame::rx_metadata`](crate::Frame::rx_metadata).
    pub fn metadata(mut self) -> Self {
        self.metadata = true;
        self
    }

    /// Uses the program that all kernels take (4.18) even where there is a shorter one (5.3). Otherwise a test run decides.
    pub fn for_old_kernels(mut self) -> Self {
        self.old = true;
        self
    }

    /// Loads the program and puts it onto an interface, given by name or index.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] for metadata where kernel or driver have none; otherwise when the kernel refuses: EBUSY when the interface has an XDP program.
    pub fn attach(self, interface: impl ToInterface) -> Result<Redirect> {
        let interface = interface.interface()?;
        let queues = match self.queues {
            Some(queues) => queues,
            None => queue_count(&interface)?,
        };
        let sockets = XskMap::create("xsk_sockets", queues)?;
        let new = if self.old {
            None
        } else {
            Some(self.load(&new_program(&sockets)?, 0)?)
        };
        // Before 5.3 the last argument must be 0: the packet is dropped then.
        let passes = |program: &Program| -> Result<bool> {
            let outcome = program.test_run().data(&[0; 64]).run()?;
            Ok(outcome.return_value == XDP_PASS.unsigned_abs())
        };
        let (program, taken) = match new {
            Some(program) if passes(&program)? => (program, None),
            _ => {
                let taken = Map::builder(MapType::ARRAY, "xsk_taken");
                let taken = taken.key_size(4).value_size(4).max_entries(queues).create()?;
                let code = old_program(&sockets, &taken)?;
                (self.load(&code, 0)?, Some(Array::try_from(taken)?))
            }
        };
        let (program, taken) = if self.metadata {
            // Bound to a device, a program cannot be tried; so the others were.
            let code = rx_metadata::program(&sockets)?;
            let loaded = self
                .load(&code, interface.index())
                .map_err(|error| match error.errno() {
                    Some(errno @ (Errno::EINVAL | Errno::EOPNOTSUPP)) if error.verifier_log().is_none() => {
                        rx_metadata::unsupported(errno)
                    }
                    _ => error.into(),
                })?;
            (loaded, None)
        } else {
            (program, taken)
        };
        let program = Xdp::try_from(program)?;
        let link = program.attach(&interface, self.mode)?;
        Ok(Redirect {
            link,
            program,
            sockets,
            taken,
            ifindex: interface.index(),
        })
    }

    /// Loads code, for a device if that is not 0.
    fn load(&self, code: &[Slot], ifindex: u32) -> bpfld::Result<Program> {
        let mut flags = self.flags;
        flags.set(ProgFlags::XDP_DEV_BOUND_ONLY, ifindex != 0);
        Program::builder(ProgramType::XDP, "xsk_redirect", code)
            .flags(flags)
            .ifindex(ifindex)
            .load()
    }
}
