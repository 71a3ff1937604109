//! Which processes hold which maps, programs and links.

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    path::{Path, PathBuf},
};

/// The processes that have descriptors of BPF objects open, as /proc tells.
///
/// What a thread has in a table of descriptors of its own, not shared with its process, is not seen.
///
/// ```no_run
/// use bpfld::{Map, Owners};
///
/// let owners = Owners::read()?;
/// for map in Map::all() {
///     let map = map?;
///     let processes: Vec<String> = owners.of_map(map.info()?.id()).iter().map(ToString::to_string).collect();
///     println!("{}: {}", map.name(), processes.join(", "));
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Owners {
    maps: Holders,
    programs: Holders,
    links: Holders,
}

type Holders = BTreeMap<u32, Vec<Process>>;

/// A process, by number and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Process {
    /// Number of the process.
    pub pid: u32,
    /// Its name, at most 15 characters.
    pub name: String,
}

impl Owners {
    /// Looks at the descriptors of all processes that this one may look at.
    ///
    /// # Errors
    ///
    /// When /proc cannot be read. Processes that go meanwhile, or may not be looked at, are left out.
    pub fn read() -> io::Result<Self> {
        let mut owners = Self::default();
        for entry in fs::read_dir("/proc")? {
            let entry = entry?;
            let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
            if let Some(pid) = pid {
                owners.process(pid, &entry.path());
            }
        }
        Ok(owners)
    }

    /// The processes that hold the map with an id.
    #[must_use]
    pub fn of_map(&self, id: u32) -> &[Process] {
        self.maps.get(&id).map_or(&[], Vec::as_slice)
    }

    /// The processes that hold the program with an id.
    #[must_use]
    pub fn of_program(&self, id: u32) -> &[Process] {
        self.programs.get(&id).map_or(&[], Vec::as_slice)
    }

    /// The processes that hold the link with an id.
    #[must_use]
    pub fn of_link(&self, id: u32) -> &[Process] {
        self.links.get(&id).map_or(&[], Vec::as_slice)
    }

    fn process(&mut self, pid: u32, directory: &Path) {
        // What cannot be read is gone, or not ours to see.
        let Ok(descriptors) = fs::read_dir(directory.join("fd")) else {
            return;
        };
        let mut name = None;
        for descriptor in descriptors.flatten() {
            // Links to "anon_inode:bpf-map" and the like; only these have more to say.
            let is_bpf = fs::read_link(descriptor.path()).is_ok_and(|target| is_bpf(&target));
            if !is_bpf {
                continue;
            }
            let Ok(info) = fs::read_to_string(directory.join("fdinfo").join(descriptor.file_name())) else {
                continue;
            };
            let Some((kind, id)) = identify(&info) else {
                continue;
            };
            let holders = match kind {
                "link_id" => &mut self.links,
                "map_id" => &mut self.maps,
                _ => &mut self.programs,
            };
            let name = name.get_or_insert_with(|| comm(directory));
            let holders = holders.entry(id).or_default();
            if holders.last().is_none_or(|last| last.pid != pid) {
                holders.push(Process {
                    pid,
                    name: name.clone(),
                });
            }
        }
    }
}

/// Whether a descriptor is one of bpf(2).
fn is_bpf(target: &Path) -> bool {
    let target = target.as_os_str().as_encoded_bytes();
    target.starts_with(b"anon_inode:bpf") || target.starts_with(b"anon_inode:[bpf")
}

/// What a descriptor is of. A link tells of its program too, so that its own id counts first.
fn identify(info: &str) -> Option<(&'static str, u32)> {
    let find = |key: &'static str| {
        let mut fields = info.lines().filter_map(|line| line.split_once(':'));
        let (_, id) = fields.find(|(name, _)| *name == key)?;
        Some((key, id.trim().parse().ok()?))
    };
    find("link_id")
        .or_else(|| find("map_id"))
        .or_else(|| find("prog_id"))
}

fn comm(directory: &Path) -> String {
    let path: PathBuf = directory.join("comm");
    fs::read(path).map_or_else(
        |_| "?".into(),
        |name| String::from_utf8_lossy(name.trim_ascii()).into_owned(),
    )
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name, self.pid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_tell_what_they_are_of() {
        let map = "pos:\t0\nflags:\t02000002\nmap_type:\t1\nmap_id:\t17\nfrozen:\t0\n";
        assert_eq!(identify(map), Some(("map_id", 17)));
        let link = "pos:\t0\nlink_type:\txdp\nlink_id:\t3\nprog_tag:\tabc\nprog_id:\t9\nifindex:\t1\n";
        assert_eq!(identify(link), Some(("link_id", 3)));
        assert_eq!(identify("prog_id:\t9\n"), Some(("prog_id", 9)));
        assert_eq!(identify("pos:\t0\nmap_id:\tx\n"), None);
        assert!(is_bpf(Path::new("anon_inode:bpf-map")) && is_bpf(Path::new("anon_inode:[bpf-link]")));
        assert!(!is_bpf(Path::new("anon_inode:[eventpoll]")) && !is_bpf(Path::new("/bpf-map")));
    }
}
