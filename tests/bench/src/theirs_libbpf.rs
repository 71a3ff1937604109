//! libbpf, through its own C interface.

use std::{ffi::CString, io, os::fd::AsRawFd as _, ptr};

use anyhow::{Result, ensure};
use libbpf_sys::{
    bpf_map_lookup_elem, bpf_object, bpf_object__close, bpf_object__load, bpf_object__open_mem,
    btf__find_by_name_kind, btf__free, btf__load_vmlinux_btf, libbpf_set_print,
};

use crate::raw;

const BTF_KIND_STRUCT: u32 = 4;

/// An open object, closed with the value.
pub(crate) struct Object(*mut bpf_object);

impl Drop for Object {
    fn drop(&mut self) {
        // SAFETY: it came from libbpf and is not used again.
        unsafe { bpf_object__close(self.0) }
    }
}

pub(crate) fn open(bytes: &[u8]) -> Result<Object> {
    // SAFETY: no callback is set; the bytes live longer than the call, which copies what it keeps.
    let object = unsafe {
        libbpf_set_print(None);
        bpf_object__open_mem(bytes.as_ptr().cast(), bytes.len() as _, ptr::null())
    };
    ensure!(!object.is_null(), io::Error::last_os_error());
    Ok(Object(object))
}

pub(crate) fn load(bytes: &[u8]) -> Result<Object> {
    let object = open(bytes)?;
    // SAFETY: the object is open.
    let result = unsafe { bpf_object__load(object.0) };
    ensure!(result == 0, io::Error::from_raw_os_error(-result));
    Ok(object)
}

pub(crate) fn find(names: &[&str]) -> Result<u32> {
    let mut last = 0;
    // SAFETY: plain calls in the order that libbpf wants; names are terminated and live as long as the calls.
    unsafe {
        let btf = btf__load_vmlinux_btf();
        ensure!(!btf.is_null(), io::Error::last_os_error());
        for name in names {
            let name = CString::new(*name)?;
            let id = btf__find_by_name_kind(btf, name.as_ptr(), BTF_KIND_STRUCT);
            ensure!(id > 0, "no {name:?}");
            last = id as u32;
        }
        btf__free(btf);
    }
    Ok(last)
}

pub(crate) fn lookup(map: &raw::Map) -> Result<()> {
    let fd = map.fd.as_raw_fd();
    crate::each(|key| {
        let mut value = 0u64;
        // SAFETY: key and value have the sizes that the map was made with.
        let result = unsafe { bpf_map_lookup_elem(fd, (&raw const key).cast(), (&raw mut value).cast()) };
        ensure!(result == 0, io::Error::from_raw_os_error(-result));
        Ok(value)
    })
}
