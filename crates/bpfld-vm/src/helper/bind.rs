//! The address that a socket is bound to before it is connected.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bpfld_insn::Endian;
use bpfld_sys::Errno;

use super::call::{Call, errno};
use crate::fault::Trap;

/// Address families, and the least bytes of their `struct sockaddr`.
const V4: (u16, usize) = (2, 16);
const V6: (u16, usize) = (10, 24);

/// The address is noted in the context.
pub(crate) fn bind(call: &mut Call<'_>) -> Result<u64, Trap> {
    call.context(0)?;
    let [_, at, len, ..] = call.args;
    let len = len as u32 as usize;
    let bytes = call.read(at, len)?;
    let address = match address(bytes, call.endian()) {
        Ok(address) => address,
        Err(error) => return Ok(errno(error)),
    };
    let problem = call.bad(1, "no context of an address");
    *call.state().context.bound_mut().ok_or(problem)? = Some(address);
    Ok(0)
}

/// `struct sockaddr_in` or `sockaddr_in6`: the family is in the order of the guest, all else in that of the network.
fn address(bytes: &[u8], endian: Endian) -> Result<SocketAddr, Errno> {
    let family = *bytes.first_chunk().ok_or(Errno::EINVAL)?;
    let family = match endian {
        Endian::Little => u16::from_le_bytes(family),
        Endian::Big => u16::from_be_bytes(family),
    };
    let port = || {
        let port = bytes.get(2..)?.first_chunk()?;
        Some(u16::from_be_bytes(*port))
    };
    let found: Option<IpAddr> = match (family, bytes.len()) {
        (family, len) if family == V4.0 && len >= V4.1 => {
            let octets = bytes.get(4..).and_then(|rest| rest.first_chunk::<4>());
            octets.map(|octets| Ipv4Addr::from(*octets).into())
        }
        (family, len) if family == V6.0 && len >= V6.1 => {
            let octets = bytes.get(8..).and_then(|rest| rest.first_chunk::<16>());
            octets.map(|octets| Ipv6Addr::from(*octets).into())
        }
        (family, _) if family == V4.0 || family == V6.0 => return Err(Errno::EINVAL),
        _ => return Err(Errno::EAFNOSUPPORT),
    };
    found
        .zip(port())
        .map(|(address, port)| SocketAddr::new(address, port))
        .ok_or(Errno::EINVAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_as_long_as_their_family_needs() {
        let mut bytes = [0; 28];
        let read = |bytes: &[u8]| address(bytes, Endian::Little).map(|address| address.ip().is_ipv4());
        assert_eq!(read(&[]), Err(Errno::EINVAL));
        assert_eq!(read(&bytes), Err(Errno::EAFNOSUPPORT));
        bytes[0] = 2;
        assert_eq!(read(&bytes[..15]), Err(Errno::EINVAL));
        assert_eq!(read(&bytes[..16]), Ok(true));
        bytes[0] = 10;
        assert_eq!(read(&bytes[..23]), Err(Errno::EINVAL));
        assert_eq!(read(&bytes[..24]), Ok(false));
    }
}
