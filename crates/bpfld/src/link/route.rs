//! A socket to the kernel's network configuration, bound to the network namespace that it was opened in.

use std::io;
use std::sync::{Mutex, PoisonError};

use bpfld_sys::Errno;
use netlink_packet_core::{
    DecodeError, NLM_F_ACK, NLM_F_REQUEST, NetlinkBuffer, NetlinkHeader, NetlinkMessage, NetlinkPayload,
    NlasIterator,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

/// Most bytes of answers to one request that are read.
const MOST_BYTES: usize = 64 << 20;

/// Messages below this are about requests, not about the network (include/uapi/linux/netlink.h).
const FIRST_OF_ITS_OWN: u16 = 0x10;

/// A message of the kernel. It is not decoded whole: interfaces and filters of other people are of kinds that nobody here needs to understand.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) kind: u16,
    pub(crate) body: Vec<u8>,
}

/// A part of a nest of attributes.
pub(crate) fn part(nest: &[u8], kind: u16) -> Option<&[u8]> {
    NlasIterator::new(nest)
        .map_while(Result::ok)
        .find(|part| part.kind() == kind)
        .and_then(|part| {
            let header = 4;
            let end = header + part.value_length();
            part.into_inner().get(header..end)
        })
}

/// A socket to the kernel's network configuration.
#[derive(Debug)]
pub(crate) struct RouteSocket {
    socket: Socket,
    /// The number of the last request. Whoever asks holds it until all is answered: threads that shared the socket would
    /// read each other's answers.
    last: Mutex<u32>,
}

impl RouteSocket {
    /// Opens one for the network namespace of this thread.
    pub(crate) fn open() -> io::Result<RouteSocket> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(RouteSocket {
            socket,
            last: Mutex::new(0),
        })
    }

    /// Sends a request and returns what the kernel answers, up to its acknowledgement or the end of a list.
    pub(crate) fn ask(&self, message: RouteNetlinkMessage, flags: u16) -> io::Result<Vec<Answer>> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = last.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = flags | NLM_F_REQUEST | NLM_F_ACK;
        header.sequence_number = *last;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::from(message));
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        self.socket.send(&bytes, 0)?;
        let (mut answers, mut read) = (Vec::new(), 0);
        loop {
            let (bytes, _) = self.socket.recv_from_full()?;
            read += bytes.len();
            if bytes.is_empty() || read > MOST_BYTES {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if collect(&bytes, *last, &mut answers)? {
                return Ok(answers);
            }
        }
    }
}

/// Takes the messages of one datagram that answer a request; true after the last. What is left of an earlier request, whose
/// answers could not all be read, is passed over.
fn collect(mut bytes: &[u8], request: u32, answers: &mut Vec<Answer>) -> io::Result<bool> {
    let malformed = |error: DecodeError| io::Error::new(io::ErrorKind::InvalidData, error.to_string());
    while !bytes.is_empty() {
        let header = NetlinkBuffer::new_checked(bytes).map_err(malformed)?;
        let rest = bytes
            .get((header.length() as usize).next_multiple_of(4).max(16)..)
            .unwrap_or_default();
        if header.sequence_number() != request {
            bytes = rest;
            continue;
        }
        if header.message_type() >= FIRST_OF_ITS_OWN {
            answers.push(Answer {
                kind: header.message_type(),
                body: header.payload().to_vec(),
            });
            bytes = rest;
            continue;
        }
        let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(bytes).map_err(malformed)?;
        match message.payload {
            NetlinkPayload::Error(error) => match error.code {
                None => return Ok(true),
                Some(_) => return Err(error.to_io()),
            },
            NetlinkPayload::Done(done) if done.code < 0 => {
                return Err(io::Error::from_raw_os_error(-done.code));
            }
            NetlinkPayload::Done(_) => return Ok(true),
            NetlinkPayload::Overrun(_) => return Err(io::Error::from_raw_os_error(Errno(libc::EOVERFLOW).0)),
            _ => {}
        }
        bytes = rest;
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use netlink_packet_core::NLM_F_DUMP;
    use netlink_packet_route::link::LinkMessage;

    use super::*;

    const LOOPBACK: u32 = 1;
    const NONE: u32 = i32::MAX as u32;

    fn interface(index: u32) -> RouteNetlinkMessage {
        let mut message = LinkMessage::default();
        message.header.index = index;
        RouteNetlinkMessage::GetLink(message)
    }

    #[track_caller]
    fn check(socket: &RouteSocket, index: u32, expected: Result<usize, i32>) {
        let answer = socket.ask(interface(index), 0);
        let answer = answer.map(|answers| answers.len());
        assert_eq!(
            answer.map_err(|error| error.raw_os_error().unwrap_or(0)),
            expected
        );
    }

    #[test]
    fn threads_get_their_own_answers() {
        let socket = RouteSocket::open().expect("netlink needs no rights");
        thread::scope(|scope| {
            for (index, expected) in [(LOOPBACK, Ok(1)), (NONE, Err(libc::ENODEV))] {
                let socket = &socket;
                scope.spawn(move || (0..200).for_each(|_| check(socket, index, expected)));
            }
        });
    }

    #[test]
    fn answers_that_nobody_read_are_not_taken_for_later_ones() {
        let socket = RouteSocket::open().expect("netlink needs no rights");
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | NLM_F_DUMP;
        let mut list = NetlinkMessage::new(header, NetlinkPayload::from(interface(0)));
        list.finalize();
        let mut bytes = vec![0; list.buffer_len()];
        list.serialize(&mut bytes);
        socket.socket.send(&bytes, 0).expect("sent");
        check(&socket, NONE, Err(libc::ENODEV));
        check(&socket, LOOPBACK, Ok(1));
    }
}
