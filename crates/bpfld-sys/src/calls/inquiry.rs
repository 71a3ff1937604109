//! Commands that cannot succeed: what a kernel says to them shows what it knows.

use crate::syscall::bpf;
use crate::{AttachType, Command, Errno, MapFlags, MapType, attr};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// As an argument: a descriptor that is never open.
const NEVER_OPEN: u32 = u32::MAX;

/// Sends a command with descriptors that are never open. Nothing comes of it: a kernel that knows the command says
/// [`Errno::EBADF`] or [`Errno::ENOENT`], one that does not says [`Errno::EINVAL`]. [`Errno::EPERM`] tells nothing.
///
/// `None` for commands that have no such arguments: those that make something or walk over ids, and those that this build does not
/// know.
pub fn inquire_command(command: Command) -> Option<Errno> {
    let errno = match command {
        Command::MAP_LOOKUP_ELEM | Command::MAP_LOOKUP_AND_DELETE_ELEM => send(
            command,
            attr::MapLookupElem {
                map_fd: NEVER_OPEN,
                ..Default::default()
            },
        ),
        Command::MAP_UPDATE_ELEM => send(
            command,
            attr::MapUpdateElem {
                map_fd: NEVER_OPEN,
                ..Default::default()
            },
        ),
        Command::MAP_DELETE_ELEM => send(
            command,
            attr::MapDeleteElem {
                map_fd: NEVER_OPEN,
                ..Default::default()
            },
        ),
        Command::MAP_GET_NEXT_KEY => send(
            command,
            attr::MapGetNextKey {
                map_fd: NEVER_OPEN,
                ..Default::default()
            },
        ),
        Command::MAP_FREEZE => send(command, attr::MapFreeze { map_fd: NEVER_OPEN }),
        Command::MAP_LOOKUP_BATCH
        | Command::MAP_LOOKUP_AND_DELETE_BATCH
        | Command::MAP_UPDATE_BATCH
        | Command::MAP_DELETE_BATCH => send(
            command,
            attr::MapBatch {
                map_fd: NEVER_OPEN,
                ..Default::default()
            },
        ),
        Command::PROG_ATTACH => return Some(inquire_attach(AttachType::CGROUP_INET_INGRESS)),
        Command::PROG_DETACH => send(
            command,
            attr::ProgDetach {
                target: NEVER_OPEN,
                attach_bpf_fd: NEVER_OPEN,
                ..Default::default()
            },
        ),
        Command::PROG_QUERY => return Some(inquire_query(AttachType::CGROUP_INET_INGRESS)),
        Command::PROG_TEST_RUN => send(
            command,
            attr::ProgTestRun {
                prog_fd: NEVER_OPEN,
                ..Default::default()
            },
        ),
        Command::PROG_GET_FD_BY_ID
        | Command::MAP_GET_FD_BY_ID
        | Command::BTF_GET_FD_BY_ID
        | Command::LINK_GET_FD_BY_ID => send(
            command,
            attr::GetFdById {
                // as high as ids go
                id: i32::MAX.cast_unsigned(),
                ..Default::default()
            },
        ),
        Command::OBJ_GET_INFO_BY_FD => send(
            command,
            attr::ObjGetInfoByFd {
                bpf_fd: NEVER_OPEN,
                ..Default::default()
            },
        ),
        Command::RAW_TRACEPOINT_OPEN => send(
            command,
            attr::RawTracepointOpen {
                prog_fd: NEVER_OPEN,
                ..Default::default()
            },
        ),
        // There is no process 0.
        Command::TASK_FD_QUERY => send(command, attr::TaskFdQuery::default()),
        Command::LINK_CREATE => send(
            command,
            attr::LinkCreate {
                object_fd: NEVER_OPEN,
                target: NEVER_OPEN,
                ..Default::default()
            },
        ),
        Command::LINK_UPDATE => send(
            command,
            attr::LinkUpdate {
                link_fd: NEVER_OPEN,
                new_fd: NEVER_OPEN,
                ..Default::default()
            },
        ),
        Command::LINK_DETACH => send(command, attr::LinkDetach { link_fd: NEVER_OPEN }),
        Command::ITER_CREATE => send(
            command,
            attr::IterCreate {
                link_fd: NEVER_OPEN,
                flags: 0,
            },
        ),
        Command::PROG_BIND_MAP => send(
            command,
            attr::ProgBindMap {
                prog_fd: NEVER_OPEN,
                map_fd: NEVER_OPEN,
                flags: 0,
            },
        ),
        Command::TOKEN_CREATE => send(
            command,
            attr::TokenCreate {
                flags: 0,
                bpffs_fd: NEVER_OPEN,
            },
        ),
        Command::PROG_STREAM_READ_BY_FD => send(
            command,
            attr::ProgStreamRead {
                prog_fd: NEVER_OPEN,
                ..Default::default()
            },
        ),
        Command::PROG_ASSOC_STRUCT_OPS => send(
            command,
            attr::ProgAssocStructOps {
                map_fd: NEVER_OPEN,
                prog_fd: NEVER_OPEN,
                flags: 0,
            },
        ),
        _ => return None,
    };
    Some(errno)
}

/// Asks to attach a program that is never open. A kernel that attaches there with [`prog_attach`](crate::prog_attach), or could, says
/// [`Errno::EBADF`]; else [`Errno::EINVAL`].
pub fn inquire_attach(attach_type: AttachType) -> Errno {
    send(
        Command::PROG_ATTACH,
        attr::ProgAttach {
            target: NEVER_OPEN,
            attach_bpf_fd: NEVER_OPEN,
            attach_type,
            ..Default::default()
        },
    )
}

/// Asks what is attached to a target that is never open. A kernel that lists what is attached there says [`Errno::EBADF`] or, where
/// the target is a network device, [`Errno::ENODEV`]; else [`Errno::EINVAL`].
pub fn inquire_query(attach_type: AttachType) -> Errno {
    send(
        Command::PROG_QUERY,
        attr::ProgQuery {
            target: NEVER_OPEN,
            attach_type,
            ..Default::default()
        },
    )
}

/// Asks for a link of a program that is loaded to a target (descriptor or network device) that is never there.
pub fn inquire_link(program: impl std::os::fd::AsFd, attach_type: AttachType) -> Errno {
    send(
        Command::LINK_CREATE,
        attr::LinkCreate {
            object_fd: crate::syscall::raw(program.as_fd()),
            target: NEVER_OPEN,
            attach_type,
            ..Default::default()
        },
    )
}

/// Asks for a map with a flag that goes with a descriptor, which is never open: [`MapFlags::TOKEN_FD`] or
/// [`MapFlags::VTYPE_BTF_OBJ_FD`]. A kernel that knows the flag says [`Errno::EBADF`], else [`Errno::EINVAL`].
pub fn inquire_map(flag: MapFlags) -> Errno {
    let never_open = NEVER_OPEN.cast_signed();
    let mut attr = attr::MapCreate {
        map_type: MapType::ARRAY,
        key_size: 4,
        value_size: 4,
        max_entries: 1,
        map_flags: flag,
        ..Default::default()
    };
    if flag.contains(MapFlags::TOKEN_FD) {
        attr.map_token_fd = never_open;
    }
    if flag.contains(MapFlags::VTYPE_BTF_OBJ_FD) {
        attr.map_type = MapType::STRUCT_OPS;
        attr.btf_vmlinux_value_type_id = 1;
        attr.value_type_btf_obj_fd = never_open;
    }
    send(Command::MAP_CREATE, attr)
}

/// What the kernel says; 0 if it did not refuse.
fn send<T: IntoBytes + FromBytes + Immutable>(command: Command, mut attr: T) -> Errno {
    // SAFETY: all addresses are 0 with lengths of 0 and, but for one command, refused as descriptors that are not open before the kernel
    // looks at them. That one reads a name, at address 0, which is not ours to hand out: the kernel finds it unreadable.
    match unsafe { bpf(command, &mut attr, 0, None) } {
        Ok(_) => Errno(0),
        Err(error) => error.errno(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_succeeds() {
        for &command in Command::ALL {
            if let Some(errno) = inquire_command(command) {
                assert_ne!(errno, Errno(0), "{command}");
            }
        }
        for &attach in AttachType::ALL {
            assert_ne!(inquire_attach(attach), Errno(0), "{attach}");
            assert_ne!(inquire_query(attach), Errno(0), "{attach}");
        }
        for flag in [MapFlags::TOKEN_FD, MapFlags::VTYPE_BTF_OBJ_FD] {
            assert_ne!(inquire_map(flag), Errno(0), "{flag}");
        }
        assert_eq!(inquire_command(Command::MAP_CREATE), None);
        assert_eq!(inquire_command(Command(9999)), None);
    }

    #[test]
    fn old_commands_are_known() {
        for command in [Command::MAP_LOOKUP_ELEM, Command::MAP_GET_NEXT_KEY] {
            let errno = inquire_command(command);
            assert!(matches!(errno, Some(Errno::EBADF | Errno::EPERM)), "{errno:?}");
        }
    }
}
