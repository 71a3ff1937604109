//! The files of a guest: an archive that the kernel unpacks at boot (cpio, format `newc`).

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write},
    path::{Component, Path, PathBuf},
};

use crate::{
    Error, Result,
    error::{Doing as _, at},
};

const DIRECTORY: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const SYMLINK: u32 = 0o120_000;
const CHARACTER_DEVICE: u32 = 0o020_000;

/// Files and directories, all of them root's. Directories on the way to a file come by themselves.
///
/// ```
/// let mut files = bpfld_guest::Initramfs::new();
/// files.bytes("/etc/hostname", "guest\n")?;
/// let mut archive = Vec::new();
/// files.write(&mut archive)?;
/// assert!(archive.starts_with(b"070701") && archive.len() % 512 == 0);
/// # Ok::<(), bpfld_guest::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Initramfs {
    entries: BTreeMap<PathBuf, Entry>,
}

#[derive(Clone, Debug)]
enum Entry {
    Directory,
    Bytes(Vec<u8>),
    /// A file of this machine, which is read when the archive is written.
    Copy {
        from: PathBuf,
        mode: u32,
    },
    Symlink(PathBuf),
    Device {
        major: u32,
        minor: u32,
    },
}

impl Initramfs {
    /// Nothing but `/dev/console`.
    pub fn new() -> Initramfs {
        let mut files = Initramfs::default();
        files.put(PathBuf::from("dev/console"), Entry::Device { major: 5, minor: 1 });
        files
    }

    /// A directory.
    ///
    /// # Errors
    ///
    /// The path is not absolute, or has `..` in it; so for the other methods.
    pub fn directory(&mut self, path: impl AsRef<Path>) -> Result<()> {
        let path = inside(path.as_ref())?;
        self.put(path, Entry::Directory);
        Ok(())
    }

    /// A file with this content.
    ///
    /// # Errors
    ///
    /// As [`directory`](Self::directory).
    pub fn bytes(&mut self, path: impl AsRef<Path>, content: impl Into<Vec<u8>>) -> Result<()> {
        let path = inside(path.as_ref())?;
        self.put(path, Entry::Bytes(content.into()));
        Ok(())
    }

    /// A copy of a file of this machine, executable if that is.
    ///
    /// # Errors
    ///
    /// There is no such file; or as [`directory`](Self::directory).
    pub fn copy(&mut self, from: impl AsRef<Path>, path: impl AsRef<Path>) -> Result<()> {
        use std::os::unix::fs::PermissionsExt as _;
        let from = from.as_ref();
        let data = fs::metadata(from).doing(at("read", from))?;
        let path = inside(path.as_ref())?;
        let entry = Entry::Copy {
            from: from.to_owned(),
            mode: data.permissions().mode() & 0o777,
        };
        self.put(path, entry);
        Ok(())
    }

    /// A copy of a directory of this machine with everything in it that is a file or a directory.
    ///
    /// # Errors
    ///
    /// It cannot be read; or as [`directory`](Self::directory).
    pub fn tree(&mut self, from: impl AsRef<Path>, path: impl AsRef<Path>) -> Result<()> {
        let mut pending = vec![(from.as_ref().to_owned(), path.as_ref().to_owned())];
        while let Some((from, path)) = pending.pop() {
            self.directory(&path)?;
            for entry in fs::read_dir(&from).doing(at("list", &from))? {
                let entry = entry.doing(at("list", &from))?;
                let (from, path) = (entry.path(), path.join(entry.file_name()));
                let kind = entry.file_type().doing(at("read", &from))?;
                if kind.is_dir() {
                    pending.push((from, path));
                } else if kind.is_file() {
                    self.copy(from, path)?;
                }
            }
        }
        Ok(())
    }

    /// A symbolic link.
    ///
    /// # Errors
    ///
    /// As [`directory`](Self::directory).
    pub fn symlink(&mut self, path: impl AsRef<Path>, target: impl Into<PathBuf>) -> Result<()> {
        let path = inside(path.as_ref())?;
        self.put(path, Entry::Symlink(target.into()));
        Ok(())
    }

    fn put(&mut self, path: PathBuf, entry: Entry) {
        let parents = path
            .ancestors()
            .skip(1)
            .filter(|parent| !parent.as_os_str().is_empty());
        for parent in parents {
            self.entries.entry(parent.to_owned()).or_insert(Entry::Directory);
        }
        // A directory that is named again keeps what is in it: that stands beside it.
        self.entries.insert(path, entry);
    }

    /// Writes the archive. The same files make the same bytes.
    ///
    /// # Errors
    ///
    /// A file cannot be read, or `out` does not take it.
    pub fn write(&self, out: impl Write) -> Result<()> {
        let mut archive = Archive {
            out,
            written: 0,
            entries: 0,
        };
        let doing = || "write the files of a guest".to_owned();
        for (path, entry) in &self.entries {
            let name = path.as_os_str().as_encoded_bytes();
            let (mode, device, content) = match entry {
                Entry::Directory => (DIRECTORY | 0o755, (0, 0), Vec::new()),
                Entry::Bytes(content) => (FILE | 0o755, (0, 0), content.clone()),
                Entry::Copy { from, mode } => (FILE | mode, (0, 0), fs::read(from).doing(at("read", from))?),
                Entry::Symlink(target) => {
                    let target = target.as_os_str().as_encoded_bytes().to_vec();
                    (SYMLINK | 0o777, (0, 0), target)
                }
                Entry::Device { major, minor } => (CHARACTER_DEVICE | 0o600, (*major, *minor), Vec::new()),
            };
            archive.entry(name, mode, device, &content).doing(doing)?;
        }
        archive
            .entry(b"TRAILER!!!", 0, (0, 0), &[])
            .and_then(|()| archive.pad(512))
            .doing(doing)
    }
}

struct Archive<W> {
    out: W,
    written: usize,
    entries: u32,
}

impl<W: Write> Archive<W> {
    fn entry(&mut self, name: &[u8], mode: u32, device: (u32, u32), content: &[u8]) -> io::Result<()> {
        let too_large = |_| io::Error::new(io::ErrorKind::FileTooLarge, "a file of more than 4 GiB");
        self.entries += 1;
        let links = 1;
        let fields = [
            self.entries,
            mode,
            0, // owner
            0, // group
            links,
            0, // time
            u32::try_from(content.len()).map_err(too_large)?,
            0, // device it lies on
            0,
            device.0,
            device.1,
            u32::try_from(name.len() + 1).map_err(too_large)?,
            0, // checksum
        ];
        self.put(b"070701")?;
        for field in fields {
            self.put(format!("{field:08X}").as_bytes())?;
        }
        self.put(name)?;
        self.put(&[0])?;
        self.pad(4)?;
        self.put(content)?;
        self.pad(4)
    }

    fn pad(&mut self, unit: usize) -> io::Result<()> {
        let missing = self.written.next_multiple_of(unit) - self.written;
        self.put(&[0; 512][..missing])
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.written += bytes.len();
        self.out.write_all(bytes)
    }
}

/// A path in the guest, without the leading slash.
fn inside(path: &Path) -> Result<PathBuf> {
    let mut parts = PathBuf::new();
    for part in path.components() {
        match part {
            Component::RootDir | Component::CurDir => {}
            Component::Normal(name) => parts.push(name),
            Component::ParentDir | Component::Prefix(_) => parts = PathBuf::from(".."),
        }
    }
    if !path.is_absolute() || parts.as_os_str().is_empty() || parts.starts_with("..") {
        return Err(Error::BadPlan(format!(
            "{} is no absolute path in a guest",
            path.display()
        )));
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(scratch: &Path) -> Initramfs {
        let host = scratch.join("host");
        fs::create_dir_all(host.join("deep/er")).unwrap();
        fs::write(host.join("deep/er/file"), "text").unwrap();
        let mut files = Initramfs::new();
        files.tree(&host, "/copied").unwrap();
        files.bytes("/init", "#!/bin/true\n").unwrap();
        files.bytes("/empty", "").unwrap();
        files.symlink("/bin/sh", "busybox").unwrap();
        files.directory("/bin").unwrap();
        files
    }

    /// The archive holds what `cpio` finds in it, where there is one on this machine.
    #[test]
    fn others_read_it() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("archive");
        let mut bytes = Vec::new();
        sample(scratch.path()).write(&mut bytes).unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        for name in [
            "dev/console",
            "copied/deep/er/file",
            "bin/sh",
            "empty",
            "TRAILER!!!",
        ] {
            assert!(text.contains(&format!("{name}\0")), "{name}");
        }
        assert!(text.contains("#!/bin/true\n") && bytes.len() % 512 == 0);
        fs::write(&path, &bytes).unwrap();
        let cpio = std::process::Command::new("cpio")
            .args(["--list", "--verbose", "--quiet"])
            .stdin(fs::File::open(&path).unwrap())
            .output();
        let Ok(listing) = cpio else { return };
        let listing = String::from_utf8(listing.stdout).unwrap();
        let names: Vec<&str> = listing
            .lines()
            .filter_map(|line| Some(line.split_once("1970 ")?.1.trim()))
            .collect();
        let expected = [
            "bin",
            "bin/sh -> busybox",
            "copied",
            "copied/deep",
            "copied/deep/er",
            "copied/deep/er/file",
            "dev",
            "dev/console",
            "empty",
            "init",
        ];
        assert_eq!(names, expected, "{listing}");
    }

    #[test]
    fn the_same_files_make_the_same_bytes() {
        let scratch = tempfile::tempdir().unwrap();
        let (mut first, mut second) = (Vec::new(), Vec::new());
        sample(scratch.path()).write(&mut first).unwrap();
        sample(scratch.path()).write(&mut second).unwrap();
        assert_eq!(first, second);
    }

    #[test]
    fn paths_stay_inside() {
        let mut files = Initramfs::new();
        for bad in ["relative", "/", "/a/../../b", ""] {
            assert!(files.bytes(bad, "").is_err(), "{bad}");
        }
    }
}
