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
    tc::{TcAttribute, TcBpfFlags, TcFilterBpfOption, TcHandle, TcHeader, TcMessage, TcOption},
};

use super::{
    action,
    route::{Answer, RouteSocket, part},
};
use crate::{Program, TcxDirection};

/// All protocols, in the byte order of the network.
const ALL_PROTOCOLS: u16 = 3u16.to_be();

/// The part of a filter's options that has the id of its program (include/uapi/linux/pkt_cls.h).
const PROGRAM_ID: u16 = 11;

/// Bytes of a message before its attributes (`struct tcmsg`, include/uapi/linux/rtnetlink.h).
const HEADER: usize = 20;

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
            .find_map(Filter::read)
            .map(|filter| filter.place)
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
            .any(|filter| filter.place == self.place && filter.program == Some(id)))
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

/// A filter as the kernel tells of it.
#[derive(Debug)]
struct Filter {
    place: Place,
    /// The program that it is, or whose action it is; nothing for filters of other kinds.
    program: Option<u32>,
}

impl Filter {
    fn read(answer: &Answer) -> Option<Filter> {
        if answer.kind != libc::RTM_NEWTFILTER {
            return None;
        }
        let header = TcHeader::parse(&answer.body).ok()?;
        let attributes = answer.body.get(HEADER..)?;
        let program = || {
            let kind = part(attributes, libc::TCA_KIND)?;
            let options = part(attributes, libc::TCA_OPTIONS).filter(|_| kind == b"bpf\0")?;
            let own = part(options, PROGRAM_ID).and_then(|id| id.try_into().ok());
            own.map(u32::from_ne_bytes)
                .or_else(|| action::program_of(options))
        };
        Some(Filter {
            place: Place {
                priority: (header.info >> 16) as u16,
                handle: header.handle.into(),
            },
            program: program(),
        })
    }
}

/// The filters of a direction. Those without a number only head the others of their priority.
fn filters(socket: &RouteSocket, ifindex: u32, direction: TcxDirection) -> io::Result<Vec<Filter>> {
    let request = RouteNetlinkMessage::GetTrafficFilter(addressed(ifindex, direction));
    let answers = socket.ask(request, NLM_F_DUMP)?;
    let filters = answers.iter().filter_map(Filter::read);
    Ok(filters.filter(|filter| filter.place.handle != 0).collect())
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

/// The interface is gone, or what hung on it.
fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error().map(Errno),
        Some(Errno::ENODEV | Errno::ENOENT | Errno::EINVAL)
    )
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::{DefaultNla, Emitable as _};

    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let attribute = DefaultNla::new(kind, value.to_vec());
        let mut bytes = vec![0; attribute.buffer_len()];
        attribute.emit(&mut bytes);
        bytes
    }

    fn filter(kind: &str, options: &[u8]) -> Option<u32> {
        let mut body = vec![0; HEADER];
        body.extend(attribute(libc::TCA_KIND, format!("{kind}\0").as_bytes()));
        body.extend(attribute(libc::TCA_OPTIONS, options));
        let kind = libc::RTM_NEWTFILTER;
        Filter::read(&Answer { kind, body })
            .expect("it is a filter")
            .program
    }

    #[test]
    fn filters_of_other_kinds_are_seen_and_not_understood() {
        let id = attribute(PROGRAM_ID, &7u32.to_ne_bytes());
        assert_eq!(filter("bpf", &id), Some(7));
        assert_eq!(filter("flower", &id), None);
        for options in [&[0xff; 3][..], &[2, 0, 11, 0], &[0xff; 64]] {
            assert_eq!(filter("flower", options), None);
            assert_eq!(filter("bpf", options), None);
        }
    }
}
