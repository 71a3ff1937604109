//! Where the kernel tells about tracepoints and probes: tracefs and the descriptions of perf event sources.

use std::{
    fs, io,
    os::fd::{AsRawFd, OwnedFd},
    path::PathBuf,
};

use bpfld_features::{FsType, Mounts};
use bpfld_sys::{PerfType, mount};

/// Number of a tracepoint, as perf events want it.
pub(super) fn tracepoint_id(category: &str, name: &str) -> io::Result<u64> {
    let plain = |text: &str| !text.is_empty() && !text.contains('/') && text != "." && text != "..";
    if !plain(category) || !plain(name) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not the name of a tracepoint",
        ));
    }
    number(&Tracefs::open()?.read(&format!("events/{category}/{name}/id"))?)
}

/// The directory of tracefs: where it is mounted, or one for us alone.
#[derive(Debug)]
pub(super) struct Tracefs {
    path: PathBuf,
    /// What the path goes through, where it is mounted nowhere.
    _root: Option<OwnedFd>,
}

impl Tracefs {
    pub(super) fn open() -> io::Result<Tracefs> {
        let mounts = Mounts::current()?;
        if let Some(path) = mounts.find(FsType::Tracefs) {
            return Ok(Tracefs {
                path: path.to_owned(),
                _root: None,
            });
        }
        // Inside of debugfs it is mounted at the first access.
        let inside = PathBuf::from("/sys/kernel/debug/tracing");
        if inside.join("events").exists() {
            return Ok(Tracefs {
                path: inside,
                _root: None,
            });
        }
        let root = mount::detached(c"tracefs")
            .map_err(|_| io::Error::new(io::ErrorKind::NotFound, "tracefs is not mounted"))?;
        let path = PathBuf::from(format!("/proc/thread-self/fd/{}", root.as_raw_fd()));
        Ok(Tracefs {
            path,
            _root: Some(root),
        })
    }

    /// A file in it.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub(super) fn read(&self, name: &str) -> io::Result<String> {
        fs::read_to_string(self.path.join(name))
    }
}

/// A source of perf events for probes, `kprobe` or `uprobe` (4.17).
#[derive(Clone, Copy, Debug)]
pub(super) struct ProbeSource {
    /// Type number for the event.
    pub(super) perf_type: PerfType,
    /// Bit of `config` that asks for the return of a function.
    pub(super) return_bit: u32,
}

impl ProbeSource {
    /// What `config` of an event says about entry or return.
    pub(super) fn config(self, at_return: bool) -> u64 {
        u64::from(at_return) << self.return_bit
    }

    pub(super) fn read(name: &str) -> io::Result<ProbeSource> {
        let source = PathBuf::from("/sys/bus/event_source/devices").join(name);
        let perf_type = number(&fs::read_to_string(source.join("type"))?)?;
        let format = fs::read_to_string(source.join("format/retprobe"))?;
        let return_bit = format
            .trim()
            .strip_prefix("config:")
            .ok_or(io::ErrorKind::InvalidData)?;
        let (perf_type, return_bit) = (u32::try_from(perf_type), u32::try_from(number(return_bit)?));
        match (perf_type, return_bit) {
            (Ok(perf_type), Ok(return_bit)) if return_bit < 64 => Ok(ProbeSource {
                perf_type: PerfType(perf_type),
                return_bit,
            }),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

fn number(text: &str) -> io::Result<u64> {
    text.trim().parse().map_err(|_| io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_do_not_leave_tracefs() {
        for (category, name) in [("..", "x"), ("sched", "../../x"), ("", "x"), ("sched", "")] {
            let error = tracepoint_id(category, name).expect_err("no tracepoint");
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        }
    }
}
