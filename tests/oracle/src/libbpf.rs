//! libbpf, as far as it is asked: an object opened against a kernel's BTF, brought to where it would be loaded.

use std::ffi::{CStr, CString, c_char, c_int};
use std::fs;
use std::path::Path;
use std::ptr;
use std::sync::Mutex;

use anyhow::{Context as _, Result, bail};
use libbpf_sys as sys;

/// An instruction as the kernel takes it.
pub(crate) type Insn = [u8; 8];

/// What libbpf complained about since the last call of [`complaint`].
static COMPLAINTS: Mutex<Vec<String>> = Mutex::new(Vec::new());

unsafe extern "C" {
    fn vsnprintf(
        out: *mut c_char,
        size: usize,
        format: *const c_char,
        args: *mut sys::__va_list_tag,
    ) -> c_int;
}

/// Keeps warnings and drops the rest.
unsafe extern "C" fn keep(
    level: sys::libbpf_print_level,
    format: *const c_char,
    args: *mut sys::__va_list_tag,
) -> c_int {
    if level == sys::LIBBPF_WARN {
        let mut text = [0u8; 1024];
        // SAFETY: the buffer is as long as said; format and arguments are libbpf's own and belong together.
        unsafe { vsnprintf(text.as_mut_ptr().cast(), text.len(), format, args) };
        if let (Ok(text), Ok(mut complaints)) = (CStr::from_bytes_until_nul(&text), COMPLAINTS.lock()) {
            complaints.push(text.to_string_lossy().trim_end().to_owned());
        }
    }
    0
}

/// Takes what libbpf said: the first line that is no mere summary.
fn complaint() -> String {
    let lines = COMPLAINTS
        .lock()
        .map(|mut lines| std::mem::take(&mut *lines))
        .unwrap_or_default();
    let is_summary = |line: &str| {
        ["failed to perform", "failed to load", "failed to relocate"]
            .iter()
            .any(|s| line.contains(s))
    };
    let line = lines.iter().find(|line| !is_summary(line)).or(lines.first());
    line.map_or_else(
        || "no reason given".to_owned(),
        |line| line.trim_start_matches("libbpf: ").to_owned(),
    )
}

/// Which programs to bring along.
#[derive(Clone, Copy)]
pub(crate) enum Select<'a> {
    All,
    Only(&'a str),
}

/// The instructions of the programs of an object after relocation against `btf`, by name, or why there are none. Maps
/// are not made: what refers to them is poisoned.
pub(crate) fn relocated(
    object: &Path,
    btf: &Path,
    select: Select<'_>,
) -> Result<Result<Vec<(String, Vec<Insn>)>, String>> {
    let btf = CString::new(btf.as_os_str().as_encoded_bytes()).context("a path with a zero in it")?;
    let mut bytes = fs::read(object).with_context(|| object.display().to_string())?;
    weaken(&mut bytes);
    let options = sys::bpf_object_open_opts {
        sz: size_of::<sys::bpf_object_open_opts>() as _,
        btf_custom_path: btf.as_ptr(),
        ..Default::default()
    };
    // SAFETY: the callback has the signature that libbpf wants.
    unsafe { sys::libbpf_set_print(Some(keep)) };
    complaint();
    // SAFETY: bytes and options live longer than the call, which copies what it keeps.
    let object = unsafe { sys::bpf_object__open_mem(bytes.as_ptr().cast(), bytes.len() as _, &options) };
    if object.is_null() {
        return Ok(Err(complaint()));
    }
    let object = Open(object);
    let mut programs = Vec::new();
    let mut at = ptr::null_mut();
    loop {
        // SAFETY: the object is open and the program, if any, is one of its own.
        at = unsafe { sys::bpf_object__next_program(object.0, at) };
        if at.is_null() {
            break;
        }
        // SAFETY: a program's name is terminated and lives as long as the object.
        let name = unsafe { CStr::from_ptr(sys::bpf_program__name(at)) };
        let name = name.to_string_lossy().into_owned();
        let is_wanted = match select {
            Select::All => true,
            Select::Only(only) => only == name,
        };
        // SAFETY: the object is open and not loaded yet. The types of programs do not matter for relocation, except that
        // those of a struct_ops map come and go with the map.
        unsafe {
            sys::bpf_program__set_autoload(at, is_wanted);
            if sys::bpf_program__type(at) == sys::BPF_PROG_TYPE_STRUCT_OPS {
                sys::bpf_program__set_type(at, sys::BPF_PROG_TYPE_SOCKET_FILTER);
            }
        }
        if is_wanted {
            programs.push((name, at));
        }
    }
    let mut map = ptr::null_mut();
    loop {
        // SAFETY: the object is open and the map, if any, is one of its own.
        map = unsafe { sys::bpf_object__next_map(object.0, map) };
        if map.is_null() {
            break;
        }
        // SAFETY: the object is open and not loaded yet.
        unsafe { sys::bpf_map__set_autocreate(map, false) };
    }
    // SAFETY: the object is open.
    if unsafe { sys::bpf_object__prepare(object.0) } != 0 {
        return Ok(Err(complaint()));
    }
    let mut result = Vec::new();
    for (name, program) in programs {
        // SAFETY: the program is one of the object's, which is open.
        let (insns, count) = unsafe {
            (
                sys::bpf_program__insns(program),
                sys::bpf_program__insn_cnt(program),
            )
        };
        if insns.is_null() {
            bail!("{name} has no instructions");
        }
        // SAFETY: libbpf says that so many instructions of 8 bytes lie there, until the object is closed.
        let insns = unsafe { std::slice::from_raw_parts(insns.cast::<Insn>(), count as usize) };
        result.push((name, insns.to_vec()));
    }
    Ok(Ok(result))
}

/// Makes every undefined symbol of an ELF file of this machine's byte order weak, so that what the running kernel lacks
/// does not keep libbpf from relocating the rest.
fn weaken(elf: &mut [u8]) {
    let number = |elf: &[u8], at: usize, len: usize| {
        let bytes = elf.get(at..at + len).unwrap_or_default();
        bytes
            .iter()
            .rev()
            .fold(0usize, |number, byte| number << 8 | usize::from(*byte))
    };
    let (table, count) = (number(elf, 0x28, 8), number(elf, 0x3c, 2));
    for section in (0..count).map(|index| table + index * 64) {
        if number(elf, section + 4, 4) != SHT_SYMTAB {
            continue;
        }
        let (start, size) = (number(elf, section + 0x18, 8), number(elf, section + 0x20, 8));
        for symbol in (start..start + size).step_by(24) {
            let (info, section) = (number(elf, symbol + 4, 1), number(elf, symbol + 6, 2));
            if section == 0
                && info >> 4 == STB_GLOBAL
                && let Some(info) = elf.get_mut(symbol + 4)
            {
                *info = *info & 0xf | STB_WEAK << 4;
            }
        }
    }
}

const SHT_SYMTAB: usize = 2;
const STB_GLOBAL: usize = 1;
const STB_WEAK: u8 = 2;

/// An open object, closed with the value.
struct Open(*mut sys::bpf_object);

impl Drop for Open {
    fn drop(&mut self) {
        // SAFETY: it came from libbpf and is not used again.
        unsafe { sys::bpf_object__close(self.0) }
    }
}

/// BTF of libbpf's, freed with the value.
struct Types(*mut sys::btf);

impl Drop for Types {
    fn drop(&mut self) {
        // SAFETY: it came from libbpf, or is null, and is not used again.
        unsafe { sys::btf__free(self.0) }
    }
}

/// The types of these files, one behind the other, merged.
pub(crate) fn merged(parts: &[&[u8]]) -> Result<Vec<u8>> {
    // SAFETY: no arguments.
    let all = Types(unsafe { sys::btf__new_empty() });
    for part in parts {
        // SAFETY: libbpf copies the bytes.
        let part = Types(unsafe { sys::btf__new(part.as_ptr().cast(), part.len() as u32) });
        if part.0.is_null() {
            bail!(
                "libbpf does not read the types: {}",
                std::io::Error::last_os_error()
            );
        }
        // SAFETY: both are valid.
        let result = unsafe { sys::btf__add_btf(all.0, part.0) };
        if result < 0 {
            bail!("libbpf does not add the types: {result}");
        }
    }
    // SAFETY: it is valid, and null stands for the default options.
    let result = unsafe { sys::btf__dedup(all.0, ptr::null()) };
    if result != 0 {
        bail!("libbpf does not merge the types: {result}");
    }
    let mut len = 0;
    // SAFETY: it is valid; the bytes live until it changes or is freed.
    let bytes = unsafe { sys::btf__raw_data(all.0, &mut len) };
    if bytes.is_null() {
        bail!("libbpf does not write the types");
    }
    // SAFETY: libbpf says that so many bytes lie there.
    Ok(unsafe { std::slice::from_raw_parts(bytes.cast::<u8>(), len as usize) }.to_vec())
}
