//! A socket to the kernel's network configuration, bound to the network namespace that it was opened in.

use std::io;

use bpfld_sys::Errno;
use netlink_packet_core::{NLM_F_ACK, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

/// Most bytes of answers to one request that are read.
const MOST_BYTES: usize = 64 << 20;

/// A socket to the kernel's network configuration.
#[derive(Debug)]
pub(crate) struct RouteSocket {
    socket: Socket,
}

impl RouteSocket {
    /// Opens one for the network namespace of this thread.
    pub(crate) fn open() -> io::Result<RouteSocket> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(RouteSocket { socket })
    }

    /// Sends a request and returns what the kernel answers, up to its acknowledgement or the end of a list.
    pub(crate) fn ask(
        &self,
        message: RouteNetlinkMessage,
        flags: u16,
    ) -> io::Result<Vec<RouteNetlinkMessage>> {
        let mut header = NetlinkHeader::default();
        header.flags = flags | NLM_F_REQUEST | NLM_F_ACK;
        header.sequence_number = 1;
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
            if collect(&bytes, &mut answers)? {
                return Ok(answers);
            }
        }
    }
}

/// Takes the messages of one datagram; true after the last.
fn collect(mut bytes: &[u8], answers: &mut Vec<RouteNetlinkMessage>) -> io::Result<bool> {
    let malformed = |error: netlink_packet_core::DecodeError| {
        io::Error::new(io::ErrorKind::InvalidData, error.to_string())
    };
    while !bytes.is_empty() {
        let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(bytes).map_err(malformed)?;
        let length = (message.header.length as usize).next_multiple_of(4);
        match message.payload {
            NetlinkPayload::InnerMessage(answer) => answers.push(answer),
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
        bytes = bytes.get(length.max(16)..).unwrap_or_default();
    }
    Ok(false)
}
