//! Typed views of storage: values that belong to a socket, task, inode or control group.

use std::os::fd::{AsFd, AsRawFd as _};

use bpfld_sys::{ElemFlags, plain::CgroupStorageKey};
use zerocopy::IntoBytes as _;

use super::{
    PerCpuValues, Plain,
    view::{Stored, typed_views},
};
use crate::Result;

macro_rules! storages {
    ($($(#[$doc:meta])+ $view:ident<V> = $map_type:ident, $key:ty as $owner:ident, $stored:ty, $bytes:expr;)*) => { $(
        typed_views! {
            $(#[$doc])+
            $view<V> = $map_type, check_value::<V>;
        }

        impl<V: Plain> $view<V> {
            #[doc = concat!("The value of a ", stringify!($owner), "; `None` if it has none.")]
            ///
            /// # Errors
            ///
            /// When the kernel refuses: EBADF for a descriptor of another kind.
            pub fn get(&self, $owner: $key) -> Result<Option<$stored>> {
                let mut value = <$stored>::room(self.map.cpus());
                let found = self.map.lookup_into(&$bytes, value.stored_mut(), ElemFlags::empty())?;
                Ok(found.then_some(value))
            }

            #[doc = concat!("Sets the value of a ", stringify!($owner), ".")]
            ///
            /// # Errors
            ///
            /// As [`get`](Self::get).
            pub fn set(&self, $owner: $key, value: &$stored) -> Result<()> {
                self.map.update(&$bytes, value.stored(), ElemFlags::empty())
            }
        }
    )* };
}

storages! {
    /// Values that belong to sockets (5.2); they go with them.
    ///
    /// ```no_run
    /// use bpfld::{Map, SkStorage};
    ///
    /// # fn example(map: &Map, socket: std::net::TcpStream) -> Result<(), bpfld::Error> {
    /// let marks: SkStorage<u64> = map.try_into()?;
    /// marks.set(&socket, &7)?;
    /// # Ok(())
    /// # }
    /// ```
    SkStorage<V> = SK_STORAGE, impl AsFd as socket, V, fd(socket);
    /// Values that belong to tasks (5.11), named by a descriptor from pidfd_open(2).
    TaskStorage<V> = TASK_STORAGE, impl AsFd as task, V, fd(task);
    /// Values that belong to inodes (5.10), named by a descriptor of an open file.
    InodeStorage<V> = INODE_STORAGE, impl AsFd as inode, V, fd(inode);
    /// Values that belong to control groups (6.2), named by a descriptor of their directory.
    CgrpStorage<V> = CGRP_STORAGE, impl AsFd as cgroup, V, fd(cgroup);
    /// Values that belong to a control group and the way a program is attached to it (4.19).
    CgroupStorage<V> = CGROUP_STORAGE, &CgroupStorageKey as attachment, V, *attachment.as_bytes();
    /// Values that belong to a control group and the way a program is attached to it, one for each CPU (4.20).
    PerCpuCgroupStorage<V> = PERCPU_CGROUP_STORAGE, &CgroupStorageKey as attachment, PerCpuValues<V>, *attachment.as_bytes();
}

macro_rules! removable {
    ($($view:ident)*) => { $(
        impl<V: Plain> $view<V> {
            /// Removes a value; false if there was none.
            ///
            /// # Errors
            ///
            /// As [`get`](Self::get).
            pub fn remove(&self, owner: impl AsFd) -> Result<bool> {
                self.map.delete(&fd(owner))
            }
        }
    )* };
}

removable! { SkStorage TaskStorage InodeStorage CgrpStorage }

fn fd(owner: impl AsFd) -> [u8; 4] {
    owner.as_fd().as_raw_fd().to_ne_bytes()
}
