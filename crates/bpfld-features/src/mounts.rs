//! Where the file systems that BPF uses are mounted.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// The mounts of one process, of the file system types that matter for BPF.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Mounts {
    mounts: Vec<(FsType, PathBuf)>,
}

/// A kind of file system that BPF uses.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum FsType {
    /// `bpf`: pins.
    Bpf,
    /// `tracefs`: ids and formats of tracepoints, probes by name.
    Tracefs,
    /// `cgroup2`: where cgroup programs attach.
    Cgroup2,
    /// `securityfs`: the list of security modules, lockdown.
    Securityfs,
    /// `debugfs`: holds tracefs on old kernels.
    Debugfs,
}

impl FsType {
    /// All kinds.
    pub const ALL: [FsType; 5] = [
        FsType::Bpf,
        FsType::Tracefs,
        FsType::Cgroup2,
        FsType::Securityfs,
        FsType::Debugfs,
    ];

    /// The name that mount(8) takes.
    pub const fn name(self) -> &'static str {
        match self {
            FsType::Bpf => "bpf",
            FsType::Tracefs => "tracefs",
            FsType::Cgroup2 => "cgroup2",
            FsType::Securityfs => "securityfs",
            FsType::Debugfs => "debugfs",
        }
    }

    /// Where it is mounted by custom.
    pub const fn usual_path(self) -> &'static str {
        match self {
            FsType::Bpf => "/sys/fs/bpf",
            FsType::Tracefs => "/sys/kernel/tracing",
            FsType::Cgroup2 => "/sys/fs/cgroup",
            FsType::Securityfs => "/sys/kernel/security",
            FsType::Debugfs => "/sys/kernel/debug",
        }
    }
}

impl Mounts {
    /// The mounts that a `/proc/PID/mountinfo` lists; lines that make no sense are left out.
    pub fn parse(mountinfo: &[u8]) -> Mounts {
        let mounts = mountinfo.split(|b| *b == b'\n').filter_map(mount).collect();
        Mounts { mounts }
    }

    /// The mounts that this process sees, asked anew each time.
    ///
    /// # Errors
    ///
    /// `/proc/thread-self/mountinfo` cannot be read.
    pub fn current() -> io::Result<Mounts> {
        Ok(Mounts::parse(&fs::read("/proc/thread-self/mountinfo")?))
    }

    /// All mount points of a kind, oldest first.
    pub fn all(&self, kind: FsType) -> impl Iterator<Item = &Path> {
        self.mounts
            .iter()
            .filter(move |(k, _)| *k == kind)
            .map(|(_, path)| &**path)
    }

    /// The mount point to use: the customary one if it is there, else the oldest.
    ///
    /// ```
    /// use bpfld_features::{FsType, Mounts};
    ///
    /// let mounts = Mounts::parse(b"35 24 0:30 / /sys/fs/bpf rw,nosuid shared:9 - bpf bpf rw,mode=700\n");
    /// assert_eq!(mounts.find(FsType::Bpf), Some("/sys/fs/bpf".as_ref()));
    /// assert_eq!(mounts.find(FsType::Cgroup2), None);
    /// ```
    pub fn find(&self, kind: FsType) -> Option<&Path> {
        let usual = Path::new(kind.usual_path());
        self.all(kind)
            .find(|path| *path == usual)
            .or_else(|| self.all(kind).next())
    }
}

/// One line: the mount point is the fifth field, the type stands after the lone dash.
fn mount(line: &[u8]) -> Option<(FsType, PathBuf)> {
    let mut fields = line.split(|b| *b == b' ');
    let path = fields.nth(4)?;
    let kind = fields.skip_while(|field| *field != b"-").nth(1)?;
    let kind = FsType::ALL.into_iter().find(|k| k.name().as_bytes() == kind)?;
    Some((kind, PathBuf::from(OsString::from_vec(unescape(path)))))
}

/// Blanks and backslashes in paths are written as three octal digits.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, tail)) = rest.split_first() {
        let octal = match (byte, tail) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..]) => {
                Some(((a - b'0') << 6) | ((b - b'0') << 3) | (c - b'0'))
            }
            _ => None,
        };
        out.push(octal.unwrap_or(byte));
        rest = if octal.is_some() { &tail[3..] } else { tail };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: &[u8] = b"\
21 1 254:0 / / rw,relatime - ext4 /dev/root rw
24 21 0:22 / /sys rw - sysfs sysfs rw
30 24 0:30 / /mnt/my\\040bpf rw,nosuid shared:9 master:2 - bpf bpf rw,mode=700
31 24 0:30 / /sys/fs/bpf rw,nosuid shared:9 - bpf bpf rw,mode=700
32 24 0:12 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate
33 24
garbage
";

    #[test]
    fn mount_points_are_found_by_type() {
        let mounts = Mounts::parse(INFO);
        assert_eq!(mounts.find(FsType::Bpf), Some(Path::new("/sys/fs/bpf")));
        assert_eq!(mounts.all(FsType::Bpf).next(), Some(Path::new("/mnt/my bpf")));
        assert_eq!(
            mounts.find(FsType::Cgroup2),
            Some(Path::new("/sys/fs/cgroup/unified"))
        );
        assert_eq!(mounts.find(FsType::Tracefs), None);
    }

    #[test]
    fn only_whole_escapes_are_undone() {
        assert_eq!(unescape(b"a\\134b\\04"), b"a\\b\\04");
        assert_eq!(unescape(b"\\400\\"), b"\\400\\");
    }

    #[test]
    fn this_process_sees_mounts() {
        assert!(Mounts::current().is_ok());
    }
}
