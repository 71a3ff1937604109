//! Tables of functions given to the kernel: struct_ops.

use std::os::fd::AsFd;

use bpfld_sys::{self as sys, AttachType, ElemFlags, Errno, LinkCreate, LinkKind, MapFlags, Target};

use super::handle::Hold;
use crate::{Error, Link, Map, Result};

/// Gives the kernel a table: by a link where the map was made for one, else for as long as the map has it.
pub(crate) fn attach(map: &Map, table: &[u8]) -> Result<Link> {
    let words = format!("struct_ops '{}'", map.name());
    set_table(map, table)?;
    if !map.spec().flags.contains(MapFlags::LINK) {
        return Ok(Link::new(Hold::StructOps(map.clone()), words));
    }
    let create = LinkCreate::new(map.as_fd(), Target::None, AttachType::STRUCT_OPS, LinkKind::Plain);
    let fd = sys::link_create(&create).map_err(|source| {
        Error::kernel(map.subject(), "give its table of functions to the kernel", source)
    })?;
    Ok(Link::new(Hold::Link(fd), words))
}

/// Puts another table in the place of the one that a link holds, at once (6.4).
pub(crate) fn update(link: &Link, map: &Map, table: &[u8]) -> Result<()> {
    let link_fd = link.fd("updated")?;
    // Setting the table of another map would give it to the kernel at once, and for good.
    if !map.spec().flags.contains(MapFlags::LINK) {
        let message = "was not declared for links: its section is `.struct_ops`, not `.struct_ops.link`";
        return Err(Error::invalid(map.subject(), message));
    }
    set_table(map, table)?;
    sys::link_update(link_fd, &sys::LinkUpdate::new(map.as_fd()))
        .map_err(|source| link.failed(format!("change to struct_ops '{}'", map.name()), source))
}

/// A map for links keeps its table for good, and says so when it is attached again.
fn set_table(map: &Map, table: &[u8]) -> Result<()> {
    match sys::map_update_elem(map.map_fd(), &0u32.to_ne_bytes(), table, ElemFlags::empty()) {
        Err(error) if error.errno() == Errno::EBUSY && map.spec().flags.contains(MapFlags::LINK) => Ok(()),
        result => result.map_err(|source| Error::kernel(map.subject(), "set its table of functions", source)),
    }
}
