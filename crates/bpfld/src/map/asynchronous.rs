//! Readers to be awaited on a tokio runtime.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

use tokio::io::{Interest, unix::AsyncFd};

use super::{Map, PerfBuf, PerfRecord, RingBuf, RingRecord, RingSet};
use crate::{Error, Result, Subject};

/// A descriptor with its place in the runtime's event loop.
#[derive(Debug)]
struct Waiter {
    fd: AsyncFd<OwnedFd>,
}

impl Waiter {
    /// Waits for the object behind a descriptor, by a descriptor of its own.
    fn new(object: impl AsFd) -> io::Result<Self> {
        let fd = object.as_fd().try_clone_to_owned()?;
        #[expect(
            deprecated,
            reason = "its replacement is unsafe, because not everything that has a descriptor keeps it; an `OwnedFd` does"
        )]
        let fd = AsyncFd::with_interest(fd, Interest::READABLE)?;
        Ok(Self { fd })
    }

    /// Waits until something came since the last call; then it must be looked for until nothing is left.
    async fn ready(&mut self) -> io::Result<()> {
        self.fd.readable_mut().await?.clear_ready();
        Ok(())
    }
}

macro_rules! asynchronous {
    ($($(#[$doc:meta])+ $waiter:ident of $reader:ident, $subject:expr;)*) => { $(
        $(#[$doc])+
        #[derive(Debug)]
        pub struct $waiter {
            waiter: Waiter,
            reader: $reader,
        }

        impl $waiter {
            /// Registers a reader with the runtime that this is called on.
            ///
            /// # Errors
            ///
            /// When the event loop does not take it.
            ///
            /// # Panics
            ///
            /// Outside of a tokio runtime, or on one without an I/O driver.
            pub fn new(reader: $reader) -> Result<Self> {
                let subject: fn(&$reader) -> Subject = $subject;
                let waiter = Waiter::new(&reader);
                let waiter = waiter.map_err(|source| Error::io(subject(&reader), "wait for records", source))?;
                Ok(Self { waiter, reader })
            }

            /// The reader, no longer registered.
            #[must_use]
            pub fn into_reader(self) -> $reader {
                self.reader
            }

            async fn ready(&mut self) -> Result<()> {
                let subject: fn(&$reader) -> Subject = $subject;
                let ready = self.waiter.ready().await;
                ready.map_err(|source| Error::io(subject(&self.reader), "wait for records", source))
            }
        }
    )* };
}

asynchronous! {
    /// A ring buffer whose records are awaited (feature `tokio`).
    ///
    /// ```no_run
    /// # async fn example(map: &bpfld::Map) -> Result<(), bpfld::Error> {
    /// let mut events = bpfld::AsyncRingBuf::new(map.try_into()?)?;
    /// loop {
    ///     let record = events.read().await?;
    ///     println!("{} bytes", record.len());
    /// }
    /// # }
    /// ```
    AsyncRingBuf of RingBuf, |ring| ring.map().subject();
    /// Several ring buffers whose records are awaited together (feature `tokio`).
    AsyncRingSet of RingSet, |_| Subject::Map("ring buffers".into());
    /// A perf event array whose records are awaited (feature `tokio`).
    AsyncPerfBuf of PerfBuf, |events| Map::subject(events.map());
}

impl AsyncRingBuf {
    /// The next record, when it comes. Nothing is lost if the future is dropped before it is ready.
    ///
    /// # Errors
    ///
    /// As [`RingBuf::read`], and when waiting fails.
    pub async fn read(&mut self) -> Result<RingRecord<'_>> {
        let place = loop {
            if let Some(place) = self.reader.next_place()? {
                break place;
            }
            self.ready().await?;
        };
        Ok(self.reader.lend(place))
    }
}

impl AsyncRingSet {
    /// The next record of any ring and the place of that, when it comes. Nothing is lost if the future is dropped before it is ready.
    ///
    /// # Errors
    ///
    /// As [`RingSet::read`], and when waiting fails.
    pub async fn read(&mut self) -> Result<(usize, RingRecord<'_>)> {
        let (ring, place) = loop {
            if let Some(found) = self.reader.find()? {
                break found;
            }
            self.ready().await?;
        };
        Ok((ring, self.reader.lend(ring, place)))
    }
}

impl AsyncPerfBuf {
    /// The next record of any CPU, when it comes. Nothing is lost if the future is dropped before it is ready.
    ///
    /// # Errors
    ///
    /// As [`PerfBuf::read`], and when waiting fails.
    pub async fn read(&mut self) -> Result<PerfRecord<'_>> {
        let (ring, found) = loop {
            if let Some(found) = self.reader.find()? {
                break found;
            }
            self.ready().await?;
        };
        Ok(self.reader.lend(ring, found))
    }
}
