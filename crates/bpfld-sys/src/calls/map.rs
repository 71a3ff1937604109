//! Making maps, and the descriptor that knows how large keys and values are.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::syscall::{address, bpf_fd, length, name, raw, raw_or_zero};
use crate::{Command, Errno, Error, Log, MapFlags, MapType, attr, map_info, possible_cpus};

/// What map to make.
///
/// ```
/// use bpfld_sys::{MapCreate, MapFlags, MapType};
///
/// let mut wanted = MapCreate::new(MapType::HASH, 4, 8, 1024);
/// wanted.name = "hits";
/// wanted.flags = MapFlags::NO_PREALLOC;
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct MapCreate<'a> {
    /// Kind of the map.
    pub map_type: MapType,
    /// Bytes of a key.
    pub key_size: u32,
    /// Bytes of a value (of one CPU's value, in per-CPU maps).
    pub value_size: u32,
    /// Largest number of elements; for ring buffers and arenas bytes or pages.
    pub max_entries: u32,
    /// How it is made. [`MapFlags::INNER_MAP`] and the like; [`MapFlags::TOKEN_FD`] and
    /// [`MapFlags::VTYPE_BTF_OBJ_FD`] are added where `token` or `value_type_btf` is given.
    pub flags: MapFlags,
    /// Name, of which the first 15 bytes are used: letters, digits, `_` and `.` (the dot since Linux 5.2). Since Linux 4.15.
    pub name: &'a str,
    /// For maps of maps: a map like the inner ones. Since Linux 4.12.
    pub inner_map: Option<BorrowedFd<'a>>,
    /// NUMA node, with [`MapFlags::NUMA_NODE`]. Since Linux 4.14.
    pub numa_node: u32,
    /// Network device to offload to; 0: none. Since Linux 4.16.
    pub ifindex: u32,
    /// BTF object with the types of key and value. Since Linux 4.18.
    pub btf: Option<BorrowedFd<'a>>,
    /// Type of the key.
    pub btf_key_type_id: u32,
    /// Type of the value.
    pub btf_value_type_id: u32,
    /// For struct_ops: type of the value in the kernel's BTF. Since Linux 5.6.
    pub btf_vmlinux_value_type_id: u32,
    /// BTF object of the kernel module that has that type. Since Linux 6.9.
    pub value_type_btf: Option<BorrowedFd<'a>>,
    /// For a Bloom filter the number of hash functions, for an arena its address. Since Linux 5.16.
    pub map_extra: u64,
    /// Token that allows it. Since Linux 6.9.
    pub token: Option<BorrowedFd<'a>>,
    /// SHA-256 of the only program that may use the map. Since Linux 6.18.
    pub exclusive_program: Option<&'a [u8; 32]>,
}

impl MapCreate<'_> {
    /// A map of a kind and its sizes; the rest is set in the fields.
    pub fn new(map_type: MapType, key_size: u32, value_size: u32, max_entries: u32) -> Self {
        Self {
            map_type,
            key_size,
            value_size,
            max_entries,
            ..Self::default()
        }
    }

    fn attr(&self) -> Result<attr::MapCreate, Error> {
        let Self {
            map_type,
            key_size,
            value_size,
            max_entries,
            mut flags,
            name: map_name,
            inner_map,
            numa_node,
            ifindex,
            btf,
            btf_key_type_id,
            btf_value_type_id,
            btf_vmlinux_value_type_id,
            value_type_btf,
            map_extra,
            token,
            exclusive_program,
        } = *self;
        flags.set(
            MapFlags::TOKEN_FD,
            token.is_some() || flags.contains(MapFlags::TOKEN_FD),
        );
        flags.set(
            MapFlags::VTYPE_BTF_OBJ_FD,
            value_type_btf.is_some() || flags.contains(MapFlags::VTYPE_BTF_OBJ_FD),
        );
        let hash = exclusive_program.map_or(&[][..], |hash| hash);
        Ok(attr::MapCreate {
            map_type,
            key_size,
            value_size,
            max_entries,
            map_flags: flags,
            inner_map_fd: raw_or_zero(inner_map),
            numa_node,
            map_name: name(map_name),
            map_ifindex: ifindex,
            btf_fd: raw_or_zero(btf),
            btf_key_type_id,
            btf_value_type_id,
            btf_vmlinux_value_type_id,
            map_extra,
            value_type_btf_obj_fd: value_type_btf.map_or(0, |fd| raw(fd).cast_signed()),
            map_token_fd: token.map_or(0, |fd| raw(fd).cast_signed()),
            excl_prog_hash: address(hash),
            excl_prog_hash_size: length(Command::MAP_CREATE, hash.len())?,
            ..Default::default()
        })
    }
}

/// Makes a map. Since Linux 3.18.
///
/// # Errors
///
/// `EPERM` without `CAP_BPF` (before Linux 5.8 `CAP_SYS_ADMIN`) or, before Linux 5.11, where `RLIMIT_MEMLOCK` is too small; `EINVAL` for a
/// kind, flag or size that the kernel does not know or allow; `E2BIG` and `ENOMEM` for one that is too large; others in bpf(2).
#[doc(alias = "BPF_MAP_CREATE")]
pub fn map_create(wanted: &MapCreate<'_>) -> Result<MapFd, Error> {
    let mut attr = wanted.attr()?;
    // SAFETY: the only address is that of `exclusive_program`, borrowed by `wanted`, which is read.
    let fd = unsafe { bpf_fd(Command::MAP_CREATE, &mut attr, 0, None) }?;
    MapFd::new(
        fd,
        wanted.map_type,
        wanted.key_size,
        wanted.value_size,
        Command::MAP_CREATE,
    )
}

/// Makes a map and has the kernel say in `log` why it refuses. Since Linux 7.2: older kernels answer `EINVAL` to any such call.
///
/// # Errors
///
/// As [`map_create`].
#[doc(alias = "BPF_COMMON_ATTRS")]
pub fn map_create_with_log(wanted: &MapCreate<'_>, log: &mut Log<'_>) -> Result<MapFd, Error> {
    let mut attr = wanted.attr()?;
    let mut common = log.common(Command::MAP_CREATE)?;
    // SAFETY: as above; and the log buffer, borrowed mutably by `log`, is written to within its length.
    let fd = unsafe { bpf_fd(Command::MAP_CREATE, &mut attr, 0, Some(&mut common)) };
    log.finish(common.log_true_size);
    MapFd::new(
        fd?,
        wanted.map_type,
        wanted.key_size,
        wanted.value_size,
        Command::MAP_CREATE,
    )
}

/// The descriptor of a map, with the sizes of its keys and values.
///
/// The kernel does not ask how long a buffer is: it reads and writes whole keys and values. The functions on elements take
/// the sizes from here.
#[derive(Debug)]
pub struct MapFd {
    fd: OwnedFd,
    map_type: MapType,
    key_size: usize,
    value_size: usize,
    user_value_size: usize,
}

impl MapFd {
    /// Takes a descriptor, for example from [`obj_get`](crate::obj_get), and asks the kernel for the sizes. Since Linux 4.13.
    ///
    /// # Errors
    ///
    /// If it is no object of bpf(2), or the map has one value for each CPU and their number cannot be told.
    pub fn from_fd(fd: OwnedFd) -> Result<Self, Error> {
        let info = map_info(&fd)?;
        Self::new(
            fd,
            info.map_type,
            info.key_size,
            info.value_size,
            Command::OBJ_GET_INFO_BY_FD,
        )
    }

    fn new(
        fd: OwnedFd,
        map_type: MapType,
        key_size: u32,
        value_size: u32,
        command: Command,
    ) -> Result<Self, Error> {
        let too_large = |_| Error::argument(command, "more than this address space in one element");
        let key_size = usize::try_from(key_size).map_err(too_large)?;
        let value_size = usize::try_from(value_size).map_err(too_large)?;
        let user_value_size = match map_type {
            map_type if !has_value_per_cpu(map_type) => value_size,
            _ => {
                let cpus = possible_cpus()
                    .map_err(|_| Error::argument(command, "cannot tell the number of possible CPUs"))?;
                usize::try_from(cpus)
                    .ok()
                    .and_then(|cpus| value_size.checked_next_multiple_of(8)?.checked_mul(cpus))
                    .ok_or(Error::new(command, Errno::E2BIG))?
            }
        };
        Ok(Self {
            fd,
            map_type,
            key_size,
            value_size,
            user_value_size,
        })
    }

    /// Kind of the map.
    pub fn map_type(&self) -> MapType {
        self.map_type
    }

    /// Bytes of a key.
    pub fn key_size(&self) -> usize {
        self.key_size
    }

    /// Bytes of a value, in per-CPU maps of that of one CPU.
    pub fn value_size(&self) -> usize {
        self.value_size
    }

    /// Bytes of a value as user space reads and writes it. In per-CPU maps that is one value for each possible CPU, each
    /// rounded up to 8 bytes. Kinds of maps that this build does not know are taken for such.
    pub fn user_value_size(&self) -> usize {
        self.user_value_size
    }

    /// Bytes of the cursor of batch operations.
    pub fn cursor_size(&self) -> usize {
        self.key_size.max(4)
    }

    /// Whether an element has one value for each possible CPU.
    pub fn is_per_cpu(&self) -> bool {
        has_value_per_cpu(self.map_type)
    }

    /// A second descriptor of the same map.
    ///
    /// # Errors
    ///
    /// If this process has too many open files.
    pub fn try_clone(&self) -> std::io::Result<Self> {
        let Self {
            ref fd,
            map_type,
            key_size,
            value_size,
            user_value_size,
        } = *self;
        Ok(Self {
            fd: fd.try_clone()?,
            map_type,
            key_size,
            value_size,
            user_value_size,
        })
    }
}

impl AsFd for MapFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl From<MapFd> for OwnedFd {
    fn from(map: MapFd) -> Self {
        map.fd
    }
}

/// Whether user space sees one value for each possible CPU. Also true for kinds that this build does not know, since too large a
/// buffer does no harm.
fn has_value_per_cpu(map_type: MapType) -> bool {
    matches!(
        map_type,
        MapType::PERCPU_HASH
            | MapType::PERCPU_ARRAY
            | MapType::LRU_PERCPU_HASH
            | MapType::PERCPU_CGROUP_STORAGE
    ) || map_type.name().is_none()
}
