//! The compiled objects in `tests/fixtures`.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A compiled object of `tests/fixtures` or of the examples.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fixture {
    /// File name without the endings: `maps`.
    pub name: String,
    /// Whether it is for big-endian machines.
    pub big_endian: bool,
    /// Where it lies.
    pub path: PathBuf,
}

impl Fixture {
    /// The bytes of the file.
    #[track_caller]
    pub fn bytes(&self) -> Vec<u8> {
        match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) => panic!("cannot read fixture {}: {error}", self.path.display()),
        }
    }
}

/// The path of a fixture, compiled for the byte order of this machine.
///
/// # Panics
///
/// If there is no such file.
#[track_caller]
pub fn fixture(name: &str) -> PathBuf {
    fixture_of(name, cfg!(target_endian = "big"))
}

/// The path of a fixture, compiled for the byte order asked for.
///
/// # Panics
///
/// If there is no such file.
#[track_caller]
pub fn fixture_of(name: &str, big_endian: bool) -> PathBuf {
    let file = format!("{name}.{}.o", if big_endian { "eb" } else { "el" });
    for directory in directories() {
        let path = directory.join(&file);
        if path.exists() {
            return path;
        }
    }
    panic!("there is no fixture {file}");
}

/// The bytes of a fixture, compiled for the byte order of this machine.
///
/// # Panics
///
/// If there is no such file.
#[track_caller]
pub fn fixture_bytes(name: &str) -> Vec<u8> {
    fs::read(fixture(name)).unwrap()
}

/// All objects, both byte orders, sorted by name.
///
/// # Panics
///
/// If a directory cannot be read.
pub fn all_fixtures() -> Vec<Fixture> {
    let mut all = Vec::new();
    for directory in directories() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            for (ending, big_endian) in [(".el.o", false), (".eb.o", true)] {
                if let Some(name) = file.strip_suffix(ending) {
                    all.push(Fixture {
                        name: name.to_owned(),
                        big_endian,
                        path: path.clone(),
                    });
                }
            }
        }
    }
    all.sort();
    all
}

fn directories() -> [PathBuf; 2] {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    [here.join("fixtures"), here.join("../crates/bpfld/examples")]
}
