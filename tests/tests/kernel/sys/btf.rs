//! Loading BTF, and reading it back.

use bpfld_btf::{Builder, Endian, IntEncoding};
use bpfld_sys::{
    BTF_NAME_ROOM, BtfLoad, Errno, Log, MapType, ProgramType, btf_data, btf_get_fd_by_id, btf_get_next_id,
    btf_info, btf_load, btf_name,
};
use bpfld_tests::{Need, require};

use super::{map, program};

/// One integer type.
fn int() -> Vec<u8> {
    let mut builder = Builder::new();
    builder.int("int", 4, IntEncoding::SIGNED).unwrap();
    builder.to_bytes_in(Endian::NATIVE)
}

#[test]
fn loads_and_comes_back() {
    require!(Need::Root, Need::Linux(5, 11));
    let bytes = int();
    let btf = btf_load(&BtfLoad::new(&bytes), None).unwrap();
    let info = btf_info(&btf).unwrap();
    assert_eq!((info.btf_size as usize, info.kernel_btf), (bytes.len(), 0));
    let mut back = vec![0xff; bytes.len() + 8];
    assert_eq!(btf_data(&btf, &mut back).unwrap() as usize, bytes.len());
    assert_eq!(back[..bytes.len()], bytes);
    assert_eq!(back[bytes.len()..], [0xff; 8]);
    let mut room = [0; BTF_NAME_ROOM];
    assert_eq!(btf_name(&btf, &mut room).unwrap(), c"");
    assert_eq!(
        btf_info(btf_get_fd_by_id(info.id, None).unwrap()).unwrap().id,
        info.id
    );
}

#[test]
fn a_log_of_why_it_is_refused() {
    require!(Need::Root, Need::Linux(4, 18));
    let mut bytes = int();
    // The integer's encoding.
    *bytes.get_mut(24 + 15).unwrap() = 0xff;
    let mut buffer = [0; 4096];
    let mut log = Log::new(1, &mut buffer);
    assert_eq!(
        btf_load(&BtfLoad::new(&bytes), Some(&mut log))
            .unwrap_err()
            .errno(),
        Errno::EINVAL
    );
    assert!(!log.text().is_empty());
}

#[test]
fn the_kernel_has_a_name() {
    require!(
        Need::Root,
        Need::Linux(5, 11),
        Need::Config("CONFIG_DEBUG_INFO_BTF")
    );
    let first = btf_get_next_id(0).unwrap().unwrap();
    let btf = btf_get_fd_by_id(first, None).unwrap();
    let mut room = [0; BTF_NAME_ROOM];
    assert_eq!(btf_name(&btf, &mut room).unwrap(), c"vmlinux");
    assert_eq!(btf_info(&btf).unwrap().kernel_btf, 1);
}

#[test]
fn other_objects_do_no_harm() {
    require!(Need::Root, Need::Linux(5, 11));
    let (map, program) = (map(MapType::ARRAY, 4, 4, 1), program(ProgramType::XDP, 2));
    let (mut room, mut data) = ([0; BTF_NAME_ROOM], [0xff; 256]);
    let _ = btf_name(&map, &mut room);
    let _ = btf_name(&program, &mut room);
    let _ = btf_data(&map, &mut data);
    let _ = btf_data(&program, &mut data);
    assert_eq!(data, [0xff; 256]);
}
