//! Timers and work in map values: they go off when the host moves the clock.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::ops::Range;

/// The timers of a machine.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timers {
    /// By the address of their structure.
    all: BTreeMap<u64, Timer>,
    /// Those that are started: when they go off, and their address.
    due: BTreeSet<(u64, u64)>,
    /// The address of the one whose function is running.
    pub(crate) running: Option<u64>,
}

/// A timer in a map value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timer {
    /// The number of the map.
    pub(crate) map: usize,
    /// Whether it goes by the clock that tells the date.
    pub(crate) by_date: bool,
    /// The address of the function to be called; 0: none yet.
    pub(crate) callback: u64,
    /// When it goes off; `None`: not started.
    due: Option<u64>,
}

impl Timer {
    pub(crate) fn new(map: usize, by_date: bool) -> Self {
        Self {
            map,
            by_date,
            callback: 0,
            due: None,
        }
    }
}

impl Timers {
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(crate) fn at(&mut self, address: u64) -> Option<&mut Timer> {
        self.all.get_mut(&address)
    }

    pub(crate) fn add(&mut self, address: u64, timer: Timer) {
        self.all.insert(address, timer);
    }

    /// Starts a timer, or starts it anew.
    pub(crate) fn start(&mut self, address: u64, due: u64) {
        self.stop(address);
        if let Some(timer) = self.all.get_mut(&address) {
            timer.due = Some(due);
            self.due.insert((due, address));
        }
    }

    /// Stops a timer; true if it was started.
    pub(crate) fn stop(&mut self, address: u64) -> bool {
        let due = self.all.get_mut(&address).and_then(|timer| timer.due.take());
        due.is_some_and(|due| self.due.remove(&(due, address)))
    }

    /// Forgets the timers of a value that is gone, or was written anew.
    pub(crate) fn forget(&mut self, addresses: Range<u64>) {
        let gone: Vec<u64> = self.all.range(addresses).map(|(address, _)| *address).collect();
        for address in gone {
            self.stop(address);
            self.all.remove(&address);
        }
    }

    /// Takes the timer that is due next, up to a time: when it was, its address, and what it is.
    pub(crate) fn next_due(&mut self, until: u64) -> Option<(u64, u64, Timer)> {
        let (due, address) = self.due.first().copied().filter(|(due, _)| *due <= until)?;
        self.stop(address);
        Some((due, address, *self.all.get(&address)?))
    }
}
