//! How many queues an interface has.

use std::os::unix::net::UnixDatagram;

use bpfld::{Interface, ToInterface};
use bpfld_sys::{Errno, net};

use crate::{Error, Result, error::errno};

/// How many queues of an interface, given by name or index, can have a socket; 1 where a driver does not tell, such as that of loopback.
///
/// ```no_run
/// assert_eq!(bpfld_xsk::queue_count("lo")?, 1);
/// # Ok::<(), bpfld_xsk::Error>(())
/// ```
///
/// # Errors
///
/// When there is no such interface in this network namespace.
#[doc(alias = "ETHTOOL_GCHANNELS")]
pub fn queue_count(interface: impl ToInterface) -> Result<u32> {
    Ok(told_count(&interface.interface()?)?.unwrap_or(1))
}

/// The same; nothing if the driver does not tell.
pub(crate) fn told_count(interface: &Interface) -> Result<Option<u32>> {
    let failed = |errno| Error::kernel(format!("count the queues of {interface}"), errno);
    let name = net::device_name(interface.index()).map_err(failed)?;
    // Any socket will do; but those of AF_XDP answer all such questions themselves.
    let socket = UnixDatagram::unbound().map_err(|error| failed(errno(&error)))?;
    match net::queues(&socket, &name) {
        Ok((receive, send)) => Ok(Some(receive.max(send).max(1))),
        Err(Errno::EOPNOTSUPP) => Ok(None),
        Err(errno) => Err(failed(errno)),
    }
}
