//! Iterators over the elements of a map, as bytes.

use super::{
    Map,
    cursor::{Cursor, Take},
};
use crate::Result;

/// Elements of a map as bytes: key and value. Made by [`Map::entries`] and [`Map::drain`].
#[derive(Debug)]
pub struct Entries {
    cursor: Cursor,
}

/// Keys of a map as bytes. Made by [`Map::keys`].
#[derive(Debug)]
pub struct Keys {
    entries: Entries,
}

impl Map {
    /// All elements, read in batches where the kernel has them (5.6) and key by key where not.
    ///
    /// Elements that are in the map the whole time come exactly once, when read in batches. Read key by key they come at
    /// least once: where somebody deletes elements meanwhile, some may come twice. Elements that come or go meanwhile may or
    /// may not be seen. Of a [`ResizableHash`](super::ResizableHash) that is being resized, any may be missed or come twice. It
    /// ends in any case: when it takes more steps than twice the size of the map, with an error. After an error nothing
    /// follows.
    ///
    /// ```no_run
    /// # fn example(map: &bpfld::Map) -> Result<(), bpfld::Error> {
    /// for entry in map.entries() {
    ///     let (key, value) = entry?;
    ///     println!("{key:02x?} {value:02x?}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn entries(&self) -> Entries {
        Entries {
            cursor: Cursor::new(self, Take::Read),
        }
    }

    /// All keys, as [`entries`](Map::entries) reads them.
    #[must_use]
    pub fn keys(&self) -> Keys {
        Keys {
            entries: self.entries(),
        }
    }

    /// Takes all elements out of the map, in batches where the kernel has them.
    ///
    /// What is left in the middle is kept by the map, except for at most one batch that was read already.
    pub fn drain(&self) -> Entries {
        Entries {
            cursor: Cursor::new(self, Take::Remove),
        }
    }
}

impl Entries {
    /// The map that is walked.
    #[must_use]
    pub fn source(&self) -> &Map {
        self.cursor.map()
    }

    /// The next element, lent instead of copied.
    ///
    /// # Errors
    ///
    /// When the kernel refuses; nothing follows then.
    #[inline]
    pub fn lend(&mut self) -> Result<Option<(&[u8], &[u8])>> {
        self.cursor.advance()
    }
}

impl Iterator for Entries {
    type Item = Result<(Vec<u8>, Vec<u8>)>;

    fn next(&mut self) -> Option<Self::Item> {
        let copy = |(key, value): (&[u8], &[u8])| (key.to_vec(), value.to_vec());
        self.lend().map(|element| element.map(copy)).transpose()
    }
}

impl Iterator for Keys {
    type Item = Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.entries
            .lend()
            .map(|element| element.map(|(key, _)| key.to_vec()))
            .transpose()
    }
}
