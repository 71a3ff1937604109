//! Makes a usable system of a kernel that has just started: mounts, modules, loopback.

use std::{
    fs::{self, File},
    io,
    os::{
        fd::{AsRawFd as _, OwnedFd},
        unix::fs::PermissionsExt as _,
    },
    path::PathBuf,
};

use nix::{
    errno::Errno,
    kmod::{ModuleInitFlags, finit_module},
    libc,
    mount::{MsFlags, mount},
    sys::socket::{
        AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket,
    },
};

use crate::plan::MODULES;

/// File systems, in order, and whether a kernel may lack them.
const MOUNTS: [(&str, &str, bool); 10] = [
    ("proc", "/proc", false),
    ("sysfs", "/sys", false),
    ("devtmpfs", "/dev", false),
    ("devpts", "/dev/pts", true),
    ("tmpfs", "/dev/shm", false),
    ("bpf", "/sys/fs/bpf", true),
    ("cgroup2", "/sys/fs/cgroup", true),
    ("tracefs", "/sys/kernel/tracing", true),
    ("debugfs", "/sys/kernel/debug", true),
    ("securityfs", "/sys/kernel/security", true),
];

pub(super) fn mount_all() -> io::Result<()> {
    for (kind, target, may_lack) in MOUNTS {
        let made = fs::create_dir_all(target).and_then(|()| {
            let none = None::<&str>;
            Ok(mount(Some(kind), target, Some(kind), MsFlags::empty(), none)?)
        });
        match made {
            Ok(()) => {}
            Err(_) if may_lack => {}
            // Kernels may be built to mount it by themselves.
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {}
            Err(error) => return Err(error),
        }
    }
    // No mount there: programs to run may lie in it.
    fs::create_dir_all("/tmp")?;
    fs::set_permissions("/tmp", fs::Permissions::from_mode(0o1777))
}

/// Inserts all modules, each after those it depends on. Returns what did not go in.
pub(super) fn insert_modules() -> io::Result<Vec<String>> {
    let mut left = Vec::new();
    match fs::read_dir(MODULES) {
        Ok(entries) => {
            for entry in entries {
                left.push(Module::read(entry?.path())?);
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    left.sort_by(|one, other| one.name.cmp(&other.name));
    let mut notes = Vec::new();
    while !left.is_empty() {
        let names: Vec<String> = left.iter().map(|module| module.name.clone()).collect();
        let waits = |module: &Module| module.needs.iter().any(|need| names.contains(need));
        // If each waits for another, none is held back.
        let all_wait = left.iter().all(waits);
        let (ready, rest): (Vec<_>, Vec<_>) = left.into_iter().partition(|module| all_wait || !waits(module));
        for Module { name, path, .. } in ready {
            match finit_module(File::open(&path)?, c"", ModuleInitFlags::empty()) {
                Ok(()) | Err(Errno::EEXIST) => {}
                Err(errno) => notes.push(format!("module {name} does not go in: {errno}")),
            }
        }
        left = rest;
    }
    Ok(notes)
}

struct Module {
    name: String,
    path: PathBuf,
    needs: Vec<String>,
}

impl Module {
    /// What a module needs stands in it as plain text.
    fn read(path: PathBuf) -> io::Result<Module> {
        const MARK: &[u8] = b"\0depends=";
        let bytes = fs::read(&path)?;
        let needs = bytes
            .windows(MARK.len())
            .position(|window| window == MARK)
            .and_then(|at| bytes[at + MARK.len()..].split(|byte| *byte == 0).next())
            .unwrap_or_default();
        let plain = |name: &str| name.replace('-', "_");
        Ok(Module {
            name: plain(&path.file_stem().unwrap_or_default().to_string_lossy()),
            needs: String::from_utf8_lossy(needs)
                .split(',')
                .filter(|need| !need.is_empty())
                .map(plain)
                .collect(),
            path,
        })
    }
}

/// Sets the loopback device up: one message of rtnetlink, whose numbers have the byte order of the machine.
pub(super) fn loopback_up() -> io::Result<()> {
    const LOOPBACK: i32 = 1;
    const UP: u32 = libc::IFF_UP as u32;
    let flags = (libc::NLM_F_REQUEST | libc::NLM_F_ACK) as u16;
    let mut message = Vec::new();
    // length, type, flags, sequence number, sender
    message.extend(32u32.to_ne_bytes());
    message.extend(libc::RTM_NEWLINK.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    message.extend([0; 8]);
    // family and kind of device, index, flags, which flags to change
    message.extend([0; 4]);
    message.extend(LOOPBACK.to_ne_bytes());
    message.extend(UP.to_ne_bytes());
    message.extend(UP.to_ne_bytes());
    let socket: OwnedFd = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkRoute,
    )?;
    sendto(
        socket.as_raw_fd(),
        &message,
        &NetlinkAddr::new(0, 0),
        MsgFlags::empty(),
    )?;
    let mut answer = [0; 4096];
    let length = recv(socket.as_raw_fd(), &mut answer, MsgFlags::empty())?;
    match answer[..length].get(16..20) {
        Some(&[0, 0, 0, 0]) => Ok(()),
        Some(&[a, b, c, d]) => Err(io::Error::from_raw_os_error(
            i32::from_ne_bytes([a, b, c, d]).wrapping_neg(),
        )),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}
