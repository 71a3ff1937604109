//! libbpf, through its own C interface.

use std::{ffi::CString, io, ptr};

use anyhow::{Result, ensure};
use libbpf_sys::{
    __va_list_tag, bpf_object, bpf_object__close, bpf_object__load, bpf_object__open_mem, btf, btf__add_btf,
    btf__dedup, btf__find_by_name_kind, btf__free, btf__load_vmlinux_btf, btf__name_by_offset, btf__new,
    btf__new_empty, btf__type_by_id, btf__type_cnt, btf_dump__dump_type, btf_dump__free, btf_dump__new,
    btf_member, btf_param, libbpf_set_print,
};

mod maps;

pub(crate) use self::maps::{Perf, Ring, dump, get, set};

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

/// Types, freed with the value.
pub(crate) struct Types(*mut btf);

impl Drop for Types {
    fn drop(&mut self) {
        // SAFETY: it came from libbpf and is not used again.
        unsafe { btf__free(self.0) }
    }
}

unsafe extern "C" {
    fn vsnprintf(
        to: *mut libc::c_char,
        room: usize,
        format: *const libc::c_char,
        arguments: *mut __va_list_tag,
    ) -> libc::c_int;
}

/// Adds a piece of text to the vector that `context` is.
unsafe extern "C" fn collect(
    context: *mut libc::c_void,
    format: *const libc::c_char,
    arguments: *mut __va_list_tag,
) {
    let mut piece = [0u8; 4096];
    // SAFETY: `write_c` below hands its vector over, which nobody else uses meanwhile; libbpf's pieces are short, and
    // what does not fit is cut off.
    unsafe {
        let text = &mut *context.cast::<Vec<u8>>();
        let len = vsnprintf(piece.as_mut_ptr().cast(), piece.len(), format, arguments);
        text.extend_from_slice(&piece[..(len.max(0) as usize).min(piece.len() - 1)]);
    }
}

impl Types {
    pub(crate) fn kernel() -> Result<Self> {
        // SAFETY: no arguments.
        let btf = unsafe { btf__load_vmlinux_btf() };
        ensure!(!btf.is_null(), io::Error::last_os_error());
        Ok(Self(btf))
    }

    pub(crate) fn concatenate(parts: &[Vec<u8>]) -> Result<Self> {
        // SAFETY: no arguments.
        let all = Self(unsafe { btf__new_empty() });
        for part in parts {
            // SAFETY: libbpf copies the bytes.
            let part = Self(unsafe { btf__new(part.as_ptr().cast(), part.len() as u32) });
            ensure!(!part.0.is_null(), io::Error::last_os_error());
            // SAFETY: both are valid.
            let result = unsafe { btf__add_btf(all.0, part.0) };
            ensure!(result >= 0, io::Error::from_raw_os_error(-result));
        }
        Ok(all)
    }

    pub(crate) fn len(&self) -> u32 {
        // SAFETY: it is valid.
        unsafe { btf__type_cnt(self.0) }
    }

    pub(crate) fn dedup(&self) -> Result<()> {
        // SAFETY: it is valid, and null stands for the default options.
        let result = unsafe { btf__dedup(self.0, ptr::null()) };
        ensure!(result == 0, io::Error::from_raw_os_error(-result));
        Ok(())
    }

    pub(crate) fn iterate(&self) -> u64 {
        let mut sum = 0u64;
        for id in 1..self.len() {
            // SAFETY: ids below the count are valid, and so are names and elements of types that libbpf has checked.
            unsafe {
                let ty = btf__type_by_id(self.0, id);
                let (info, elements) = ((*ty).info, ty.add(1));
                sum += *btf__name_by_offset(self.0, (*ty).name_off).cast::<u8>() as u64;
                let (kind, vlen) = (info >> 24 & 0x1f, (info & 0xffff) as usize);
                match kind {
                    4 | 5 => {
                        for at in 0..vlen {
                            let offset = (*elements.cast::<btf_member>().add(at)).offset;
                            sum += u64::from(if info >> 31 != 0 {
                                offset & 0xff_ffff
                            } else {
                                offset
                            });
                        }
                    }
                    13 => {
                        for at in 0..vlen {
                            sum += u64::from((*elements.cast::<btf_param>().add(at)).type_);
                        }
                    }
                    _ => {}
                }
            }
        }
        sum
    }

    pub(crate) fn write_c(&self) -> Result<usize> {
        let mut text: Vec<u8> = Vec::new();
        // SAFETY: the dump lives within the call, the types and the text longer.
        unsafe {
            let dump = btf_dump__new(self.0, Some(collect), (&raw mut text).cast(), ptr::null());
            ensure!(!dump.is_null(), io::Error::last_os_error());
            for id in 1..self.len() {
                let result = btf_dump__dump_type(dump, id);
                ensure!(result == 0, io::Error::from_raw_os_error(-result));
            }
            btf_dump__free(dump);
        }
        Ok(text.len())
    }
}
