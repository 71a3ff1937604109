//! The bare calls of `bpfld-sys`.

use std::os::fd::{AsFd, OwnedFd};

use bpfld_sys::{MapCreate, MapFd, MapType, ProgLoad, ProgramType, map_create, prog_load};

mod btf;
mod links;
mod maps;
mod objects;
mod perf;
mod programs;

/// r0 = `value`; exit
fn returns(value: i32) -> Vec<u8> {
    [
        &[0xb7, 0, 0, 0],
        &value.to_ne_bytes()[..],
        &[0x95, 0, 0, 0, 0, 0, 0, 0],
    ]
    .concat()
}

/// A program that returns `value`.
fn program(prog_type: ProgramType, value: i32) -> OwnedFd {
    prog_load(&ProgLoad::new(prog_type, &returns(value), c"GPL"), None).unwrap()
}

/// A map of a kind and its sizes.
fn map(map_type: MapType, key_size: u32, value_size: u32, max_entries: u32) -> MapFd {
    map_create(&MapCreate::new(map_type, key_size, value_size, max_entries)).unwrap()
}

/// Another descriptor of the same object.
fn clone(object: &impl AsFd) -> OwnedFd {
    object.as_fd().try_clone_to_owned().unwrap()
}
