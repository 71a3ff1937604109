//! The separate file with the symbols of a binary that was stripped.

use std::{
    fs,
    path::{Component, Path, PathBuf},
};

use bpfld_object::Executable;

/// Where distributions put such files.
const DIRECTORY: &str = "/usr/lib/debug";

/// The bytes of the debug file of a binary, found by its build id or the name that the binary gives.
pub(super) fn read(path: &Path, executable: &Executable<'_>) -> Option<Vec<u8>> {
    read_from(Path::new(DIRECTORY), path, executable)
}

/// What would help where a function is not found, neither in the binary nor in its debug file.
pub(super) fn hint(executable: &Executable<'_>) -> Option<&'static str> {
    // Fedora's "mini debug info". Compressed as no other thing that is read here; the debug file has what is in it, and more.
    let compressed = executable.section(".gnu_debugdata")?;
    (!compressed.data.is_empty()).then_some(
        "its other symbols are compressed (.gnu_debugdata), which is not read; its debug file has them, too",
    )
}

fn read_from(directory: &Path, path: &Path, executable: &Executable<'_>) -> Option<Vec<u8>> {
    candidates(directory, path, executable)
        .into_iter()
        .find_map(|candidate| {
            let bytes = fs::read(candidate).ok()?;
            belongs(&bytes, executable).then_some(bytes)
        })
}

/// Whether it is of the same build, or else has the checksum that the binary names.
fn belongs(bytes: &[u8], executable: &Executable<'_>) -> bool {
    match executable.build_id() {
        Some(id) => Executable::parse(bytes).is_ok_and(|file| file.build_id() == Some(id)),
        None => executable
            .debug_link()
            .is_some_and(|(_, checksum)| crc32fast::hash(bytes) == checksum),
    }
}

fn candidates(directory: &Path, path: &Path, executable: &Executable<'_>) -> Vec<PathBuf> {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let (root, inside) = split_root(&path);
    let debug = root.join(directory.strip_prefix("/").unwrap_or(directory));
    let mut candidates = Vec::new();
    if let Some([first, rest @ ..]) = executable.build_id() {
        let rest: String = rest.iter().map(|byte| format!("{byte:02x}")).collect();
        candidates.push(debug.join(format!(".build-id/{first:02x}/{rest}.debug")));
    }
    let plain = |name: &&str| !name.contains('/') && *name != "..";
    if let Some(name) = executable.debug_link().map(|(name, _)| name).filter(plain)
        && let Some(directory) = path.parent()
    {
        let inside = inside.parent().unwrap_or(Path::new("/"));
        let inside = inside.strip_prefix("/").unwrap_or(inside);
        candidates.extend([
            directory.join(name),
            directory.join(".debug").join(name),
            debug.join(inside).join(name),
        ]);
    }
    // A file is not its own debug file.
    candidates.retain(|candidate| *candidate != path);
    candidates
}

/// Splits `/proc/PID/root` off, where a process in a container has its files.
fn split_root(path: &Path) -> (PathBuf, PathBuf) {
    let mut parts = path.components();
    let mut root = PathBuf::from("/");
    if parts.next() == Some(Component::RootDir)
        && parts.next() == Some(Component::Normal("proc".as_ref()))
        && let Some(Component::Normal(process)) = parts.next()
        && parts.next() == Some(Component::Normal("root".as_ref()))
    {
        root.push("proc");
        root.push(process);
        root.push("root");
        return (root, Path::new("/").join(parts.as_path()));
    }
    (root, path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small ELF file with a segment, a build id and a function, or without the function.
    fn elf(build: u8, with_symbols: bool) -> Vec<u8> {
        let names = b"\0.note.gnu.build-id\0.symtab\0.strtab\0.shstrtab\0";
        let mut note = Vec::new();
        for word in [4u32, 2, 3] {
            note.extend(word.to_ne_bytes());
        }
        note.extend(b"GNU\0");
        note.extend([0xab, build, 0, 0]);
        // name, binding and kind (global function), visibility, section, address, size
        let mut symbols = vec![0; 24];
        symbols.extend(1u32.to_ne_bytes());
        symbols.extend([0x12, 0, 0xf1, 0xff]);
        symbols.extend(0x4010u64.to_ne_bytes());
        symbols.extend(16u64.to_ne_bytes());
        let strings = b"\0hidden\0".to_vec();
        let parts = [note, symbols, strings, names.to_vec()];
        let mut bytes = vec![0; 64 + 56];
        let mut places = Vec::new();
        for part in &parts {
            places.push((bytes.len() as u64, part.len() as u64));
            bytes.extend(part);
            bytes.resize(bytes.len().next_multiple_of(8), 0);
        }
        let headers = bytes.len() as u64;
        let mut header = |name: u32, kind: u32, place: (u64, u64), link: u32, entry: u64| {
            bytes.extend(name.to_ne_bytes());
            bytes.extend(kind.to_ne_bytes());
            for word in [0, 0, place.0, place.1] {
                bytes.extend(u64::to_ne_bytes(word));
            }
            bytes.extend(link.to_ne_bytes());
            bytes.extend(0u32.to_ne_bytes());
            bytes.extend(4u64.to_ne_bytes());
            bytes.extend(entry.to_ne_bytes());
        };
        header(0, 0, (0, 0), 0, 0);
        header(1, 7, places[0], 0, 0);
        header(20, if with_symbols { 2 } else { 1 }, places[1], 3, 24);
        header(28, 3, places[2], 0, 0);
        header(36, 3, places[3], 0, 0);
        let order = if cfg!(target_endian = "little") { 1 } else { 2 };
        bytes[..16].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, order, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(16, &3u16.to_ne_bytes());
        put(18, &62u16.to_ne_bytes());
        put(20, &1u32.to_ne_bytes());
        put(32, &64u64.to_ne_bytes());
        put(40, &headers.to_ne_bytes());
        for (at, value) in [(52, 64u16), (54, 56), (56, 1), (58, 64), (60, 5), (62, 4)] {
            put(at, &value.to_ne_bytes());
        }
        // loaded at 0x4000 from offset 0x1000, as code; a debug file has nothing there
        put(64, &1u32.to_ne_bytes());
        put(68, &5u32.to_ne_bytes());
        let size = if with_symbols { 0u64 } else { 0x100 };
        for (at, value) in [(72, 0x1000u64), (80, 0x4000), (96, size), (104, 0x100)] {
            put(at, &value.to_ne_bytes());
        }
        bytes
    }

    #[test]
    fn symbols_come_from_the_file_of_the_same_build() {
        let directory = std::env::temp_dir().join(format!("bpfld-debug-{}", std::process::id()));
        fs::create_dir_all(directory.join(".build-id/ab")).expect("a directory");
        let place = |build: u8| directory.join(format!(".build-id/ab/{build:02x}.debug"));
        fs::write(place(7), elf(7, true)).expect("written");
        // Of another build, whatever its name says.
        fs::write(place(8), elf(7, true)).expect("written");
        let look = |build| {
            let bytes = elf(build, false);
            let stripped = Executable::parse(&bytes).expect("an ELF file");
            assert_eq!(stripped.build_id(), Some(&[0xab, build][..]));
            stripped.function("hidden").expect_err("no symbols");
            let debug = read_from(&directory, Path::new("/no/such/binary"), &stripped)?;
            let debug = Executable::parse(&debug)
                .expect("an ELF file")
                .with_layout_of(&stripped);
            Some(debug.function("hidden").expect("a function").file_offset)
        };
        let found = (look(7), look(8), look(9));
        fs::remove_dir_all(&directory).expect("cleaned up");
        assert_eq!(found, (Some(0x1010), None, None));
    }

    #[test]
    fn symbols_that_are_not_read_are_told_of() {
        let mut bytes = elf(7, false);
        let hint_of = |bytes: &[u8]| hint(&Executable::parse(bytes).expect("an ELF file"));
        assert_eq!(hint_of(&bytes), None);
        let name = b".note.gnu.build-id\0";
        let at = bytes.windows(name.len()).position(|window| window == name);
        let at = at.expect("the name of the section");
        bytes[at..at + 15].copy_from_slice(b".gnu_debugdata\0");
        assert!(hint_of(&bytes).is_some_and(|hint| hint.contains(".gnu_debugdata")));
    }

    #[test]
    fn containers_have_a_root_of_their_own() {
        let split = |path| split_root(Path::new(path));
        assert_eq!(split("/usr/bin/x"), ("/".into(), "/usr/bin/x".into()));
        assert_eq!(
            split("/proc/12/root/usr/bin/x"),
            ("/proc/12/root".into(), "/usr/bin/x".into())
        );
        assert_eq!(split("/proc/12/exe"), ("/".into(), "/proc/12/exe".into()));
    }
}
