//! What a test leaves behind: nothing, or it fails.
//!
//! A kernel object lives for as long as something holds it: a descriptor, a mapping, a pin, or what it is attached to. So these are
//! what is looked at: of each test by itself its descriptors, as it has a table of them of its own; what cannot be told apart by test
//! whenever no test runs. Namespaces and control groups of tests go with all that is in them; that they go is looked at, too.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    sync::{Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    thread,
};

use bpfld_features::{Capabilities, Capability};
use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
};

use crate::{alone::is_alone, netlink};

/// Held by a test from beginning to end: [`require!`](crate::require) does that.
#[derive(Debug)]
pub struct Leftovers {
    descriptors: BTreeSet<String>,
    /// Given back last.
    _turn: Turn,
}

/// Tests run side by side, except one that opens what others have: until it closes that again, what they have let go of stays.
static TURNS: RwLock<()> = RwLock::new(());

#[derive(Debug)]
enum Turn {
    Beside(#[expect(dead_code, reason = "held, not read")] RwLockReadGuard<'static, ()>),
    Alone(#[expect(dead_code, reason = "held, not read")] RwLockWriteGuard<'static, ()>),
}

/// How many tests run, and what was there before the first of them.
static RUNNING: Mutex<(usize, BTreeSet<String>)> = Mutex::new((0, BTreeSet::new()));

impl Leftovers {
    /// Looks at what is there now.
    ///
    /// From here on the calling thread has a table of descriptors of its own, which it shares with threads that it starts, unless the test
    /// is [`alone`](crate::alone). So nothing that tests share may hold descriptors.
    ///
    /// # Panics
    ///
    /// If something cannot be looked at.
    #[must_use = "it looks again when dropped"]
    pub fn watch() -> Leftovers {
        Leftovers::in_turn(Turn::Beside(TURNS.read().unwrap_or_else(PoisonError::into_inner)))
    }

    /// As [`watch`](Self::watch), while no other test runs in this process.
    ///
    /// # Panics
    ///
    /// If something cannot be looked at.
    #[must_use = "it looks again when dropped"]
    pub fn watch_alone() -> Leftovers {
        Leftovers::in_turn(Turn::Alone(TURNS.write().unwrap_or_else(PoisonError::into_inner)))
    }

    fn in_turn(turn: Turn) -> Leftovers {
        if !is_alone() {
            unshare(CloneFlags::CLONE_FILES).unwrap();
        }
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        if running.0 == 0 {
            running.1 = shared();
        }
        running.0 += 1;
        Leftovers {
            descriptors: descriptors(),
            _turn: turn,
        }
    }

    fn found(&self) -> Vec<String> {
        let mut found: Vec<_> = descriptors().difference(&self.descriptors).cloned().collect();
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        running.0 -= 1;
        if running.0 == 0 {
            found.extend(shared().difference(&running.1).cloned());
        }
        found
    }
}

/// Looks again.
impl Drop for Leftovers {
    fn drop(&mut self) {
        let found = self.found();
        if found.is_empty() {
            return;
        }
        let message = format!(
            "this test, or one that ran beside it, leaves {}",
            found.join(", ")
        );
        assert!(thread::panicking(), "{message}");
        #[expect(clippy::print_stderr, reason = "the test has failed, and this is part of how")]
        {
            eprintln!("{message}");
        }
    }
}

/// What the descriptors of this thread are open to.
fn descriptors() -> BTreeSet<String> {
    let numbers: Vec<_> = fs::read_dir("/proc/thread-self/fd")
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    // Gone meanwhile: the list itself.
    let open = |path: &std::path::PathBuf| {
        let target = fs::read_link(path).ok()?;
        let number = path.file_name()?.to_string_lossy().into_owned();
        let target = target.to_string_lossy();
        // Of what another thread had open when the table was copied, the name may go meanwhile.
        let name = target.trim_end_matches(" (deleted)");
        Some(format!("descriptor {number} of {name}"))
    };
    numbers.iter().filter_map(open).collect()
}

/// What threads do not have for themselves: of this process, and of the machine outside of rooms.
fn shared() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    found.extend(
        maps.lines()
            .filter(|line| line.contains(" anon_inode:"))
            .map(|line| format!("mapping {line}")),
    );
    let own = format!("bpfld-test-{}-", std::process::id());
    let mut directory = |what: &str, path: &Path, starts: &str| {
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        found.extend(
            names
                .filter(|name| name.starts_with(starts))
                .map(|name| format!("{what} {name}")),
        );
    };
    directory("directory", &std::env::temp_dir(), &own);
    directory("pin", Path::new("/sys/fs/bpf"), "");
    if let Ok(groups) = crate::cgroup::own() {
        directory("control group", &groups, &own);
    }
    found.extend(qdiscs());
    found.extend(events_elsewhere());
    found
}

/// The queueing disciplines for programs in this network namespace.
pub(crate) fn qdiscs() -> Vec<String> {
    netlink::qdiscs()
        .unwrap()
        .into_iter()
        .filter(|(_, kind)| kind == "clsact" || kind == "ingress")
        .map(|(index, kind)| format!("queueing discipline {kind} of interface {index}"))
        .collect()
}

/// The events of [`own_events`], seen from a thread that can mount what is needed to see them.
fn events_elsewhere() -> Vec<String> {
    if Capabilities::effective().is_some_and(|own| !own.has(Capability::SYS_ADMIN)) {
        return Vec::new();
    }
    thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(None::<&str>, "/", None::<&str>, private, None::<&str>).unwrap();
        mount_tracefs();
        own_events()
    })
    .join()
    .unwrap()
}

/// Mounts tracefs where it belongs, for this thread in its room, unless it is there or this kernel has none.
///
/// # Panics
///
/// If the kernel refuses.
pub fn mount_tracefs() {
    let mounted = mount(
        Some("tracefs"),
        "/sys/kernel/tracing",
        Some("tracefs"),
        MsFlags::empty(),
        None::<&str>,
    );
    let expected = [nix::Error::EBUSY, nix::Error::ENODEV, nix::Error::ENOENT];
    assert!(
        mounted.is_ok() || expected.contains(&mounted.unwrap_err()),
        "{mounted:?}"
    );
}

/// The probes that this process has in tracefs, which [`mount_tracefs`] makes visible.
#[must_use]
pub fn own_events() -> Vec<String> {
    let own = format!("bpfld_{}/", std::process::id());
    // A kernel without such probes has no such list.
    let list = |file: &str| fs::read_to_string(format!("/sys/kernel/tracing/{file}")).unwrap_or_default();
    let lists = list("uprobe_events") + &list("kprobe_events");
    lists
        .lines()
        .filter(|line| line.contains(&own))
        .map(|line| format!("event {line}"))
        .collect()
}
