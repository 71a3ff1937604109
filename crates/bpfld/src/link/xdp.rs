//! XDP without a link: a program put on an interface by netlink, as kernels before 5.9 want it.

use std::{
    io,
    os::fd::{AsFd, AsRawFd},
    sync::{Mutex, PoisonError},
};

use bpfld_sys::{Errno, XdpFlags};
use netlink_packet_core::{NlasIterator, Parseable as _};
use netlink_packet_route::{
    RouteNetlinkMessage,
    link::{LinkAttribute, LinkMessage, LinkXdp},
};

use super::route::{RouteSocket, part};
use crate::Program;

/// Bytes of a message before its attributes, and where it names the interface (`struct ifinfomsg`, include/uapi/linux/rtnetlink.h).
const HEADER: usize = 16;
const INDEX: std::ops::Range<usize> = 4..8;

/// The ids of the XDP programs on an interface, by the way in which they hang on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct XdpPrograms {
    /// In the network stack.
    pub generic: Option<u32>,
    /// In the driver.
    pub driver: Option<u32>,
    /// On the network card.
    pub offload: Option<u32>,
}

impl XdpPrograms {
    pub(crate) fn of(socket: &RouteSocket, ifindex: u32) -> io::Result<XdpPrograms> {
        let mut message = LinkMessage::default();
        message.header.index = ifindex;
        let answers = socket.ask(RouteNetlinkMessage::GetLink(message), 0)?;
        let mut programs = XdpPrograms::default();
        for answer in &answers {
            let about =
                answer.kind == libc::RTM_NEWLINK && answer.body.get(INDEX) == Some(&ifindex.to_ne_bytes());
            let attributes = answer.body.get(HEADER..).filter(|_| about).unwrap_or_default();
            let Some(nest) = part(attributes, libc::IFLA_XDP) else {
                continue;
            };
            let mut attached = None;
            let mut only = None;
            for part in NlasIterator::new(nest) {
                match part
                    .and_then(|part| LinkXdp::parse(&part))
                    .map_err(io::Error::other)?
                {
                    LinkXdp::Attached(mode) => attached = Some(mode),
                    LinkXdp::ProgId(id) => only = Some(id),
                    LinkXdp::SkbProgId(id) => programs.generic = Some(id),
                    LinkXdp::DrvProgId(id) => programs.driver = Some(id),
                    LinkXdp::HwProgId(id) => programs.offload = Some(id),
                    _ => {}
                }
            }
            // Before 4.19 there is a mode and one id.
            if programs == XdpPrograms::default()
                && let Some(id) = only
            {
                use netlink_packet_route::link::XdpAttached;
                match attached {
                    Some(XdpAttached::SocketBuffer) => programs.generic = Some(id),
                    Some(XdpAttached::Driver) => programs.driver = Some(id),
                    Some(XdpAttached::Hardware) => programs.offload = Some(id),
                    _ => {}
                }
            }
        }
        Ok(programs)
    }

    /// Whether a program is among them.
    #[must_use]
    pub fn contains(&self, id: u32) -> bool {
        [self.generic, self.driver, self.offload].contains(&Some(id))
    }
}

/// What a program may find on the interface that it is put on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Expect<'a> {
    /// Nothing.
    Nothing,
    /// This program, which it replaces (5.7).
    Program(&'a Program),
    /// Whatever.
    Anything,
}

/// A program on an interface.
#[derive(Debug)]
pub(crate) struct XdpHold {
    socket: RouteSocket,
    ifindex: u32,
    mode: XdpFlags,
    program: Mutex<Program>,
}

impl XdpHold {
    pub(crate) fn attach(
        program: &Program,
        ifindex: u32,
        mode: XdpFlags,
        expect: Expect<'_>,
    ) -> io::Result<XdpHold> {
        let socket = RouteSocket::open()?;
        match set(&socket, ifindex, Some(program), mode, expect) {
            Err(error)
                if matches!(expect, Expect::Anything) && error.raw_os_error() == Some(Errno::EEXIST.0) =>
            {
                change_mode(&socket, ifindex, program, mode)?;
            }
            result => result?,
        }
        Ok(XdpHold {
            socket,
            ifindex,
            mode,
            program: Mutex::new(program.clone()),
        })
    }

    pub(crate) fn ifindex(&self) -> u32 {
        self.ifindex
    }

    pub(crate) fn program(&self) -> Program {
        self.program
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Puts another program in the place of the one that is there, if that is ours.
    pub(crate) fn update(&self, new: &Program) -> io::Result<()> {
        let mut program = self.program.lock().unwrap_or_else(PoisonError::into_inner);
        set(
            &self.socket,
            self.ifindex,
            Some(new),
            self.mode,
            Expect::Program(&program),
        )?;
        *program = new.clone();
        Ok(())
    }

    /// Takes the program off, unless somebody else has put another there, or the interface is gone.
    pub(crate) fn detach(self) -> io::Result<()> {
        let program = self.program();
        let remove = |expect| set(&self.socket, self.ifindex, None, self.mode, expect);
        let gone = |error: &io::Error| error.raw_os_error() == Some(Errno::ENODEV.0);
        match remove(Expect::Program(&program)) {
            // Kernels before 5.7 take a program off without a question.
            Err(error) if error.raw_os_error() == Some(Errno::EINVAL.0) => {
                let id = program.info().map_err(io::Error::other)?.id();
                match XdpPrograms::of(&self.socket, self.ifindex) {
                    Ok(programs) if programs.contains(id) => remove(Expect::Anything),
                    Err(error) if !gone(&error) => Err(error),
                    _ => Ok(()),
                }
            }
            // It has another program by now (EEXIST), or one with a link.
            Err(error)
                if matches!(
                    error.raw_os_error().map(Errno),
                    Some(Errno::EEXIST | Errno::EBUSY)
                ) =>
            {
                Ok(())
            }
            Err(error) if gone(&error) => Ok(()),
            result => result,
        }
    }
}

/// Takes off the program that hangs on the interface in another way, and puts this one on. If that fails the old one is put back.
fn change_mode(socket: &RouteSocket, ifindex: u32, program: &Program, mode: XdpFlags) -> io::Result<()> {
    let old = XdpPrograms::of(socket, ifindex)?;
    let generic = (old.generic, XdpFlags::SKB_MODE);
    let driver = (old.driver, XdpFlags::DRV_MODE);
    let (Some(id), old_mode) = (if mode == XdpFlags::SKB_MODE {
        driver
    } else {
        generic
    }) else {
        // It has gone meanwhile.
        return set(socket, ifindex, Some(program), mode, Expect::Anything);
    };
    let old = Program::from_id(id).map_err(io::Error::other)?;
    set(socket, ifindex, None, old_mode, Expect::Anything)?;
    let attached = set(socket, ifindex, Some(program), mode, Expect::Anything);
    if attached.is_err() {
        set(socket, ifindex, Some(&old), old_mode, Expect::Nothing)?;
    }
    attached
}

fn set(
    socket: &RouteSocket,
    ifindex: u32,
    program: Option<&Program>,
    mode: XdpFlags,
    expect: Expect<'_>,
) -> io::Result<()> {
    let fd = program.map_or(-1, |program| program.as_fd().as_raw_fd());
    let mut parts = vec![LinkXdp::Fd(fd)];
    let mut flags = mode;
    match expect {
        Expect::Nothing => flags |= XdpFlags::UPDATE_IF_NOEXIST,
        Expect::Program(expected) => {
            flags |= XdpFlags::REPLACE;
            parts.push(LinkXdp::ExpectedFd(expected.as_fd().as_raw_fd().unsigned_abs()));
        }
        Expect::Anything => {}
    }
    if !flags.is_empty() {
        parts.push(LinkXdp::Flags(flags.bits()));
    }
    let mut message = LinkMessage::default();
    message.header.index = ifindex;
    message.attributes.push(LinkAttribute::Xdp(parts));
    socket.ask(RouteNetlinkMessage::SetLink(message), 0).map(drop)
}
