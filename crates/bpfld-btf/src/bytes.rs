//! Where the bytes of BTF live: on the heap, in the program, or in a mapping.

use alloc::{sync::Arc, vec::Vec};
use core::{fmt, ops::Range};

/// Bytes that can be shared and kept: an owned vector, a shared or static slice, or anything that dereferences to
/// bytes, such as a memory mapping. Cloning never copies them.
///
/// ```
/// use bpfld_btf::Bytes;
///
/// let bytes = Bytes::from(vec![1, 2, 3, 4]);
/// let tail = bytes.slice(2..4).unwrap();
/// assert_eq!(tail.as_slice(), [3, 4]);
/// ```
#[derive(Clone)]
pub struct Bytes {
    owner: Owner,
    start: usize,
    end: usize,
}

#[derive(Clone)]
enum Owner {
    Static(&'static [u8]),
    Vec(Arc<Vec<u8>>),
    Slice(Arc<[u8]>),
    Other(Arc<dyn AsRef<[u8]> + Send + Sync>),
}

impl Bytes {
    fn whole(owner: Owner, len: usize) -> Self {
        Self {
            owner,
            start: 0,
            end: len,
        }
    }

    /// The bytes.
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        let all: &[u8] = match &self.owner {
            Owner::Static(bytes) => bytes,
            Owner::Vec(bytes) => bytes,
            Owner::Slice(bytes) => bytes,
            Owner::Other(bytes) => (**bytes).as_ref(),
        };
        all.get(self.start..self.end).unwrap_or_default()
    }

    /// A part of these bytes, sharing the memory; `None` if the range does not lie within.
    pub fn slice(&self, range: Range<usize>) -> Option<Self> {
        let start = self.start.checked_add(range.start)?;
        let end = self.start.checked_add(range.end)?;
        (start <= end && end <= self.end).then(|| Self {
            owner: self.owner.clone(),
            start,
            end,
        })
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        let len = bytes.len();
        Self::whole(Owner::Vec(Arc::new(bytes)), len)
    }
}

impl From<Arc<[u8]>> for Bytes {
    fn from(bytes: Arc<[u8]>) -> Self {
        let len = bytes.len();
        Self::whole(Owner::Slice(bytes), len)
    }
}

impl From<&'static [u8]> for Bytes {
    fn from(bytes: &'static [u8]) -> Self {
        Self::whole(Owner::Static(bytes), bytes.len())
    }
}

impl From<Arc<dyn AsRef<[u8]> + Send + Sync>> for Bytes {
    fn from(bytes: Arc<dyn AsRef<[u8]> + Send + Sync>) -> Self {
        let len = (*bytes).as_ref().len();
        Self::whole(Owner::Other(bytes), len)
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bytes({} bytes)", self.end - self.start)
    }
}
