//! Probes made in tracefs, for kernels that have no perf events of their own for them (before 4.17).

use std::{
    fs::OpenOptions,
    io::{self, Write},
    sync::atomic::{AtomicU32, Ordering},
};

use bpfld_sys::Errno;

use super::tracefs::{Tracefs, tracepoint_id};

/// How often the removal of an event is tried that the kernel still holds.
const MOST_TRIES: u32 = 1000;

/// Which list of tracefs an event is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventList {
    /// Kernel functions.
    Kprobe,
    /// Places in binaries.
    Uprobe,
}

impl EventList {
    fn file(self) -> &'static str {
        match self {
            EventList::Kprobe => "kprobe_events",
            EventList::Uprobe => "uprobe_events",
        }
    }
}

/// An event in tracefs; removed when dropped.
#[derive(Debug)]
pub(crate) struct TracefsEvent {
    tracefs: Tracefs,
    list: EventList,
    group: String,
    name: String,
}

impl TracefsEvent {
    /// Makes an event at a place, which is spelt as the kernel wants it in its list. Its name is like no other.
    pub(crate) fn create(list: EventList, place: &str, at_return: bool) -> io::Result<TracefsEvent> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        if place.contains(['\n', ' ', '\t', '\0']) {
            let message = "a place with spaces cannot be said in tracefs";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let tracefs = Tracefs::open()?;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let event = TracefsEvent {
            tracefs,
            list,
            group: format!("bpfld_{}", std::process::id()),
            name: format!("event_{number}"),
        };
        let letter = if at_return { 'r' } else { 'p' };
        event.write(&format!("{letter}:{}/{} {place}", event.group, event.name))?;
        Ok(event)
    }

    /// Number for a perf event.
    pub(crate) fn id(&self) -> io::Result<u64> {
        tracepoint_id(&self.group, &self.name)
    }

    /// One line more, or one less. Never the whole list, which others share.
    fn write(&self, line: &str) -> io::Result<()> {
        let path = self.tracefs.path(self.list.file());
        let mut file = OpenOptions::new().append(true).open(path)?;
        file.write_all(format!("{line}\n").as_bytes())
    }
}

impl Drop for TracefsEvent {
    fn drop(&mut self) {
        let line = format!("-:{}/{}", self.group, self.name);
        for _ in 0..MOST_TRIES {
            match self.write(&line) {
                // The kernel lets go of the perf event a little after it is closed.
                Err(error) if error.raw_os_error() == Some(Errno::EBUSY.0) => std::thread::yield_now(),
                _ => return,
            }
        }
    }
}
