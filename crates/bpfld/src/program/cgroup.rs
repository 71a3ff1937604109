//! Attaching to cgroups.

use std::os::fd::AsFd;

use bpfld_sys::{AttachFlags, AttachType};

use super::{
    CgroupDevice, CgroupSkb, CgroupSock, CgroupSockAddr, CgroupSockopt, CgroupSysctl, LsmCgroup, Program,
    ProgramKind, SockOps,
};
use crate::{
    Error, Link, Order, Result,
    link::create::{by_command, cgroup},
};

/// On which way packets of a cgroup's processes are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CgroupDirection {
    /// As they are received.
    Ingress,
    /// As they are sent.
    Egress,
}

macro_rules! cgroup_kinds {
    ($($kind:ident: $attach_type:expr;)*) => { $(
        impl $kind {
            /// Attaches to a cgroup, an open directory below `/sys/fs/cgroup` (version 2), and those below it.
            ///
            /// With a link since 5.7; before, by a command, along with other programs.
            ///
            /// # Errors
            ///
            /// When it is no cgroup, the attach type is not known (a program opened from a pin) or the kernel refuses.
            pub fn attach(&self, cgroup: impl AsFd) -> Result<Link> {
                self.attach_at(cgroup, Order::default())
            }

            /// As [`attach`](Self::attach), at a chosen place among the cgroup's programs (6.17).
            ///
            /// # Errors
            ///
            /// As [`attach`](Self::attach).
            pub fn attach_at(&self, cgroup: impl AsFd, order: Order<'_>) -> Result<Link> {
                let attach_type: Option<AttachType> = $attach_type;
                let Some(attach_type) = attach_type.or(self.program().attach_type()) else {
                    return Err(unknown(self.program()));
                };
                self::cgroup(self.program(), cgroup.as_fd(), attach_type, order)
            }

            /// As [`attach_at`](Self::attach_at), for programs whose attach type is not known.
            ///
            /// # Errors
            ///
            /// As [`attach`](Self::attach); EINVAL when the program was loaded for another attach type.
            pub fn attach_as(&self, attach_type: AttachType, cgroup: impl AsFd, order: Order<'_>) -> Result<Link> {
                self::cgroup(self.program(), cgroup.as_fd(), attach_type, order)
            }

            /// Attaches to a cgroup by command (4.10), where [`attach`](Self::attach) makes a link: to be replaced by programs of
            /// cgroups below it ([`AttachFlags::ALLOW_OVERRIDE`]), along with others ([`AttachFlags::ALLOW_MULTI`], 4.15), or alone.
            ///
            /// Dropping the link detaches it; after [`Link::forget`] it stays, also when this process ends.
            ///
            /// # Errors
            ///
            /// As [`attach`](Self::attach); EPERM where the cgroup, or one above it, has programs with other flags.
            pub fn attach_without_link(&self, cgroup: impl AsFd, flags: AttachFlags) -> Result<Link> {
                let attach_type: Option<AttachType> = $attach_type;
                let Some(attach_type) = attach_type.or(self.program().attach_type()) else {
                    return Err(unknown(self.program()));
                };
                by_command(self.program(), cgroup.as_fd(), attach_type, flags, attach_type.to_string())
            }
        }
    )* };
}

cgroup_kinds! {
    CgroupSock: None;
    SockOps: Some(AttachType::CGROUP_SOCK_OPS);
    CgroupDevice: Some(AttachType::CGROUP_DEVICE);
    CgroupSockAddr: None;
    CgroupSysctl: Some(AttachType::CGROUP_SYSCTL);
    CgroupSockopt: None;
    LsmCgroup: Some(AttachType::LSM_CGROUP);
}

impl CgroupSkb {
    /// Attaches to a cgroup, an open directory below `/sys/fs/cgroup` (version 2), and those below it.
    ///
    /// With a link since 5.7; before, by a command, along with other programs.
    ///
    /// ```no_run
    /// use bpfld::{CgroupDirection, CgroupSkb};
    ///
    /// # fn example(count: CgroupSkb) -> Result<(), Box<dyn std::error::Error>> {
    /// let cgroup = std::fs::File::open("/sys/fs/cgroup/user.slice")?;
    /// let link = count.attach(&cgroup, CgroupDirection::Egress)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When it is no cgroup, the program was loaded for the other direction, or the kernel refuses.
    pub fn attach(&self, cgroup: impl AsFd, direction: CgroupDirection) -> Result<Link> {
        self.attach_at(cgroup, direction, Order::default())
    }

    /// As [`attach`](Self::attach), at a chosen place among the cgroup's programs (6.17).
    ///
    /// # Errors
    ///
    /// As [`attach`](Self::attach).
    pub fn attach_at(&self, cgroup: impl AsFd, direction: CgroupDirection, order: Order<'_>) -> Result<Link> {
        let attach_type = match direction {
            CgroupDirection::Ingress => AttachType::CGROUP_INET_INGRESS,
            CgroupDirection::Egress => AttachType::CGROUP_INET_EGRESS,
        };
        self::cgroup(self.program(), cgroup.as_fd(), attach_type, order)
    }

    /// Attaches to a cgroup by command (4.10), where [`attach`](Self::attach) makes a link: to be replaced by programs of
    /// cgroups below it ([`AttachFlags::ALLOW_OVERRIDE`]), along with others ([`AttachFlags::ALLOW_MULTI`], 4.15), or alone.
    ///
    /// Dropping the link detaches it; after [`Link::forget`] it stays, also when this process ends.
    ///
    /// # Errors
    ///
    /// As [`attach`](Self::attach); EPERM where the cgroup, or one above it, has programs with other flags.
    pub fn attach_without_link(
        &self,
        cgroup: impl AsFd,
        direction: CgroupDirection,
        flags: AttachFlags,
    ) -> Result<Link> {
        let attach_type = match direction {
            CgroupDirection::Ingress => AttachType::CGROUP_INET_INGRESS,
            CgroupDirection::Egress => AttachType::CGROUP_INET_EGRESS,
        };
        by_command(
            self.program(),
            cgroup.as_fd(),
            attach_type,
            flags,
            attach_type.to_string(),
        )
    }
}

fn unknown(program: &Program) -> Error {
    let message = "the attach type is not known, as the program came from no object; use `attach_as`";
    Error::invalid(program.subject(), message)
}
