//! A room to try things in: a thread with namespaces of its own.

use std::{
    fs::{self, File},
    io,
    net::{IpAddr, UdpSocket},
    os::fd::{AsFd, BorrowedFd},
    panic,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    thread,
};

use netlink_packet_route::link::InfoKind;
use nix::{
    mount::{MsFlags, mount},
    net::if_::if_nametoindex,
    sched::{CloneFlags, unshare},
};

use crate::{leftovers, netlink};

/// Runs a test on a thread of its own, in a network namespace with nothing but loopback (which is up) and in a mount
/// namespace with a BPF file system. Both are gone when the test ends, however it ends; a panic goes on to the caller.
///
/// Threads that the test starts are in the same namespaces.
///
/// # Panics
///
/// If the room cannot be made: ask [`require!`](crate::require) for root first.
#[track_caller]
pub fn sandbox<R: Send>(test: impl FnOnce(&Room) -> R + Send) -> R {
    let directory = temporary_directory();
    let result = thread::scope(|scope| {
        let thread = thread::Builder::new().name(thread::current().name().unwrap_or("sandbox").to_owned());
        let handle = thread.spawn_scoped(scope, || {
            let room = Room::enter(&directory.0).unwrap();
            let result = test(&room);
            let left = leftovers::qdiscs();
            assert!(left.is_empty(), "this test leaves {}", left.join(", "));
            result
        });
        handle.unwrap().join()
    });
    match result {
        Ok(value) => value,
        Err(payload) => panic::resume_unwind(payload),
    }
}

/// Where a test of [`sandbox`] finds itself.
#[derive(Debug)]
pub struct Room {
    network: File,
    bpffs: PathBuf,
}

impl Room {
    /// Takes the calling thread out of the namespaces it shares with others.
    fn enter(directory: &Path) -> io::Result<Room> {
        unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS)?;
        // What is mounted from here on must not be seen outside.
        mount(
            None::<&str>,
            "/",
            None::<&str>,
            MsFlags::MS_REC | MsFlags::MS_PRIVATE,
            None::<&str>,
        )?;
        mount(
            Some("bpffs"),
            directory,
            Some("bpf"),
            MsFlags::empty(),
            None::<&str>,
        )?;
        netlink::set_up("lo")?;
        Ok(Room {
            network: File::open("/proc/thread-self/ns/net")?,
            bpffs: directory.to_path_buf(),
        })
    }

    /// The network namespace, for programs that attach to one.
    pub fn network(&self) -> BorrowedFd<'_> {
        self.network.as_fd()
    }

    /// The mount point of the BPF file system.
    pub fn bpffs(&self) -> &Path {
        &self.bpffs
    }

    /// The index of the loopback device.
    ///
    /// # Panics
    ///
    /// If it is called on a thread outside the room.
    pub fn loopback(&self) -> u32 {
        if_nametoindex("lo").unwrap()
    }

    /// Makes a pair of virtual Ethernet devices, both up, with addresses `10.9.8.1` and `10.9.8.2`, and returns their
    /// indexes.
    ///
    /// # Panics
    ///
    /// If the kernel refuses.
    pub fn veth(&self, name: &str, peer: &str) -> (u32, u32) {
        self.pair(InfoKind::Veth, name, peer)
    }

    /// As [`veth`](Self::veth), for the other kind of devices that come in pairs: `netkit`.
    ///
    /// # Panics
    ///
    /// If the kernel refuses.
    pub fn netkit(&self, name: &str, peer: &str) -> (u32, u32) {
        self.pair(InfoKind::Netkit, name, peer)
    }

    fn pair(&self, kind: InfoKind, name: &str, peer: &str) -> (u32, u32) {
        netlink::add_pair(kind, name, peer, None).unwrap();
        self.add_address(name, [10, 9, 8, 1], 24);
        self.add_address(peer, [10, 9, 8, 2], 24);
        (if_nametoindex(name).unwrap(), if_nametoindex(peer).unwrap())
    }

    /// Makes a pair of virtual Ethernet devices with so many queues each, both up, without addresses, and returns their indexes.
    ///
    /// # Panics
    ///
    /// If the kernel refuses.
    pub fn veth_with_queues(&self, name: &str, peer: &str, queues: u32) -> (u32, u32) {
        netlink::add_pair(InfoKind::Veth, name, peer, Some(queues)).unwrap();
        (if_nametoindex(name).unwrap(), if_nametoindex(peer).unwrap())
    }

    /// Gives a device an address in a network of so many bits.
    ///
    /// # Panics
    ///
    /// If the kernel refuses.
    pub fn add_address(&self, name: &str, address: impl Into<IpAddr>, prefix_len: u8) {
        netlink::add_address(name, address.into(), prefix_len).unwrap();
    }

    /// Changes how long packets of a device may be.
    ///
    /// # Panics
    ///
    /// If the kernel refuses.
    pub fn set_mtu(&self, name: &str, bytes: u32) {
        netlink::set_mtu(name, bytes).unwrap();
    }

    /// Removes a device.
    ///
    /// # Panics
    ///
    /// If the kernel refuses.
    pub fn remove(&self, name: &str) {
        netlink::remove(name).unwrap();
    }

    /// Whether a device has a queueing discipline of traffic control, `clsact` or `ingress`.
    ///
    /// # Panics
    ///
    /// If the kernel refuses.
    pub fn has_qdisc(&self, name: &str, kind: &str) -> bool {
        let index = if_nametoindex(name).unwrap();
        netlink::qdiscs().unwrap().contains(&(index, kind.to_owned()))
    }

    /// Removes a queueing discipline.
    ///
    /// # Panics
    ///
    /// If it is not there.
    pub fn remove_qdisc(&self, name: &str, kind: &str) {
        netlink::remove_qdisc(name, kind).unwrap();
    }

    /// Sends datagrams of `size` bytes to a port of loopback where nobody listens to what they say; they have arrived when
    /// this returns.
    ///
    /// # Panics
    ///
    /// If one cannot be sent.
    pub fn send(&self, port: u16, count: usize, size: usize) {
        let listener = UdpSocket::bind(("127.0.0.1", port)).unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let (datagram, mut buffer) = (vec![0x5a; size], vec![0; size + 1]);
        for _ in 0..count {
            assert_eq!(socket.send_to(&datagram, ("127.0.0.1", port)).unwrap(), size);
            listener.recv(&mut buffer).unwrap();
        }
    }
}

/// An empty directory that is removed with the value.
struct TemporaryDirectory(PathBuf);

fn temporary_directory() -> TemporaryDirectory {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("bpfld-test-{}-{number}", std::process::id()));
    fs::create_dir_all(&path).unwrap();
    TemporaryDirectory(path)
}

impl Drop for TemporaryDirectory {
    fn drop(&mut self) {
        // The mount went with the thread's namespace; the directory below it is empty.
        let _ = fs::remove_dir(&self.0);
    }
}
