//! The rooms themselves: what happens inside stays inside.

use std::{fs, net::UdpSocket, panic};

use bpfld_tests::{Cgroup, Need, require, sandbox};

fn mounts() -> String {
    fs::read_to_string("/proc/thread-self/mounts").unwrap()
}

#[test]
fn a_room_has_its_own_network_and_bpffs() {
    require!(Need::Root);
    let (network, path) = sandbox(|room| {
        let devices = fs::read_to_string("/proc/thread-self/net/dev").unwrap();
        assert_eq!(devices.lines().skip(2).count(), 1, "{devices}");
        assert_eq!(room.loopback(), 1);
        room.send(9, 3, 100);
        let (a, b) = room.veth("left", "right");
        assert!(a != b && a > 1 && b > 1);
        UdpSocket::bind("10.9.8.2:0").unwrap();
        let path = room.bpffs().to_path_buf();
        fs::create_dir(path.join("inside")).unwrap();
        assert!(mounts().contains(path.to_str().unwrap()));
        (fs::read_link("/proc/thread-self/ns/net").unwrap(), path)
    });
    assert_ne!(network, fs::read_link("/proc/thread-self/ns/net").unwrap());
    assert!(!mounts().contains(path.to_str().unwrap()));
    assert!(!path.exists());
}

#[test]
fn a_panic_leaves_nothing() {
    require!(Need::Root);
    let mut path = None;
    let result = panic::catch_unwind(panic::AssertUnwindSafe(|| {
        sandbox(|room| {
            path = Some(room.bpffs().to_path_buf());
            panic!("as a failed test does");
        })
    }));
    let payload = result.unwrap_err();
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"as a failed test does"));
    assert!(!path.unwrap().exists());
}

#[test]
fn a_control_group_comes_and_goes() {
    require!(Need::Root);
    let cgroup = Cgroup::new().unwrap();
    let path = cgroup.path().to_path_buf();
    let own = || fs::read_to_string("/proc/thread-self/cgroup").unwrap();
    let name = path.file_name().unwrap().to_str().unwrap().to_owned();
    cgroup.run(|| assert!(own().contains(&name)));
    assert!(!own().contains(&name));
    drop(cgroup);
    assert!(!path.exists());
}
