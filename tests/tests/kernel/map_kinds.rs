//! Maps that hold things: maps, programs, devices, sockets, control groups, storage.

use std::{
    fs::File,
    net::{TcpListener, TcpStream, UdpSocket},
    os::fd::AsFd,
};

use bpfld::{
    Arena, Array, ArrayOfMaps, AttachType, CgroupArray, CgroupStorage, CgrpStorage, CpuMap, DevMap,
    DevMapHash, Errno, Hash, HashOfMaps, InodeStorage, InsnArray, Map, MapType, PerCpuArray,
    PerCpuCgroupStorage, PerCpuHash, Program, ProgramType, ResizableHash, ReuseportArray, SkStorage,
    SockHash, SockMap, TaskStorage, XskMap,
};
use bpfld_sys::plain::CgroupStorageKey;
use bpfld_tests::{Cgroup, Need, require, sandbox};

use crate::{
    counter::{exit, mov, since},
    fixtures::load,
};

#[test]
fn maps_of_maps() {
    require!(Need::Root, Need::Linux(4, 13));
    let inner = Array::<u64>::create("inner", 8).unwrap();
    let outer = Map::builder(MapType::ARRAY_OF_MAPS, "outer")
        .key_size(4)
        .value_size(4);
    let outer = outer.max_entries(4).inner(inner.map()).create().unwrap();
    let outer: ArrayOfMaps = outer.try_into().unwrap();
    inner.set(3, &33).unwrap();
    outer.set(1, &inner).unwrap();
    let id = inner.map().info().unwrap().id();
    assert_eq!((outer.id(0).unwrap(), outer.id(1).unwrap()), (None, Some(id)));
    let again: Array<u64> = outer.get_as(1).unwrap().unwrap();
    assert_eq!(again.get(3).unwrap(), Some(33));
    assert!(outer.get_as::<Hash<u32, u64>>(1).is_err());
    assert!(outer.get_as::<Array<u64>>(0).unwrap().is_none());
    // Two maps take turns.
    let other = Array::<u64>::create("other", 8).unwrap();
    outer.set(1, &other).unwrap();
    assert_eq!(outer.id(1).unwrap(), Some(other.map().info().unwrap().id()));
    let unlike = Hash::<u32, u64>::create("unlike", 8).unwrap();
    assert_eq!(outer.set(2, &unlike).unwrap_err().errno(), Some(Errno::EINVAL));
    assert_eq!(outer.set(4, &inner).unwrap_err().errno(), Some(Errno::E2BIG));
    assert_eq!(outer.ids().map(Result::unwrap).count(), 1);
    assert!(outer.clear(1).unwrap() && !outer.clear(1).unwrap());

    let inner = Hash::<u32, u64>::create("inner", 8).unwrap();
    let outer = Map::builder(MapType::HASH_OF_MAPS, "outer")
        .key_size(8)
        .value_size(4);
    let outer = outer.max_entries(4).inner(inner.map()).create().unwrap();
    assert!(HashOfMaps::<u32>::try_from(&outer).is_err());
    let outer: HashOfMaps<u64> = outer.try_into().unwrap();
    outer.insert(&700, &inner).unwrap();
    inner.insert(&1, &11).unwrap();
    let again: Hash<u32, u64> = outer.get_as(&700).unwrap().unwrap();
    assert_eq!(again.get(&1).unwrap(), Some(11));
    let id = inner.map().info().unwrap().id();
    assert_eq!(outer.ids().map(Result::unwrap).collect::<Vec<_>>(), [(700, id)]);
    assert!(outer.get(&701).unwrap().is_none());
    assert!(outer.remove(&700).unwrap() && !outer.remove(&700).unwrap());
}

#[test]
fn maps_of_devices_and_cpus() {
    require!(Need::Root, Need::Linux(5, 8));
    sandbox(|room| {
        let lo = room.loopback();
        let code = [mov(0, 2), exit()];
        let program = Program::builder(ProgramType::XDP, "pass", &code);
        let program = program.attach_type(AttachType::XDP_DEVMAP).load().unwrap();
        let id = program.info().unwrap().id();
        let array = DevMap::create("devices", 4).unwrap();
        array.set(0, lo, None).unwrap();
        array.set(2, lo, Some(&program)).unwrap();
        let port = array.get(0).unwrap().unwrap();
        assert_eq!((port.ifindex, port.program), (lo, None));
        assert_eq!(array.get(2).unwrap().unwrap().program, Some(id));
        assert_eq!((array.get(1).unwrap(), array.get(4).unwrap()), (None, None));
        let places: Vec<u32> = array.iter().map(|slot| slot.unwrap().0).collect();
        assert_eq!(places, [0, 2]);
        array.clear(0).unwrap();
        assert_eq!(array.get(0).unwrap(), None);

        let hash = DevMapHash::create("devices", 4).unwrap();
        hash.set(77, lo, Some(&program)).unwrap();
        let found: Vec<_> = hash.iter().map(Result::unwrap).collect();
        assert_eq!((found[0].0, found[0].1.ifindex, found.len()), (77, lo, 1));
        assert!(hash.clear(77).unwrap() && !hash.clear(77).unwrap());
        assert!(hash.set(1, 0x7fff_0000, None).is_err());

        // Without room for programs.
        let narrow = Map::builder(MapType::DEVMAP, "narrow").key_size(4).value_size(4);
        let narrow: DevMap = narrow.max_entries(1).create().unwrap().try_into().unwrap();
        narrow.set(0, lo, None).unwrap();
        assert_eq!(narrow.get(0).unwrap().unwrap().program, None);
        let error = narrow.set(0, lo, Some(&program)).unwrap_err().to_string();
        assert!(error.contains("without room for programs"), "{error}");

        let cpus = CpuMap::create("cpus", 1).unwrap();
        cpus.set(0, 64, None).unwrap();
        let queue = cpus.get(0).unwrap().unwrap();
        assert_eq!((queue.size, queue.program), (64, None));
        assert_eq!(cpus.iter().count(), 1);
        cpus.clear(0).unwrap();
        assert_eq!(cpus.iter().count(), 0);

        let sockets = XskMap::create("xsk", 2).unwrap();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        assert_eq!(sockets.set(0, &udp).unwrap_err().errno(), Some(Errno::EOPNOTSUPP));
    });
}

#[test]
fn maps_of_sockets() {
    require!(Need::Root, Need::Linux(5, 8));
    sandbox(|_| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let array = SockMap::create("sockets", 2).unwrap();
        array.set(1, &client).unwrap();
        let cookie = array.cookie(1).unwrap().unwrap();
        assert_ne!(cookie, 0);
        assert_eq!(array.cookie(0).unwrap(), None);
        assert!(array.clear(1).unwrap() && !array.clear(1).unwrap());
        assert!(array.set(0, File::open("/dev/null").unwrap()).is_err());

        let hash = SockHash::<[u8; 6]>::create("sockets", 2).unwrap();
        hash.insert(b"client", &client).unwrap();
        assert_eq!(hash.cookie(b"client").unwrap(), Some(cookie));
        assert!(hash.remove(b"client").unwrap() && !hash.remove(b"client").unwrap());
        assert!(SockHash::<u64>::try_from(hash.map()).is_err());

        let udp = reusable();
        let group = ReuseportArray::create("group", 2).unwrap();
        group.set(0, &udp).unwrap();
        assert!(group.cookie(0).unwrap().is_some());
        assert_eq!(group.cookie(1).unwrap(), None);
        assert!(group.clear(0).unwrap() && !group.clear(0).unwrap());
    });
}

/// A socket on a port that others may share.
fn reusable() -> std::os::fd::OwnedFd {
    use nix::sys::socket::{
        AddressFamily, SockFlag, SockType, SockaddrIn, bind, setsockopt, socket, sockopt::ReusePort,
    };
    let socket = socket(
        AddressFamily::Inet,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        None,
    )
    .unwrap();
    setsockopt(&socket, ReusePort, &true).unwrap();
    bind(
        std::os::fd::AsRawFd::as_raw_fd(&socket),
        &SockaddrIn::new(127, 0, 0, 1, 0),
    )
    .unwrap();
    socket
}

#[test]
fn storage_of_sockets_tasks_inodes_and_cgroups() {
    require!(Need::Root, Need::Linux(6, 2));
    let loaded = load("maps");
    sandbox(|_| {
        let sockets: SkStorage<u64> = loaded.map("sk_storage").unwrap().try_into().unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        assert_eq!(sockets.get(&socket).unwrap(), None);
        sockets.set(&socket, &7).unwrap();
        assert_eq!(sockets.get(&socket).unwrap(), Some(7));
        assert!(sockets.remove(&socket).unwrap() && !sockets.remove(&socket).unwrap());
        assert!(sockets.get(File::open("/dev/null").unwrap()).is_err());
    });
    let tasks: TaskStorage<u64> = loaded.map("task_storage").unwrap().try_into().unwrap();
    let task = pidfd();
    tasks.set(&task, &8).unwrap();
    assert_eq!(tasks.get(&task).unwrap(), Some(8));
    assert!(tasks.remove(&task).unwrap());

    let cgroup = Cgroup::new().unwrap();
    let directory = File::open(cgroup.path()).unwrap();
    let groups: CgrpStorage<u64> = loaded.map("cgrp_storage").unwrap().try_into().unwrap();
    groups.set(&directory, &9).unwrap();
    assert_eq!(groups.get(directory.as_fd()).unwrap(), Some(9));
    assert!(groups.remove(&directory).unwrap());
    assert!(CgrpStorage::<u32>::try_from(loaded.map("cgrp_storage").unwrap()).is_err());

    // Attached storage is there only where a program is attached.
    let mut key = CgroupStorageKey::default();
    key.cgroup_inode_id = 1;
    key.attach_type = AttachType::CGROUP_INET_EGRESS;
    let attached: CgroupStorage<u64> = loaded.map("cgroup_storage").unwrap().try_into().unwrap();
    assert_eq!(attached.get(&key).unwrap(), None);
    let attached: PerCpuCgroupStorage<u64> = loaded.map("percpu_cgroup_storage").unwrap().try_into().unwrap();
    assert_eq!(attached.get(&key).unwrap(), None);

    let array = CgroupArray::create("groups", 2).unwrap();
    array.set(0, &directory).unwrap();
    assert!(array.clear(0).unwrap() && !array.clear(0).unwrap());
    assert_eq!(
        array
            .set(0, File::open("/dev/null").unwrap())
            .unwrap_err()
            .errno(),
        Some(Errno::EBADF)
    );
}

#[test]
fn storage_of_inodes() {
    require!(Need::Root, Need::Linux(5, 10), Need::Config("CONFIG_BPF_LSM"));
    let loaded = load("maps");
    let inodes: InodeStorage<u64> = loaded.map("inode_storage").unwrap().try_into().unwrap();
    let file = tempfile::tempfile().unwrap();
    inodes.set(&file, &9).unwrap();
    assert_eq!(inodes.get(&file).unwrap(), Some(9));
    assert!(inodes.remove(&file).unwrap() && !inodes.remove(&file).unwrap());
}

/// Flags of `bpf_get_stackid`: the user's stack; a trace may take the place of another.
/// A descriptor of this process.
fn pidfd() -> std::os::fd::OwnedFd {
    rustix::process::pidfd_open(rustix::process::getpid(), rustix::process::PidfdFlags::empty()).unwrap()
}

#[test]
fn values_of_one_cpu() {
    require!(Need::Root);
    let cpus = bpfld_sys::possible_cpus().unwrap();
    let map = PerCpuHash::<u32, [u8; 5]>::create("one_cpu", 4).unwrap();
    assert_eq!(map.get_on(0, &7).unwrap(), None);
    map.set_all(&7, b"every").unwrap();
    for cpu in 0..cpus {
        assert_eq!(map.get_on(cpu, &7).unwrap(), Some(*b"every"));
    }
    assert_eq!(map.get_on(cpus, &7).unwrap(), None);
    let array = PerCpuArray::<u64>::create("one_cpu", 2).unwrap();
    array.set_all(1, &9).unwrap();
    assert_eq!(array.get_on(0, 1).unwrap(), Some(9));
    if since(7, 0) {
        array.set_on(0, 1, &10).unwrap();
        map.set_on(cpus - 1, &7, b"alone").unwrap();
        assert_eq!(map.get_on(cpus - 1, &7).unwrap(), Some(*b"alone"));
        assert_eq!(
            (array.get_on(0, 1).unwrap(), array.get(1).unwrap().unwrap()[0]),
            (Some(10), 10)
        );
        assert_eq!(
            array.set_on(cpus, 1, &1).unwrap_err().errno(),
            Some(Errno::ERANGE)
        );
    } else {
        let error = array.set_on(0, 1, &10).unwrap_err().to_string();
        assert!(error.contains("7.0"), "{error}");
    }
}

#[test]
fn places_of_instructions() {
    require!(Need::Root, Need::Linux(6, 19));
    let places = InsnArray::create("places", 2).unwrap();
    places.set(0, 0).unwrap();
    places.set(1, 3).unwrap();
    let place = places.get(1).unwrap().unwrap();
    assert_eq!((place.original, places.get(2).unwrap()), (3, None));
    assert_eq!(places.set(2, 0).unwrap_err().errno(), Some(Errno::E2BIG));
}

#[test]
fn hashes_that_grow() {
    require!(Need::Root, Need::Linux(7, 2));
    let map = ResizableHash::<u32, u64>::create("grows", 100_000).unwrap();
    let keys: Vec<u32> = (0..50_000).collect();
    let values: Vec<u64> = keys.iter().map(|key| u64::from(*key) * 2).collect();
    map.insert_batch(&keys, &values, bpfld::ElemFlags::empty())
        .unwrap();
    assert_eq!(map.get(&49_999).unwrap(), Some(99_998));
    // While it still grows, elements may be missed.
    crate::counter::eventually(|| {
        let mut seen: Vec<u32> = map.keys().map(Result::unwrap).collect();
        seen.sort_unstable();
        seen.dedup();
        seen == keys
    });
    assert_eq!(map.take(&7).unwrap(), Some(14));

    // While another thread takes elements away, among them the one where the kernel would have gone on.
    std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            for key in (8..50_000).step_by(2) {
                assert!(map.remove(&key).unwrap());
            }
        });
        while !other.is_finished() {
            assert!(
                map.iter()
                    .map(Result::unwrap)
                    .all(|(key, value)| value == u64::from(key) * 2)
            );
        }
    });
    // It shrinks behind, and so may miss some at first.
    let left = 50_000 - 1 - (50_000 - 8) / 2;
    let mut drained = 0;
    crate::counter::eventually(|| {
        drained += map.drain().map(Result::unwrap).count();
        assert!(drained <= left, "{drained} of {left}");
        drained == left
    });
    assert!(map.iter().next().is_none());
}

#[test]
fn memory_of_an_arena() {
    require!(Need::Root, Need::Linux(6, 9));
    let arena = Arena::create("arena", 4).unwrap();
    let start = arena.address().unwrap();
    arena.write(start + 4096, &7u64).unwrap();
    assert_eq!(arena.read::<u64>(start + 4096).unwrap(), 7);
    // Programs' pointers may lack the upper half.
    assert_eq!(arena.read::<u64>((start + 4096) & 0xffff_ffff).unwrap(), 7);
    let pages = 4 * bpfld_sys::mmap::page_size() as u64;
    for outside in [start + pages, start + pages - 4, start.wrapping_sub(8), 0] {
        let error = arena.read::<u64>(outside).unwrap_err().to_string();
        assert!(error.contains("outside") || error.contains("beyond"), "{error}");
    }
}
