//! What a link is: as the kernel says, or as is known of attachments that are no links to it.

use std::os::{fd::AsFd, unix::fs::MetadataExt};

use bpfld_sys::{self as sys, AttachType, LinkDetails, LinkType, link};

use super::{
    LinkInfo,
    command::CommandHold,
    handle::{Hold, Link},
};
use crate::{Error, Result, TcxDirection};

impl Link {
    /// What the kernel says about the link (5.8); what is known of attachments that are no links to the kernel, which have
    /// no id.
    ///
    /// # Errors
    ///
    /// When the kernel cannot tell.
    pub fn info(&self) -> Result<LinkInfo> {
        match &self.hold {
            Hold::Link(fd) => LinkInfo::of(fd.as_fd()).map_err(|source| self.failed("describe", source)),
            Hold::PerfEvent(_, program) | Hold::Socket { program, .. } => {
                LinkInfo::without_link(program, LinkType::UNSPEC, LinkDetails::Unknown)
            }
            Hold::Tunnel(hold) => {
                LinkInfo::without_link(hold.program(), LinkType::UNSPEC, LinkDetails::Unknown)
            }
            Hold::Command(hold) => self.command_info(hold),
            Hold::Xdp(hold) => {
                let mut xdp = link::Xdp::default();
                xdp.ifindex = hold.ifindex();
                LinkInfo::without_link(&hold.program(), LinkType::XDP, LinkDetails::Xdp(xdp))
            }
            Hold::Filter(hold) => {
                let mut filter = link::Tcx::default();
                filter.ifindex = hold.ifindex();
                filter.attach_type = match hold.direction() {
                    TcxDirection::Ingress => AttachType::TCX_INGRESS,
                    TcxDirection::Egress => AttachType::TCX_EGRESS,
                };
                LinkInfo::without_link(&hold.program(), LinkType::TCX, LinkDetails::Tcx(filter))
            }
            Hold::Many(links) => match links.first() {
                Some(first) => Ok(first.info()?.of_many()),
                None => Err(self.no_link("asked for its description")),
            },
            Hold::StructOps(map) => {
                let mut table = link::StructOps::default();
                table.map_id = map.info()?.id();
                Ok(LinkInfo::from_parts(
                    LinkType::STRUCT_OPS,
                    0,
                    LinkDetails::StructOps(table),
                ))
            }
            Hold::Released => Err(self.no_link("asked for its description")),
        }
    }

    /// Priority and handle of a filter of traffic control, which the kernel chose where nothing was said.
    #[must_use]
    pub fn filter_place(&self) -> Option<(u16, u32)> {
        match &self.hold {
            Hold::Filter(hold) => Some((hold.place().priority, hold.place().handle)),
            _ => None,
        }
    }

    fn command_info(&self, hold: &CommandHold) -> Result<LinkInfo> {
        let attach_type = hold.attach_type();
        let (link_type, details) = match (hold.namespace(), hold.target_fd()) {
            (Some(inode), _) => {
                let mut netns = link::Netns::default();
                // The kernel keeps no more of it either.
                netns.netns_ino = inode as u32;
                netns.attach_type = attach_type;
                (LinkType::NETNS, LinkDetails::Netns(netns))
            }
            (None, Some(fd))
                if matches!(
                    attach_type,
                    AttachType::SK_MSG_VERDICT
                        | AttachType::SK_SKB_STREAM_PARSER
                        | AttachType::SK_SKB_STREAM_VERDICT
                        | AttachType::SK_SKB_VERDICT
                ) =>
            {
                let mut sockmap = link::Sockmap::default();
                sockmap.map_id = sys::map_info(fd)
                    .map_err(|source| self.failed("describe", source))?
                    .id;
                sockmap.attach_type = attach_type;
                (LinkType::SOCKMAP, LinkDetails::Sockmap(sockmap))
            }
            (None, Some(_)) if attach_type == AttachType::LIRC_MODE2 => {
                (LinkType::UNSPEC, LinkDetails::Unknown)
            }
            (None, Some(fd)) => {
                let mut cgroup = link::Cgroup::default();
                let metadata = fd.try_clone().and_then(|fd| std::fs::File::from(fd).metadata());
                cgroup.cgroup_id = metadata
                    .map_err(|source| Error::io(self.subject(), "describe", source))?
                    .ino();
                cgroup.attach_type = attach_type;
                (LinkType::CGROUP, LinkDetails::Cgroup(cgroup))
            }
            (None, None) => (LinkType::UNSPEC, LinkDetails::Unknown),
        };
        LinkInfo::without_link(&hold.program(), link_type, details)
    }
}
