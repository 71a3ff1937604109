//! Where a process has mapped a file.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// The address of the executable byte at an offset of a file in a process.
pub(super) fn address_of(process: u32, path: &Path, offset: u64) -> io::Result<u64> {
    let maps = fs::read_to_string(format!("/proc/{process}/maps"))?;
    // Processes in containers have files under other names; the number of the inode stays.
    let inode = fs::metadata(path)?.ino();
    let inside = inside_of(process, path);
    let name = fs::canonicalize(path).ok();
    let is_name = |mapped: &str| {
        let mapped = Path::new(mapped);
        Some(mapped) == inside.as_deref() || Some(mapped) == name.as_deref()
    };
    find(&maps, inode, offset, is_name).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::NotFound,
            "the process has not mapped that part of the file",
        )
    })
}

/// The file of a library that a process has loaded, as this process sees it.
pub(super) fn library_of(process: u32, name: &Path) -> Option<PathBuf> {
    let maps = fs::read_to_string(format!("/proc/{process}/maps")).ok()?;
    let path = maps.lines().find_map(|line| {
        let path = Path::new(line.splitn(6, ' ').nth(5)?.trim_start());
        (path.is_absolute() && path.file_name() == Some(name.as_os_str())).then_some(path)
    })?;
    let seen = Path::new("/proc")
        .join(process.to_string())
        .join("root")
        .join(path.strip_prefix("/").ok()?);
    seen.is_file().then_some(seen)
}

/// `/proc/PID/root/PATH` is `/PATH` for the process.
fn inside_of(process: u32, path: &Path) -> Option<PathBuf> {
    let inside = path.strip_prefix(format!("/proc/{process}/root")).ok()?;
    Some(Path::new("/").join(inside))
}

fn find(maps: &str, inode: u64, offset: u64, is_name: impl Fn(&str) -> bool) -> Option<u64> {
    maps.lines().find_map(|line| {
        // START-END MODE OFFSET DEVICE INODE NAME
        let mut words = line.splitn(6, ' ');
        let (start, end) = words.next()?.split_once('-')?;
        let (mode, file_offset, _device, file_inode) =
            (words.next()?, words.next()?, words.next()?, words.next()?);
        let name = words.next().unwrap_or("").trim_start();
        if !mode.contains('x') || !(is_name(name) || file_inode.parse() == Ok(inode)) {
            return None;
        }
        let hex = |text| u64::from_str_radix(text, 16).ok();
        let (start, end, file_offset) = (hex(start)?, hex(end)?, hex(file_offset)?);
        let distance = offset.checked_sub(file_offset)?;
        start.checked_add(distance).filter(|address| *address < end)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_executable_part() {
        let maps = "55e0-55f0 r--p 00000000 08:04 77    /bin/x\n5600-5700 r-xp 00000100 08:04 77    /bin/x y\n\
            5700-5800 rw-p 00000200 08:04 77    /bin/x\n7000-7100 rw-p 00000000 00:00 0\n";
        let none = |_: &str| false;
        assert_eq!(find(maps, 77, 0x110, none), Some(0x5610));
        assert_eq!(find(maps, 77, 0x10, none), None);
        assert_eq!(find(maps, 77, 0x200, none), None);
        assert_eq!(find(maps, 78, 0x110, none), None);
        assert_eq!(find(maps, 78, 0x110, |name| name == "/bin/x y"), Some(0x5610));
    }

    #[test]
    fn finds_libraries_of_a_process() {
        let maps = fs::read_to_string("/proc/self/maps").expect("own maps");
        let Some(path) = maps
            .lines()
            .find_map(|line| line.split_whitespace().nth(5).filter(|path| path.contains(".so")))
        else {
            return; // a static program
        };
        let name = Path::new(path).file_name().expect("a file");
        let found = library_of(std::process::id(), name.as_ref()).expect("a library");
        assert_eq!(fs::read(found).expect("bytes"), fs::read(path).expect("bytes"));
        assert_eq!(library_of(std::process::id(), Path::new("libnosuch.so")), None);
    }

    #[test]
    fn finds_this_program() {
        let bytes = fs::read("/proc/self/exe").expect("own binary");
        let file = bpfld_object::Executable::parse(&bytes).expect("an ELF file");
        let main = file.function("main").expect("a main function");
        let address = address_of(std::process::id(), Path::new("/proc/self/exe"), main.file_offset);
        // Whatever the base is, it is one of whole pages.
        assert_eq!(address.expect("mapped") % 4096, main.address % 4096);
    }
}
