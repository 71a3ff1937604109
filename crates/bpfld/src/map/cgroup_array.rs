//! Arrays of control groups, for programs that ask whether a packet or task belongs to one.

use std::os::fd::{AsFd, AsRawFd as _};

use bpfld_sys::{ElemFlags, MapType};
use zerocopy::IntoBytes as _;

use super::{Map, view::handle_views};
use crate::Result;

handle_views! {
    /// An array of control groups (4.8), for `bpf_skb_under_cgroup` and `bpf_current_task_under_cgroup`.
    ///
    /// ```no_run
    /// use bpfld::CgroupArray;
    ///
    /// let watched = CgroupArray::create("watched", 4)?;
    /// watched.set(0, std::fs::File::open("/sys/fs/cgroup/system.slice").unwrap())?;
    /// # Ok::<(), bpfld::Error>(())
    /// ```
    CgroupArray = CGROUP_ARRAY;
}

impl CgroupArray {
    /// Makes a map that belongs to no object.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn create(name: &str, len: u32) -> Result<Self> {
        let map = Map::builder(MapType::CGROUP_ARRAY, name)
            .key_size(4)
            .value_size(4);
        map.max_entries(len).create()?.try_into()
    }

    /// Puts a control group, named by a descriptor of its directory, into a slot.
    ///
    /// # Errors
    ///
    /// EBADF when it is none of the second version's; E2BIG beyond the end.
    pub fn set(&self, index: u32, cgroup: impl AsFd) -> Result<()> {
        let fd = cgroup.as_fd().as_raw_fd();
        self.map
            .update(index.as_bytes(), fd.as_bytes(), ElemFlags::empty())
    }

    /// Empties a slot; false if it was empty. What is in a slot the kernel does not tell.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn clear(&self, index: u32) -> Result<bool> {
        self.map.delete(index.as_bytes())
    }
}
