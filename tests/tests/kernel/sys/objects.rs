//! Ids, pins, tokens.

use std::ffi::CString;
use std::fs::File;
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt as _;

use bpfld_sys::{
    ElemFlags, Errno, MapFd, MapFlags, MapType, ProgramType, btf_get_next_id, link_get_next_id,
    map_get_fd_by_id, map_get_next_id, map_info, map_lookup_elem, map_update_elem, obj_get, obj_get_at,
    obj_pin, obj_pin_at, prog_get_fd_by_id, prog_get_next_id, prog_info, token_create,
};
use bpfld_tests::{Need, require, sandbox};

use super::{map, program};

type Walk = fn(u32) -> Result<Option<u32>, bpfld_sys::Error>;

/// All ids, ascending.
fn ids(next: Walk) -> Vec<u32> {
    let mut ids = Vec::new();
    while let Some(id) = next(ids.last().copied().unwrap_or(0)).unwrap() {
        assert!(ids.last().is_none_or(|last| *last < id));
        ids.push(id);
    }
    ids
}

#[test]
fn walks_find_what_is_there() {
    require!(Need::Root, Need::Linux(4, 13));
    let (map, program) = (
        map(MapType::ARRAY, 4, 4, 1),
        program(ProgramType::SOCKET_FILTER, 0),
    );
    let (map_id, program_id) = (map_info(&map).unwrap().id, prog_info(&program).unwrap().id);
    assert!(ids(map_get_next_id).contains(&map_id));
    assert!(ids(prog_get_next_id).contains(&program_id));
    let same = map_get_fd_by_id(map_id, MapFlags::empty()).unwrap();
    assert_eq!(map_info(&same).unwrap(), map_info(&map).unwrap());
    assert_eq!(
        prog_info(prog_get_fd_by_id(program_id).unwrap()).unwrap().id,
        program_id
    );
    assert_eq!(prog_get_fd_by_id(u32::MAX).unwrap_err().errno(), Errno::ENOENT);
    assert_eq!(prog_get_next_id(i32::MAX as u32 - 1), Ok(None));
}

#[test]
fn walks_over_links_and_btf() {
    require!(Need::Root, Need::Linux(5, 8));
    ids(link_get_next_id);
    ids(btf_get_next_id);
}

#[test]
fn rights_stay_with_the_descriptor() {
    require!(Need::Root, Need::Linux(4, 15));
    let map = map(MapType::ARRAY, 4, 4, 1);
    let id = map_info(&map).unwrap().id;
    let readable = MapFd::from_fd(map_get_fd_by_id(id, MapFlags::RDONLY).unwrap()).unwrap();
    map_lookup_elem(&readable, &[0; 4], &mut [0; 4], ElemFlags::empty()).unwrap();
    let error = map_update_elem(&readable, &[0; 4], &[0; 4], ElemFlags::empty()).unwrap_err();
    assert_eq!(error.errno(), Errno::EPERM);
}

#[test]
fn pins() {
    require!(Need::Root);
    sandbox(|room| {
        let map = map(MapType::ARRAY, 4, 4, 1);
        let id = map_info(&map).unwrap().id;
        let path = CString::new(room.bpffs().join("map").as_os_str().as_bytes()).unwrap();
        assert_eq!(
            obj_get(&path, MapFlags::empty()).unwrap_err().errno(),
            Errno::ENOENT
        );
        obj_pin(&map, &path).unwrap();
        assert_eq!(obj_pin(&map, &path).unwrap_err().errno(), Errno::EEXIST);
        drop(map);
        assert_eq!(
            map_info(obj_get(&path, MapFlags::empty()).unwrap()).unwrap().id,
            id
        );

        let directory = File::open(room.bpffs()).unwrap();
        match obj_get_at(&directory, c"map", MapFlags::empty()) {
            Ok(same) => {
                assert_eq!(map_info(&same).unwrap().id, id);
                obj_pin_at(&same, &directory, c"other").unwrap();
                assert!(room.bpffs().join("other").exists());
            }
            Err(error) => {
                assert_eq!(error.errno(), Errno::EINVAL);
                require!(Need::Linux(6, 5));
                panic!("{error}");
            }
        }
        // Not a bpf file system.
        let error = obj_pin(directory.as_fd(), c"/proc/x").unwrap_err();
        assert_eq!(error.errno(), Errno::EINVAL);
    });
}

#[test]
fn no_token_without_delegation() {
    require!(Need::Root, Need::Linux(6, 9));
    sandbox(|room| {
        let error = token_create(File::open(room.bpffs()).unwrap()).unwrap_err();
        assert!(
            matches!(error.errno(), Errno::ENOENT | Errno::EOPNOTSUPP | Errno::EPERM),
            "{error}"
        );
    });
}
