//! Memory shared with the kernel.
//!
//! # Safety
//!
//! The kernel chooses where a mapping lies, or is asked not to replace another, so that it overlaps nothing of ours; and it lives
//! as long as the value that owns it.
//!
//! - [`Mmap`] gives out a slice. It maps only BTF of the kernel, which never changes while it is mapped.
//! - [`SharedMmap`] gives out no references but to atomic numbers: others may write at any time. It is read and written by atomic
//!   operations alone, relaxed but where an order is asked for. Rust's memory model, like C++'s, has nothing to say on what other
//!   processes and the kernel do; on every machine that Linux runs on, an aligned load or store of up to a word is whole, whoever else
//!   accesses it and by whatever size, and that is all that is relied on. Operations of different sizes on the same bytes from this
//!   process may meet where one thread reads a word and another writes a part of it: the reader gets bytes of before or after, as from
//!   any other writer. Pages that are not there (beyond the end of a file that shrank) end the process with a signal; that is no
//!   undefined behaviour.

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};

use self::region::Region;
use crate::Errno;

mod copy;
mod kernel_btf;
mod region;

pub use kernel_btf::Mmap;

/// Bytes of a page of memory: the unit of mappings, ring buffers and arenas.
pub fn page_size() -> usize {
    // SAFETY: it only asks for a number.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).unwrap_or(4096)
}

/// What a shared mapping may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reading.
    Read,
    /// Reading and writing.
    ReadWrite,
}

/// Memory shared with the kernel and other processes: the values of an array map, or a ring buffer.
///
/// Offsets beyond the end, and such that are not aligned for what is read, give nothing rather than a panic. What is larger than 8 bytes, or not
/// aligned, may be torn.
#[derive(Debug)]
pub struct SharedMmap {
    region: Region,
    access: Access,
}

impl SharedMmap {
    /// Maps `len` bytes of a map, perf event or file from `offset` on, which must be a multiple of the page size.
    ///
    /// # Errors
    ///
    /// `EINVAL` for a length or offset that the object does not have; `ENOTSUPP` or `ENODEV` if it cannot be mapped; `EPERM` or `EACCES` for lack of rights, or a
    /// frozen map.
    pub fn new(object: impl AsFd, offset: u64, len: usize, access: Access) -> Result<Self, Errno> {
        let protection = match access {
            Access::Read => libc::PROT_READ,
            Access::ReadWrite => libc::PROT_READ | libc::PROT_WRITE,
        };
        let region = Region::new(Some(object.as_fd()), offset, len, protection, libc::MAP_SHARED)?;
        Ok(Self { region, access })
    }

    /// Makes memory that belongs to no object, full of zeros: for the kernel to read and write too. Child processes do not have it, so that no
    /// page of it is ever replaced by a copy.
    ///
    /// With `huge` it is made of huge pages of 1 << `huge` bytes, as many as the system has set aside; `len` must then be a multiple of that.
    /// Without, the kernel makes it of huge pages if it has some (`/sys/kernel/mm/transparent_hugepage/enabled` says `madvise` or `always`).
    ///
    /// # Errors
    ///
    /// `ENOMEM`, also where there are no huge pages; `EINVAL` for a size of pages that the machine does not have.
    #[doc(alias = "MAP_ANONYMOUS")]
    pub fn anonymous(len: usize, huge: Option<u8>) -> Result<Self, Errno> {
        let pages = match huge {
            Some(bits) if bits < 64 => libc::MAP_HUGETLB | (i32::from(bits) << libc::MAP_HUGE_SHIFT),
            Some(_) => return Err(Errno::EINVAL),
            None => 0,
        };
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let sharing = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | pages;
        let region = Region::new(None, 0, len, protection, sharing)?;
        region.advise(libc::MADV_DONTFORK)?;
        if huge.is_none() {
            match region.advise(libc::MADV_HUGEPAGE) {
                // A kernel without them.
                Ok(()) | Err(Errno::EINVAL) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(Self {
            region,
            access: Access::ReadWrite,
        })
    }

    /// Maps the first `len` bytes of an object at an address of the caller's choice; for arenas, which programs and processes see at the same
    /// address.
    ///
    /// # Errors
    ///
    /// `EEXIST` if something else is mapped there; `EINVAL` if the address is no multiple of the page size; `EBUSY` if the arena has another
    /// address; others as for [`SharedMmap::new`].
    pub fn at(object: impl AsFd, address: usize, len: usize, access: Access) -> Result<Self, Errno> {
        let protection = match access {
            Access::Read => libc::PROT_READ,
            Access::ReadWrite => libc::PROT_READ | libc::PROT_WRITE,
        };
        let region = Region::at(object.as_fd(), address, len, protection)?;
        Ok(Self { region, access })
    }

    /// Bytes mapped.
    #[expect(clippy::len_without_is_empty, reason = "never empty")]
    #[inline]
    pub fn len(&self) -> usize {
        self.region.len.get()
    }

    /// What it may be used for.
    pub fn access(&self) -> Access {
        self.access
    }

    /// Where it begins. What is done with the pointer is up to unsafe code elsewhere; the mapping lives as long as `self`.
    pub fn as_ptr(&self) -> *mut u8 {
        self.region.start.as_ptr()
    }

    /// Reads a number. [`Ordering::Acquire`] makes visible what was written before it was.
    #[inline]
    pub fn load_u32(&self, offset: usize, ordering: Ordering) -> Option<u32> {
        let ordering = if ordering == Ordering::Relaxed {
            Ordering::Relaxed
        } else {
            Ordering::Acquire
        };
        Some(self.atomic::<AtomicU32>(offset)?.load(ordering))
    }

    /// Reads a number. [`Ordering::Acquire`] makes visible what was written before it was.
    #[inline]
    pub fn load_u64(&self, offset: usize, ordering: Ordering) -> Option<u64> {
        let ordering = if ordering == Ordering::Relaxed {
            Ordering::Relaxed
        } else {
            Ordering::Acquire
        };
        Some(self.atomic::<AtomicU64>(offset)?.load(ordering))
    }

    /// Writes a number. [`Ordering::Release`] makes visible what was written before. Nothing if the mapping is for reading only.
    #[inline]
    pub fn store_u64(&self, offset: usize, value: u64, ordering: Ordering) -> Option<()> {
        let ordering = if ordering == Ordering::Relaxed {
            Ordering::Relaxed
        } else {
            Ordering::Release
        };
        self.writable()?;
        self.atomic::<AtomicU64>(offset)?.store(value, ordering);
        Some(())
    }

    /// The whole words of it, in the order of their offsets.
    #[inline]
    pub fn words(&self) -> &[Word] {
        let count = self.len() / size_of::<Word>();
        // SAFETY: so many words are within the mapping, which lives as long as `self`; mappings begin at a page, so that they are
        // aligned; any bytes are valid; and whoever writes to them meanwhile does it under the atomic number that a word is.
        unsafe { std::slice::from_raw_parts(self.region.start.as_ptr().cast(), count) }
    }

    /// The whole words of it, for atomic operations, in the order of their offsets. Nothing if the mapping is for reading only.
    #[inline]
    pub fn atomic_words(&self) -> Option<&[AtomicU64]> {
        self.writable()?;
        let words = self.words();
        // SAFETY: a `Word` is such a number by another name (it is transparent), and the slice is as long as that of the words.
        Some(unsafe { std::slice::from_raw_parts(words.as_ptr().cast(), words.len()) })
    }

    /// A number within, for atomic operations. Nothing if the mapping is for reading only.
    #[inline]
    pub fn atomic_u32(&self, offset: usize) -> Option<&AtomicU32> {
        self.writable()?;
        self.atomic(offset)
    }

    /// A number within, for atomic operations. Nothing if the mapping is for reading only.
    #[inline]
    pub fn atomic_u64(&self, offset: usize) -> Option<&AtomicU64> {
        self.writable()?;
        self.atomic(offset)
    }

    #[inline]
    fn writable(&self) -> Option<()> {
        (self.access == Access::ReadWrite).then_some(())
    }

    /// Checks that `len` bytes from `offset` on are within.
    #[inline]
    fn check(&self, offset: usize, len: usize) -> Option<()> {
        (offset.checked_add(len)? <= self.len()).then_some(())
    }

    /// An atomic number within. Writing to it needs [`Self::writable`].
    #[inline]
    fn atomic<T: Atomic>(&self, offset: usize) -> Option<&T> {
        self.check(offset, size_of::<T>())?;
        if !offset.is_multiple_of(align_of::<T>()) {
            return None;
        }
        // SAFETY: `offset` was checked to be within the mapping.
        let number = unsafe { self.region.start.add(offset) };
        // SAFETY: the number is within the mapping, aligned (mappings begin at a page), any bytes are valid for it, and all access
        // from this process goes through atomic operations.
        Some(unsafe { number.cast::<T>().as_ref() })
    }
}

/// Eight bytes of shared memory at a multiple of eight, to be read at once.
#[derive(Debug)]
#[repr(transparent)]
pub struct Word(AtomicU64);

impl Word {
    /// What is there now.
    #[inline]
    pub fn load(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The atomic numbers.
trait Atomic {}
impl Atomic for AtomicU8 {}
impl Atomic for AtomicU16 {}
impl Atomic for AtomicU32 {}
impl Atomic for AtomicU64 {}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(len: u64) -> std::fs::File {
        // SAFETY: the name ends with a zero.
        let fd = unsafe { libc::memfd_create(c"test".as_ptr(), libc::MFD_CLOEXEC) };
        assert!(fd >= 0);
        // SAFETY: the descriptor is new.
        let file = unsafe { <std::fs::File as std::os::fd::FromRawFd>::from_raw_fd(fd) };
        file.set_len(len).unwrap();
        file
    }

    #[test]
    fn reads_and_writes() {
        let file = memory(8192);
        let shared = SharedMmap::new(&file, 0, 8192, Access::ReadWrite).unwrap();
        let other = SharedMmap::new(&file, 0, 8192, Access::Read).unwrap();
        for (offset, len) in [(0, 1), (0, 8), (3, 30), (8, 24), (8170, 22), (4090, 16)] {
            let bytes: Vec<u8> = (0..len).map(|byte| byte as u8 + 1).collect();
            shared.write(offset, &bytes).unwrap();
            let mut back = vec![0; len];
            other.read(offset, &mut back).unwrap();
            assert_eq!(back, bytes, "{offset} {len}");
        }
        assert_eq!(shared.atomic_words().unwrap().len(), 1024);
        shared.atomic_words().unwrap()[2].store(7, Ordering::Release);
        assert_eq!(other.load_u64(16, Ordering::Acquire), Some(7));
        assert_eq!(
            other.load_u32(16, Ordering::Acquire),
            Some(if cfg!(target_endian = "little") { 7 } else { 0 })
        );
    }

    #[test]
    fn refuses() {
        let file = memory(4096);
        let shared = SharedMmap::new(&file, 0, 4096, Access::Read).unwrap();
        assert_eq!(shared.store_u64(0, 1, Ordering::Relaxed), None);
        assert!(shared.atomic_words().is_none());
        assert_eq!(shared.write(0, &[1]), None);
        assert_eq!(shared.load_u64(4, Ordering::Relaxed), None);
        assert_eq!(shared.load_u64(4096, Ordering::Relaxed), None);
        assert_eq!(shared.load_u64(usize::MAX - 7, Ordering::Relaxed), None);
        assert_eq!(shared.read(4095, &mut [0; 2]), None);
        assert!(SharedMmap::new(&file, 0, 0, Access::Read).is_err());
        assert!(SharedMmap::new(&file, 0, usize::MAX, Access::Read).is_err());
    }

    #[test]
    fn anonymous_memory_is_zero() {
        let memory = SharedMmap::anonymous(8192, None).unwrap();
        assert_eq!(
            (memory.len(), memory.load_u64(8184, Ordering::Relaxed)),
            (8192, Some(0))
        );
        memory.write(5, b"abc").unwrap();
        let mut back = [0; 3];
        memory.read(5, &mut back).unwrap();
        assert_eq!(&back, b"abc");
        assert!(SharedMmap::anonymous(0, None).is_err());
        let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let start = format!("{:x}-", memory.as_ptr().addr());
        let (_, own) = smaps.split_once(&start).unwrap();
        let flags = own.lines().find(|line| line.starts_with("VmFlags:")).unwrap();
        assert!(
            flags.split(' ').any(|flag| flag == "dc"),
            "children have it: {flags}"
        );
        assert!(SharedMmap::anonymous(4096, Some(63)).is_err());
        assert!(SharedMmap::anonymous(4096, Some(64)).is_err());
    }
}
