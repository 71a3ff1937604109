//! A control group for a test.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

/// A control group (version 2) below the one this process is in; removed with the value.
///
/// It is a threaded one, so that single threads can be in it and tests do not disturb each other.
#[derive(Debug)]
pub struct Cgroup {
    path: PathBuf,
    parent: PathBuf,
}

impl Cgroup {
    /// Makes a new, empty control group.
    ///
    /// # Errors
    ///
    /// No file system of version 2 is mounted, or the rights are missing.
    pub fn new() -> io::Result<Cgroup> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let parent = own()?;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("bpfld-test-{}-{number}", std::process::id()));
        Cgroup::at(path, parent)
    }

    /// Makes a control group inside this one.
    ///
    /// # Errors
    ///
    /// There is one already.
    pub fn child(&self) -> io::Result<Cgroup> {
        Cgroup::at(self.path.join("child"), self.path.clone())
    }

    fn at(path: PathBuf, parent: PathBuf) -> io::Result<Cgroup> {
        fs::create_dir(&path)?;
        let cgroup = Cgroup { path, parent };
        fs::write(cgroup.path.join("cgroup.type"), "threaded")?;
        Ok(cgroup)
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The group's id, as programs get it from `bpf_get_current_cgroup_id`.
    ///
    /// # Panics
    ///
    /// If the directory is gone.
    pub fn id(&self) -> u64 {
        std::os::unix::fs::MetadataExt::ino(&fs::metadata(&self.path).unwrap())
    }

    /// Runs a closure with the calling thread inside the group, and takes it out again, also when the closure panics.
    ///
    /// # Panics
    ///
    /// If the thread cannot be moved.
    pub fn run<R>(&self, inside: impl FnOnce() -> R) -> R {
        fs::write(self.path.join("cgroup.threads"), "0").unwrap();
        let _back = Back(&self.parent);
        inside()
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir(&self.path)
            && !std::thread::panicking()
        {
            panic!("control group {} stays behind: {error}", self.path.display());
        }
    }
}

/// Takes the calling thread back when dropped.
struct Back<'a>(&'a Path);

impl Drop for Back<'_> {
    fn drop(&mut self) {
        let result = fs::write(self.0.join("cgroup.threads"), "0");
        if !std::thread::panicking() {
            result.unwrap();
        }
    }
}

/// The directory of the group this process is in.
pub(crate) fn own() -> io::Result<PathBuf> {
    let missing = |what: &str| io::Error::new(io::ErrorKind::NotFound, what.to_owned());
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let mount = mounts
        .lines()
        .filter_map(|line| line.split(' ').nth(1).zip(line.split(' ').nth(2)))
        .find_map(|(path, kind)| (kind == "cgroup2").then_some(path))
        .ok_or_else(|| missing("no cgroup2 file system is mounted"))?;
    let groups = fs::read_to_string("/proc/self/cgroup")?;
    let own = groups
        .lines()
        .find_map(|line| line.strip_prefix("0::/"))
        .ok_or_else(|| missing("this process is in no control group of version 2"))?;
    Ok(Path::new(mount).join(own))
}
