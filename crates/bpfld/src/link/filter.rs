//! Filters of traffic control: programs at the `clsact` queueing discipline of an interface, put there by netlink.

use std::{
    io,
    os::fd::{AsFd, AsRawFd},
    sync::{Mutex, PoisonError},
};

use bpfld_sys::{Errno, ProgramType};
use netlink_packet_core::{NLM_F_CREATE, NLM_F_DUMP, NLM_F_ECHO, NLM_F_EXCL, NLM_F_REPLACE};
use netlink_packet_route::{
    RouteNetlinkMessage,
    tc::{TcAttribute, TcBpfFlags, TcFilterBpfOption, TcHandle, TcMessage, TcOption},
};

use super::{action, route::RouteSocket};
use crate::{Program, TcxDirection};

/// All protocols, in the byte order of the network.
const ALL_PROTOCOLS: u16 = 3u16.to_be();

/// Where among the filters of an interface and direction one is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// Lower ones run first; 0 lets the kernel choose.
    pub(crate) priority: u16,
    /// Number among those of the priority; 0 lets the kernel choose.
    pub(crate) handle: u32,
}

/// What becomes of a filter that is at the place already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum IfTaken {
    /// It stays, and the new one is refused.
    #[default]
    Fail,
    /// The new one replaces it.
    Replace,
}

/// A filter.
#[derive(Debug)]
pub(crate) struct FilterHold {
    socket: RouteSocket,
    ifindex: u32,
    direction: TcxDirection,
    place: Place,
    /// Whether the queueing discipline is ours, too.
    made_clsact: bool,
    program: Mutex<Program>,
}

impl FilterHold {
    /// Adds a filter.
    pub(crate) fn attach(
        program: &Program,
        ifindex: u32,
        direction: TcxDirection,
        place: Place,
        if_taken: IfTaken,
    ) -> io::Result<FilterHold> {
        let socket = RouteSocket::open()?;
        let made_clsact = make_clsact(&socket, ifindex)?;
        let mut hold = FilterHold {
            socket,
            ifindex,
            direction,
            place,
            made_clsact,
            program: Mutex::new(program.clone()),
        };
        match hold.set(program, if_taken) {
            Ok(place) => {
                hold.place = place;
                Ok(hold)
            }
            Err(error) => {
                // What was made for it must not stay. The first error is the one to tell.
                let _ = hold.remove_clsact();
                Err(error)
            }
        }
    }

    pub(crate) fn ifindex(&self) -> u32 {
        self.ifindex
    }

    pub(crate) fn direction(&self) -> TcxDirection {
        self.direction
    }

    pub(crate) fn place(&self) -> Place {
        self.place
    }

    pub(crate) fn program(&self) -> Program {
        self.program
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn update(&self, new: &Program) -> io::Result<()> {
        let mut program = self.program.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.is_there(&program)? {
            return Err(io::Error::from_raw_os_error(Errno::ENOENT.0));
        }
        self.set(new, IfTaken::Replace)?;
        *program = new.clone();
        Ok(())
    }

    /// Removes the filter, unless somebody else has put another in its place or the interface is gone; and the queueing
    /// discipline, if it was made for it and nobody else uses it.
    pub(crate) fn detach(self) -> io::Result<()> {
        let program = self.program();
        if self.is_there(&program)? {
            let mut message = self.message(self.place);
            message.attributes.push(TcAttribute::Kind("bpf".into()));
            self.socket
                .ask(RouteNetlinkMessage::DelTrafficFilter(message), 0)?;
        }
        self.remove_clsact()
    }

    fn set(&self, program: &Program, if_taken: IfTaken) -> io::Result<Place> {
        let mut message = self.message(self.place);
        message.attributes = vec![
            TcAttribute::Kind("bpf".into()),
            TcAttribute::Options(options(program)),
        ];
        let request = RouteNetlinkMessage::NewTrafficFilter(message);
        let flags = match if_taken {
            IfTaken::Fail => NLM_F_EXCL,
            IfTaken::Replace => NLM_F_REPLACE,
        };
        let answers = self.socket.ask(request, flags | NLM_F_CREATE | NLM_F_ECHO)?;
        answers
            .iter()
            .find_map(|answer| match answer {
                RouteNetlinkMessage::NewTrafficFilter(message) => Some(place_of(message)),
                _ => None,
            })
            .ok_or_else(|| {
                io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the kernel does not say where the filter is",
                )
            })
    }

    /// Whether the filter at our place is the program.
    fn is_there(&self, program: &Program) -> io::Result<bool> {
        let id = program.info().map_err(io::Error::other)?.id();
        let filters = match filters(&self.socket, self.ifindex, self.direction) {
            Err(error) if is_gone(&error) => return Ok(false),
            filters => filters?,
        };
        Ok(filters
            .iter()
            .any(|filter| place_of(filter) == self.place && program_of(filter) == Some(id)))
    }

    fn remove_clsact(&self) -> io::Result<()> {
        if !self.made_clsact {
            return Ok(());
        }
        for direction in [TcxDirection::Ingress, TcxDirection::Egress] {
            match filters(&self.socket, self.ifindex, direction) {
                Ok(filters) if filters.is_empty() => {}
                Err(error) if !is_gone(&error) => return Err(error),
                _ => return Ok(()),
            }
        }
        let request = RouteNetlinkMessage::DelQueueDiscipline(clsact(self.ifindex));
        match self.socket.ask(request, 0) {
            Err(error) if !is_gone(&error) => Err(error),
            _ => Ok(()),
        }
    }

    fn message(&self, place: Place) -> TcMessage {
        let mut message = addressed(self.ifindex, self.direction);
        message.header.handle = place.handle.into();
        message.header.info = u32::from(place.priority) << 16 | u32::from(ALL_PROTOCOLS);
        message
    }
}

/// Makes the queueing discipline; false if it is there already.
fn make_clsact(socket: &RouteSocket, ifindex: u32) -> io::Result<bool> {
    let request = RouteNetlinkMessage::NewQueueDiscipline(clsact(ifindex));
    match socket.ask(request, NLM_F_CREATE | NLM_F_EXCL) {
        Ok(_) => Ok(true),
        Err(error) if error.raw_os_error() == Some(Errno::EEXIST.0) => Ok(false),
        Err(error) => Err(error),
    }
}

fn clsact(ifindex: u32) -> TcMessage {
    let mut message = TcMessage::with_index(ifindex.cast_signed());
    message.header.parent = TcHandle::CLSACT;
    message.header.handle = TcHandle {
        major: TcHandle::CLSACT.major,
        minor: 0,
    };
    message.attributes.push(TcAttribute::Kind("clsact".into()));
    message
}

/// What netlink calls the place of a direction's filters.
fn addressed(ifindex: u32, direction: TcxDirection) -> TcMessage {
    let mut message = TcMessage::with_index(ifindex.cast_signed());
    message.header.parent = TcHandle {
        major: TcHandle::CLSACT.major,
        minor: match direction {
            TcxDirection::Ingress => TcHandle::MIN_INGRESS,
            TcxDirection::Egress => TcHandle::MIN_EGRESS,
        },
    };
    message
}

/// The filters of a direction. Those without options only head the others of their priority.
fn filters(socket: &RouteSocket, ifindex: u32, direction: TcxDirection) -> io::Result<Vec<TcMessage>> {
    let request = RouteNetlinkMessage::GetTrafficFilter(addressed(ifindex, direction));
    let answers = socket.ask(request, NLM_F_DUMP)?;
    let filter = |answer| match answer {
        RouteNetlinkMessage::NewTrafficFilter(message) if u32::from(message.header.handle) != 0 => {
            Some(message)
        }
        _ => None,
    };
    Ok(answers.into_iter().filter_map(filter).collect())
}

/// A filter that the program is, or whose action it is.
fn options(program: &Program) -> Vec<TcOption> {
    if program.program_type() == ProgramType::SCHED_ACT {
        return action::options(program);
    }
    [
        TcFilterBpfOption::ProgFd(program.as_fd().as_raw_fd().unsigned_abs()),
        TcFilterBpfOption::ProgName(program.name().to_owned()),
        TcFilterBpfOption::Flags(TcBpfFlags::DirectAction),
    ]
    .map(TcOption::Bpf)
    .into()
}

fn place_of(message: &TcMessage) -> Place {
    Place {
        priority: (message.header.info >> 16) as u16,
        handle: message.header.handle.into(),
    }
}

fn program_of(message: &TcMessage) -> Option<u32> {
    let options = message.attributes.iter().find_map(|attribute| match attribute {
        TcAttribute::Options(options) => Some(options),
        _ => None,
    })?;
    let own = options.iter().find_map(|option| match option {
        TcOption::Bpf(TcFilterBpfOption::ProgId(id)) => Some(*id),
        _ => None,
    });
    own.or_else(|| action::program_of(options))
}

/// The interface is gone, or what hung on it.
fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error().map(Errno),
        Some(Errno::ENODEV | Errno::ENOENT | Errno::EINVAL)
    )
}
