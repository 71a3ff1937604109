//! Timers: they go off when the host moves the clock.

use alloc::vec::Vec;

/// The timers of a machine.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timers {
    pub(crate) list: Vec<Timer>,
}

/// A timer in a map value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timer {
    /// The address of its `struct bpf_timer`.
    pub(crate) address: u64,
    /// The map, and the place of the value in it.
    pub(crate) map: usize,
    /// The address of the function to be called; 0: none yet.
    pub(crate) callback: u64,
    /// When it goes off; `None`: not started.
    pub(crate) due: Option<u64>,
}

impl Timers {
    pub(crate) fn at(&mut self, address: u64) -> Option<&mut Timer> {
        self.list.iter_mut().find(|timer| timer.address == address)
    }

    /// Takes the timer that is due next, up to a time.
    pub(crate) fn next_due(&mut self, until: u64) -> Option<Timer> {
        let due = |timer: &Timer| timer.due.filter(|due| *due <= until && timer.callback != 0);
        let next = self
            .list
            .iter_mut()
            .filter(|timer| due(timer).is_some())
            .min_by_key(|timer| timer.due)?;
        let fired = *next;
        next.due = None;
        Some(fired)
    }
}
