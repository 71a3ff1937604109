//! Perf events: the targets of kprobes, uprobes, tracepoints and samplers.
//!
//! # Safety
//!
//! perf_event_open(2) reads the structure it is given and the C strings in it, which are borrowed until it returns. Of the
//! requests of ioctl(2) used here only two pass an address, that of a number or C string of ours.

mod attr;

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

pub use self::attr::Attr;
use self::attr::attr_size;
use crate::syscall::{address, raw};
use crate::{Errno, PerfOpenFlags};

/// Which tasks and CPUs an event is about.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Scope<'a> {
    /// All tasks on one CPU.
    Cpu(u32),
    /// A process (0: this one) on any CPU.
    Process(u32),
    /// A process (0: this one) on one CPU.
    ProcessOnCpu(u32, u32),
    /// The tasks of a cgroup (v1 `perf_event`, or v2) on one CPU. Since Linux 2.6.39.
    Cgroup(BorrowedFd<'a>, u32),
}

/// A perf event. It ends when dropped.
#[derive(Debug)]
pub struct PerfEvent {
    fd: OwnedFd,
}

/// Opens a perf event. See perf_event_open(2).
///
/// # Errors
///
/// `EACCES` or `EPERM` without `CAP_PERFMON`, by the sysctl `kernel.perf_event_paranoid`; `ENOENT` if the source does not know the event; `ENODEV` or `EINVAL` if the
/// CPU is off; `ESRCH` if there is no such process.
pub fn perf_event_open(attr: &Attr<'_>, scope: Scope<'_>) -> Result<PerfEvent, Errno> {
    let Attr { mut raw, name } = *attr;
    raw.size = attr_size(&raw);
    raw.config1 = name.map_or(0, |name| address(name.to_bytes_with_nul()));
    let number = |number: u32| RawFd::try_from(number).map_err(|_| Errno::EINVAL);
    let (pid, cpu, flags) = match scope {
        Scope::Cpu(cpu) => (-1, number(cpu)?, PerfOpenFlags::empty()),
        Scope::Process(pid) => (number(pid)?, -1, PerfOpenFlags::empty()),
        Scope::ProcessOnCpu(pid, cpu) => (number(pid)?, number(cpu)?, PerfOpenFlags::empty()),
        Scope::Cgroup(cgroup, cpu) => (cgroup.as_raw_fd(), number(cpu)?, PerfOpenFlags::PID_CGROUP),
    };
    let flags = (flags | PerfOpenFlags::FD_CLOEXEC).bits();
    // The argument is an unsigned long.
    let flags = libc::c_ulong::try_from(flags).map_err(|_| Errno::EINVAL)?;
    // SAFETY: `raw` is as long as it says, and the only address in it is that of `name`, which is borrowed and ends with a zero.
    let result = unsafe { libc::syscall(libc::SYS_perf_event_open, &raw const raw, pid, cpu, -1, flags) };
    let fd = RawFd::try_from(result)
        .ok()
        .filter(|fd| *fd >= 0)
        .ok_or_else(Errno::last)?;
    // SAFETY: the kernel has just made this descriptor for us and told nobody else.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    Ok(PerfEvent { fd })
}

/// The requests of ioctl(2), as the kernel numbers them.
mod request {
    use libc::Ioctl;

    const KIND: u32 = b'$' as u32;
    pub(super) const ENABLE: Ioctl = libc::_IO(KIND, 0);
    pub(super) const DISABLE: Ioctl = libc::_IO(KIND, 1);
    pub(super) const RESET: Ioctl = libc::_IO(KIND, 3);
    pub(super) const SET_OUTPUT: Ioctl = libc::_IO(KIND, 5);
    pub(super) const SET_FILTER: Ioctl = libc::_IOW::<*const u8>(KIND, 6);
    pub(super) const ID: Ioctl = libc::_IOR::<*const u64>(KIND, 7);
    pub(super) const SET_BPF: Ioctl = libc::_IOW::<u32>(KIND, 8);
    pub(super) const PAUSE_OUTPUT: Ioctl = libc::_IOW::<u32>(KIND, 9);
}

impl PerfEvent {
    /// Starts counting. Since Linux 2.6.31.
    ///
    /// # Errors
    ///
    /// What the event's source returns.
    #[doc(alias = "PERF_EVENT_IOC_ENABLE")]
    pub fn enable(&self) -> Result<(), Errno> {
        self.ioctl(request::ENABLE, 0)
    }

    /// Stops counting. Since Linux 2.6.31.
    ///
    /// # Errors
    ///
    /// What the event's source returns.
    #[doc(alias = "PERF_EVENT_IOC_DISABLE")]
    pub fn disable(&self) -> Result<(), Errno> {
        self.ioctl(request::DISABLE, 0)
    }

    /// Sets the count to zero. Since Linux 2.6.31.
    ///
    /// # Errors
    ///
    /// What the event's source returns.
    #[doc(alias = "PERF_EVENT_IOC_RESET")]
    pub fn reset(&self) -> Result<(), Errno> {
        self.ioctl(request::RESET, 0)
    }

    /// Runs a program at each event. Since Linux 4.1 for kprobes, 4.7 for tracepoints, 4.9 for others. It cannot be taken off again.
    ///
    /// # Errors
    ///
    /// `EEXIST` if there is one already; `EINVAL` if the kind of the program does not fit; `EACCES` if it reads beyond the tracepoint's fields.
    #[doc(alias = "PERF_EVENT_IOC_SET_BPF")]
    pub fn set_bpf(&self, program: impl AsFd) -> Result<(), Errno> {
        self.ioctl(request::SET_BPF, raw(program.as_fd()).into())
    }

    /// Sends its records to the ring buffer of another event, or, with nothing, to its own again. Since Linux 2.6.35.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the other is for another CPU, or has no ring buffer.
    #[doc(alias = "PERF_EVENT_IOC_SET_OUTPUT")]
    pub fn set_output(&self, other: Option<&PerfEvent>) -> Result<(), Errno> {
        let other = other.map_or(libc::c_ulong::MAX, |other| raw(other.as_fd()).into());
        self.ioctl(request::SET_OUTPUT, other)
    }

    /// Sets a filter on a tracepoint's fields. Since Linux 2.6.33.
    ///
    /// # Errors
    ///
    /// `EINVAL` if it cannot be understood, or the event takes none.
    #[doc(alias = "PERF_EVENT_IOC_SET_FILTER")]
    pub fn set_filter(&self, filter: &CStr) -> Result<(), Errno> {
        self.ioctl(
            request::SET_FILTER,
            filter.as_ptr().expose_provenance() as libc::c_ulong,
        )
    }

    /// Holds or releases its ring buffer: while held, records are dropped. Since Linux 4.7.
    ///
    /// # Errors
    ///
    /// `EINVAL` if it has no ring buffer.
    #[doc(alias = "PERF_EVENT_IOC_PAUSE_OUTPUT")]
    pub fn pause_output(&self, state: Output) -> Result<(), Errno> {
        self.ioctl(
            request::PAUSE_OUTPUT,
            match state {
                Output::Running => 0,
                Output::Paused => 1,
            },
        )
    }

    /// Its id, as records have it. Since Linux 3.12.
    ///
    /// # Errors
    ///
    /// None are known.
    #[doc(alias = "PERF_EVENT_IOC_ID")]
    pub fn id(&self) -> Result<u64, Errno> {
        let mut id = 0u64;
        self.ioctl(request::ID, (&raw mut id).expose_provenance() as libc::c_ulong)?;
        Ok(id)
    }

    /// Only for numbers, and addresses of what the request reads or writes.
    fn ioctl(&self, request: libc::Ioctl, argument: libc::c_ulong) -> Result<(), Errno> {
        // SAFETY: the descriptor is a perf event, so that `request` means what it says. `argument` is what it takes: a number, or the address
        // of something that the caller borrows meanwhile.
        let result = unsafe { libc::ioctl(self.fd.as_raw_fd(), request, argument) };
        if result < 0 { Err(Errno::last()) } else { Ok(()) }
    }
}

/// Whether records go into the ring buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// They do.
    Running,
    /// They are dropped.
    Paused,
}

impl AsFd for PerfEvent {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl From<PerfEvent> for OwnedFd {
    fn from(event: PerfEvent) -> Self {
        event.fd
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PerfSoftware;

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn requests() {
        assert_eq!(request::ENABLE, 0x2400);
        assert_eq!(request::SET_BPF, 0x4004_2408);
        assert_eq!(request::ID, 0x8008_2407);
        assert_eq!(request::SET_FILTER, 0x4008_2406);
    }

    #[test]
    fn counts_something() {
        let event = match perf_event_open(&Attr::software(PerfSoftware::CONTEXT_SWITCHES), Scope::Process(0))
        {
            Ok(event) => event,
            Err(errno @ (Errno::EACCES | Errno::EPERM | Errno::ENOSYS)) => {
                eprintln!("skipped: perf_event_open: {errno}");
                return;
            }
            Err(errno) => panic!("{errno}"),
        };
        event.disable().unwrap();
        event.reset().unwrap();
        event.enable().unwrap();
        assert!(event.id().unwrap() > 0);
        assert_eq!(event.set_bpf(std::io::stdin()), Err(Errno::EINVAL));
    }
}
