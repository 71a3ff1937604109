//! The kinds of links, and what each of them needs beside program and target.

use std::ffi::CStr;
use std::marker::PhantomData;
use std::os::fd::BorrowedFd;

use crate::syscall::address;
use crate::{CgroupIterOrder, KprobeMultiFlags, NetfilterFlags, NetfilterHook, Relative, UprobeMultiFlags};

/// What some kinds of links need.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum LinkKind<'a> {
    /// Nothing: cgroup, network namespace, XDP, socket map, struct_ops, and tracing programs attached where they were loaded for.
    Plain,
    /// An iterator. Since Linux 5.8.
    Iter(IterTarget<'a>),
    /// A perf event. Since Linux 5.15.
    PerfEvent {
        /// Number that the program can ask for.
        cookie: u64,
    },
    /// Many kernel functions. Since Linux 5.18.
    KprobeMulti {
        /// Which.
        functions: KernelFunctions<'a>,
        /// Numbers that the program can ask for, one for each function; empty: none.
        cookies: &'a [u64],
        /// How.
        flags: KprobeMultiFlags,
    },
    /// A tracing program, LSM, or freplace, with a target or cookie. Target since Linux 5.10, cookie 5.19.
    Tracing {
        /// BTF id of the function in the target; 0: as loaded.
        target_btf_id: u32,
        /// Number that the program can ask for.
        cookie: u64,
    },
    /// A netfilter hook. Since Linux 6.4.
    Netfilter {
        /// Protocol family: `NFPROTO_IPV4` (2) or `NFPROTO_IPV6` (10).
        family: u32,
        /// Which hook.
        hook: NetfilterHook,
        /// Place among the functions of the hook: lower runs first; the extremes are reserved.
        priority: i32,
        /// How.
        flags: NetfilterFlags,
    },
    /// A network device, by tcx. Since Linux 6.6.
    Tcx {
        /// Neighbour in the chain of programs.
        relative: Relative<'a>,
        /// Fail unless the chain has this revision; 0: any.
        expected_revision: u64,
    },
    /// A netkit device. Since Linux 6.7.
    Netkit {
        /// Neighbour in the chain of programs.
        relative: Relative<'a>,
        /// Fail unless the chain has this revision; 0: any.
        expected_revision: u64,
    },
    /// A cgroup, with a place in its chain of programs. Since Linux 6.16; without one, [`LinkKind::Plain`].
    Cgroup {
        /// Neighbour in the chain of programs.
        relative: Relative<'a>,
        /// Fail unless the chain has this revision; 0: any.
        expected_revision: u64,
    },
    /// Many places of a program file. Since Linux 6.6.
    UprobeMulti {
        /// The file.
        file: UprobeFile<'a>,
        /// Offsets in it.
        offsets: &'a [u64],
        /// Offsets of reference counters, one for each place; empty: none.
        ref_ctr_offsets: &'a [u64],
        /// Numbers that the program can ask for, one for each place; empty: none.
        cookies: &'a [u64],
        /// How.
        flags: UprobeMultiFlags,
        /// Only this process; 0: all.
        pid: u32,
    },
    /// Many kernel functions by BTF id. Since Linux 7.2.
    TracingMulti {
        /// BTF ids of the functions.
        btf_ids: &'a [u32],
        /// Numbers that the program can ask for, one for each function; empty: none.
        cookies: &'a [u64],
    },
}

/// What an iterator walks over.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub enum IterTarget<'a> {
    /// Everything of its kind.
    #[default]
    All,
    /// The elements of a map, or what is stored in a storage map.
    Map(BorrowedFd<'a>),
    /// Cgroups. Since Linux 6.1.
    Cgroup {
        /// Where to begin; nothing: at the root.
        cgroup: Option<BorrowedFd<'a>>,
        /// In which order.
        order: CgroupIterOrder,
    },
    /// The thread with this id. Since Linux 6.1.
    Thread(u32),
    /// The threads of the process with this id. Since Linux 6.1.
    Process(u32),
    /// The threads of the process of this pidfd. Since Linux 6.1.
    Pidfd(BorrowedFd<'a>),
}

/// A set of kernel functions.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum KernelFunctions<'a> {
    /// By name.
    Names(&'a [CStrAddress<'a>]),
    /// By address.
    Addresses(&'a [u64]),
}

/// A file with functions to probe.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum UprobeFile<'a> {
    /// By its path.
    Path(&'a CStr),
    /// By a descriptor. Since Linux 7.2.
    Fd(BorrowedFd<'a>),
}

/// The address of a C string, as the kernel wants arrays of names.
///
/// ```
/// use bpfld_sys::CStrAddress;
///
/// let names = [c"vfs_read", c"vfs_write"].map(CStrAddress::new);
/// ```
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct CStrAddress<'a> {
    address: u64,
    string: PhantomData<&'a CStr>,
}

impl<'a> CStrAddress<'a> {
    /// The address of `string`.
    pub fn new(string: &'a CStr) -> Self {
        Self {
            address: address(string.to_bytes_with_nul()),
            string: PhantomData,
        }
    }
}
