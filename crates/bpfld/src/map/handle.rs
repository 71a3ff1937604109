//! The handle of a map and access to its elements as bytes.

use std::{
    borrow::Cow,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
    sync::{Arc, OnceLock},
};

use bpfld_sys::{self as sys, ElemFlags, Errno, MapFd, MapFlags, MapType};

use super::{MapBuilder, MapInfo, Memory};
use crate::{
    Error, Result, Subject,
    info::{Kind, check_kind},
};

/// What a map was made as.
///
/// Sizes are those the kernel was told: of a per-CPU map, `value_size` is that of one CPU's value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MapSpec {
    /// Name; for maps from an object the whole one, where the kernel keeps 15 characters.
    pub name: String,
    /// Type of the map.
    pub map_type: MapType,
    /// Bytes of a key.
    pub key_size: u32,
    /// Bytes of a value.
    pub value_size: u32,
    /// Most elements it may hold; for a ring buffer its bytes.
    pub max_entries: u32,
    /// Flags it was made with.
    pub flags: MapFlags,
    /// Type-specific number, as the count of hash functions of a Bloom filter.
    pub map_extra: u64,
}

/// A map in the kernel.
///
/// A handle is cheap to clone; the map is let go with the last clone (and lives on in the kernel for as long as a
/// program uses it or a pin holds it). Elements are bytes here; the typed views ([`Hash`](super::Hash),
/// [`Array`](super::Array), [`RingBuf`](super::RingBuf) …) are made from a handle and compare sizes once.
///
/// ```no_run
/// use bpfld::{ElemFlags, Map, MapType};
///
/// let map = Map::builder(MapType::HASH, "ports").key_size(2).value_size(8).max_entries(64).create()?;
/// map.update(&443u16.to_ne_bytes(), &1u64.to_ne_bytes(), ElemFlags::empty())?;
/// assert_eq!(map.lookup(&443u16.to_ne_bytes())?, Some(1u64.to_ne_bytes().to_vec()));
/// # Ok::<(), bpfld::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Map {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    fd: MapFd,
    spec: MapSpec,
    memory: OnceLock<Arc<Memory>>,
}

impl Map {
    /// Describes a map that comes from no object; [`MapBuilder::create`] makes it.
    pub fn builder(map_type: MapType, name: &str) -> MapBuilder<'_> {
        MapBuilder::new(map_type, name)
    }

    /// Wraps a descriptor whose description is known.
    pub(crate) fn from_parts(fd: MapFd, spec: MapSpec) -> Map {
        Map {
            inner: Arc::new(Inner {
                fd,
                spec,
                memory: OnceLock::new(),
            }),
        }
    }

    /// Takes over a descriptor, asking the kernel what it is.
    ///
    /// # Errors
    ///
    /// When it is no map, or on kernels before 4.13, which cannot tell.
    pub fn from_fd(fd: OwnedFd) -> Result<Map> {
        Map::identify(fd, || Subject::Map("?".into()))
    }

    /// Opens the map with an id (4.13; needs CAP_SYS_ADMIN).
    ///
    /// # Errors
    ///
    /// When there is no such map, or no right to open it.
    #[doc(alias = "BPF_MAP_GET_FD_BY_ID")]
    pub fn from_id(id: u32) -> Result<Map> {
        let subject = || Subject::Map(format!("id {id}"));
        let fd = sys::map_get_fd_by_id(id, MapFlags::empty());
        Map::identify(fd.map_err(|source| Error::by_id(subject(), source))?, subject)
    }

    /// Opens a map pinned in a BPF file system.
    ///
    /// # Errors
    ///
    /// When there is nothing at the path, or something other than a map.
    #[doc(alias = "BPF_OBJ_GET")]
    pub fn open_pinned(path: impl AsRef<Path>) -> Result<Map> {
        let path = path.as_ref();
        Map::identify(crate::pin::open(path)?, || Subject::File(path.to_owned()))
    }

    /// Pins the map: it stays in the kernel until the file is removed.
    ///
    /// Directories on the way are made. The path must lie in a BPF file system, usually below `/sys/fs/bpf`.
    ///
    /// # Errors
    ///
    /// When something is at the path already, or it lies in no BPF file system.
    #[doc(alias = "BPF_OBJ_PIN")]
    pub fn pin(&self, path: impl AsRef<Path>) -> Result<()> {
        crate::pin::pin(self.as_fd(), path.as_ref(), self.subject()).map(drop)
    }

    /// Name of the map, as the object spelt it or, for maps opened from elsewhere, as the kernel keeps it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.spec.name
    }

    /// Type of the map.
    #[must_use]
    pub fn map_type(&self) -> MapType {
        self.inner.spec.map_type
    }

    /// Bytes of a key.
    #[must_use]
    pub fn key_size(&self) -> usize {
        self.inner.fd.key_size()
    }

    /// Bytes of a value as seen from here: for a per-CPU map, those of all possible CPUs together.
    #[must_use]
    pub fn value_size(&self) -> usize {
        self.inner.fd.user_value_size()
    }

    /// Number of values for a key: of a per-CPU map one for each possible CPU, else one.
    #[must_use]
    pub fn cpus(&self) -> usize {
        if !self.inner.fd.is_per_cpu() {
            return 1;
        }
        self.value_size()
            .checked_div(self.inner.fd.value_size().next_multiple_of(8))
            .unwrap_or(1)
    }

    /// Most elements it may hold; for a ring buffer its bytes.
    #[must_use]
    pub fn max_entries(&self) -> u32 {
        self.inner.spec.max_entries
    }

    /// What the map was made as.
    #[must_use]
    pub fn spec(&self) -> &MapSpec {
        &self.inner.spec
    }

    /// What the kernel says about the map now (4.13).
    ///
    /// # Errors
    ///
    /// On kernels that cannot tell.
    pub fn info(&self) -> Result<MapInfo> {
        MapInfo::of(self.as_fd()).map_err(|source| self.failed("describe", source))
    }

    /// Forbids every later change from user space (5.2); programs still write.
    ///
    /// # Errors
    ///
    /// EBUSY while the map is mapped writable.
    #[doc(alias = "BPF_MAP_FREEZE")]
    pub fn freeze(&self) -> Result<()> {
        sys::map_freeze(&self.inner.fd).map_err(|source| self.failed("freeze", source))
    }

    /// Value of a key; `None` if the key is not there.
    ///
    /// # Errors
    ///
    /// When the key has the wrong size, or the kernel refuses: not every type of map can be read from user space.
    #[doc(alias = "BPF_MAP_LOOKUP_ELEM")]
    pub fn lookup(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let mut value = vec![0; self.value_size()];
        Ok(self
            .lookup_into(key, &mut value, ElemFlags::empty())?
            .then_some(value))
    }

    /// Value of a key, into a buffer of [`value_size`](Map::value_size) bytes (with [`ElemFlags::F_CPU`], of one CPU's value); false
    /// if the key is not there.
    ///
    /// The only flags that kernels take here are [`ElemFlags::F_LOCK`] and, since 7.0, [`ElemFlags::F_CPU`].
    ///
    /// # Errors
    ///
    /// As [`lookup`](Map::lookup), and when the buffer has the wrong size.
    pub fn lookup_into(&self, key: &[u8], value: &mut [u8], flags: ElemFlags) -> Result<bool> {
        self.check_key(key)?;
        self.check_value(value.len(), flags)?;
        self.found(
            sys::map_lookup_elem(&self.inner.fd, key, value, flags),
            "look up an element",
        )
    }

    /// Sets the value of a key.
    ///
    /// # Errors
    ///
    /// With [`ElemFlags::NOEXIST`] EEXIST on a key that is there, with [`ElemFlags::EXIST`] ENOENT on one that is not;
    /// E2BIG when the map is full; and when a size is wrong.
    #[doc(alias = "BPF_MAP_UPDATE_ELEM")]
    pub fn update(&self, key: &[u8], value: &[u8], flags: ElemFlags) -> Result<()> {
        self.update_unless(key, value, flags, None).map(drop)
    }

    /// As [`update`](Map::update), but false where the kernel's answer is the one that is given.
    pub(super) fn update_unless(
        &self,
        key: &[u8],
        value: &[u8],
        flags: ElemFlags,
        answer: Option<Errno>,
    ) -> Result<bool> {
        self.check_key(key)?;
        self.check_value(value.len(), flags)?;
        match sys::map_update_elem(&self.inner.fd, key, value, flags) {
            Ok(()) => Ok(true),
            Err(error) if Some(error.errno()) == answer => Ok(false),
            Err(error) => {
                let has_room = || format!("it has room for {}", self.max_entries());
                let hint = (error.errno() == Errno::E2BIG).then(has_room);
                Err(self.failed("update an element", error).with_optional_hint(hint))
            }
        }
    }

    /// Removes a key; false if it was not there.
    ///
    /// # Errors
    ///
    /// When the key has the wrong size, or the type of map has elements that cannot go (arrays: EINVAL).
    #[doc(alias = "BPF_MAP_DELETE_ELEM")]
    pub fn delete(&self, key: &[u8]) -> Result<bool> {
        self.check_key(key)?;
        let is_array = matches!(self.map_type(), MapType::ARRAY | MapType::PERCPU_ARRAY);
        self.found(sys::map_delete_elem(&self.inner.fd, key), "delete an element")
            .map_err(|error| match error.errno() {
                Some(Errno::EINVAL) if is_array => error.with_hint("arrays keep their elements: set it to 0"),
                _ => error,
            })
    }

    /// Takes a key out of the map: into the buffer goes its value; false if the key was not there.
    ///
    /// For queues and stacks since 4.20 (the key is empty), for hash maps since 5.14.
    ///
    /// # Errors
    ///
    /// As [`lookup_into`](Map::lookup_into); on older kernels EINVAL or ENOTSUPP.
    #[doc(alias = "BPF_MAP_LOOKUP_AND_DELETE_ELEM")]
    pub fn take_into(&self, key: &[u8], value: &mut [u8]) -> Result<bool> {
        self.check_key(key)?;
        self.check_value(value.len(), ElemFlags::empty())?;
        let taken = sys::map_lookup_and_delete_elem(&self.inner.fd, key, value, ElemFlags::empty());
        self.found(taken, "take out an element")
    }

    /// The key after a key, or the first one, into a buffer of [`key_size`](Map::key_size) bytes; false at the end.
    ///
    /// Of hash maps, the key after one that was deleted meanwhile is the first: a loop over this alone may never end.
    /// [`entries`](Map::entries) and [`keys`](Map::keys) do.
    ///
    /// # Errors
    ///
    /// When a size is wrong, or the type of map has no keys to walk.
    #[doc(alias = "BPF_MAP_GET_NEXT_KEY")]
    pub fn next_key(&self, key: Option<&[u8]>, next: &mut [u8]) -> Result<bool> {
        if let Some(key) = key {
            self.check_key(key)?;
        }
        self.check_key(next)?;
        self.found(sys::map_get_next_key(&self.inner.fd, key, next), "walk the keys")
    }

    /// The memory of an array made with [`MapFlags::MMAPABLE`] (5.5), shared with programs.
    ///
    /// Mapped at the first call, and once for all clones of the handle. A frozen map is mapped for reading only.
    ///
    /// # Errors
    ///
    /// When the map was not made for it; maps with [`MapFlags::RDONLY`] or [`MapFlags::WRONLY`] no kernel maps.
    pub fn memory(&self) -> Result<&Arc<Memory>> {
        if let Some(memory) = self.inner.memory.get() {
            return Ok(memory);
        }
        let memory = Arc::new(Memory::of(self)?);
        Ok(self.inner.memory.get_or_init(|| memory))
    }

    /// The descriptor with what the element functions of the lower layer need.
    #[must_use]
    pub fn map_fd(&self) -> &MapFd {
        &self.inner.fd
    }

    fn identify(fd: OwnedFd, subject: impl Fn() -> Subject) -> Result<Map> {
        check_kind(fd.as_fd(), Kind::Map, subject())?;
        let failed = |source| Error::kernel(subject(), "describe", source);
        let spec = MapInfo::of(fd.as_fd()).map_err(failed)?.spec();
        Ok(Map::from_parts(MapFd::from_fd(fd).map_err(failed)?, spec))
    }

    pub(crate) fn subject(&self) -> Subject {
        Subject::Map(self.name().to_owned())
    }

    pub(crate) fn failed(&self, doing: impl Into<Cow<'static, str>>, source: sys::Error) -> Error {
        Error::kernel(self.subject(), doing, source)
    }

    /// Turns ENOENT into false.
    pub(crate) fn found(&self, result: Result<(), sys::Error>, doing: &'static str) -> Result<bool> {
        match result {
            Ok(()) => Ok(true),
            Err(error) if error.errno() == Errno::ENOENT => Ok(false),
            Err(error) => Err(self.failed(doing, error)),
        }
    }

    fn check_key(&self, key: &[u8]) -> Result<()> {
        self.check_size("key", self.key_size(), key.len())
    }

    fn check_value(&self, len: usize, flags: ElemFlags) -> Result<()> {
        let one_cpu =
            flags.intersects(ElemFlags::F_CPU | ElemFlags::F_ALL_CPUS) && self.inner.fd.is_per_cpu();
        let size = if one_cpu {
            self.inner.fd.value_size()
        } else {
            self.value_size()
        };
        self.check_size("value", size, len)
    }

    fn check_size(&self, part: &'static str, expected: usize, given: usize) -> Result<()> {
        if expected == given {
            return Ok(());
        }
        Err(Error::invalid(
            self.subject(),
            format!("a {part} takes {expected} bytes, not {given}"),
        ))
    }
}

impl AsFd for Map {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.fd.as_fd()
    }
}
