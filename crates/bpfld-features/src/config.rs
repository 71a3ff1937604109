//! The configuration that a kernel was built with.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use flate2::read::GzDecoder;

/// More than any kernel's configuration, plain (those of distributions are around 300 kB).
const MAX_TEXT: u64 = 16 << 20;

/// A kernel's configuration, as in `/boot/config-6.1.0` or `/proc/config.gz`.
///
/// ```
/// use bpfld_features::{Config, ConfigValue};
///
/// let config = Config::parse("CONFIG_BPF=y\n# CONFIG_LIRC is not set\nCONFIG_HZ=250\n");
/// assert_eq!(config.get("CONFIG_BPF"), Some(ConfigValue::Yes));
/// assert_eq!(config.get("CONFIG_HZ"), Some(ConfigValue::Number(250)));
/// assert_eq!(config.get("CONFIG_LIRC"), None);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Config {
    text: String,
    /// Where it was read from; `None` for a text of the caller's.
    path: Option<PathBuf>,
}

/// What a kernel option is set to.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum ConfigValue<'a> {
    /// `y`: built in.
    Yes,
    /// `m`: built as a module.
    Module,
    /// `n`: off. Most files leave such options out instead.
    No,
    /// A decimal, octal or hexadecimal number; a negative one wraps around.
    Number(u64),
    /// The text between the quotes, escapes as they are.
    Text(&'a str),
    /// Anything else, as written.
    Other(&'a str),
}

impl Config {
    /// Take a configuration from its text. Lines that set nothing are ignored.
    pub fn parse(text: impl Into<String>) -> Config {
        Config {
            text: text.into(),
            path: None,
        }
    }

    /// Read a configuration from a file, compressed with gzip or not.
    ///
    /// # Errors
    ///
    /// The file cannot be read, is not text, or is larger than 16 MiB when unpacked.
    pub fn read(path: impl AsRef<Path>) -> io::Result<Config> {
        let path = path.as_ref();
        let mut bytes = Vec::new();
        File::open(path)?.take(MAX_TEXT).read_to_end(&mut bytes)?;
        if bytes.starts_with(&[0x1f, 0x8b]) {
            let mut plain = Vec::new();
            GzDecoder::new(&bytes[..])
                .take(MAX_TEXT)
                .read_to_end(&mut plain)?;
            bytes = plain;
        }
        if bytes.len() as u64 == MAX_TEXT {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                "larger than a kernel configuration can be",
            ));
        }
        let text = String::from_utf8(bytes).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
        Ok(Config {
            text,
            path: Some(path.to_owned()),
        })
    }

    /// The configuration of the running kernel, read once per process: from `/boot/config-$(uname -r)`, else from
    /// `/proc/config.gz`. `None` where neither can be read.
    pub fn current() -> Option<&'static Config> {
        static CURRENT: OnceLock<Option<Config>> = OnceLock::new();
        let read = || {
            let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
            Config::read(format!("/boot/config-{}", release.trim()))
                .or_else(|_| Config::read("/proc/config.gz"))
                .ok()
        };
        CURRENT.get_or_init(read).as_ref()
    }

    /// The file that this was read from.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// What an option is set to, by its full name such as `CONFIG_BPF_LSM`; the first setting counts.
    pub fn get(&self, name: &str) -> Option<ConfigValue<'_>> {
        self.iter().find(|(n, _)| *n == name).map(|(_, value)| value)
    }

    /// Whether an option is built in or a module.
    pub fn is_on(&self, name: &str) -> bool {
        matches!(self.get(name), Some(ConfigValue::Yes | ConfigValue::Module))
    }

    /// All settings in the order of the file, names with their `CONFIG_`.
    pub fn iter(&self) -> impl Iterator<Item = (&str, ConfigValue<'_>)> {
        self.text.lines().filter_map(|line| {
            let (name, value) = line.split_once('=')?;
            name.starts_with("CONFIG_")
                .then(|| (name, ConfigValue::parse(value.trim())))
        })
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Config { text, path } = self;
        f.debug_struct("Config")
            .field("path", path)
            .field("bytes", &text.len())
            .finish()
    }
}

impl<'a> ConfigValue<'a> {
    /// Read the right-hand side of a setting.
    pub fn parse(text: &'a str) -> ConfigValue<'a> {
        match text {
            "y" => ConfigValue::Yes,
            "m" => ConfigValue::Module,
            "n" => ConfigValue::No,
            _ => match text.strip_prefix('"') {
                Some(rest) => ConfigValue::Text(rest.strip_suffix('"').unwrap_or(rest)),
                None => number(text).map_or(ConfigValue::Other(text), ConfigValue::Number),
            },
        }
    }
}

/// A number in the notation of C: decimal, `0x…`, or octal with a leading zero; `-` wraps around.
fn number(text: &str) -> Option<u64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let hex = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X"));
    let (digits, radix) = match hex {
        Some(hex) => (hex, 16),
        None if digits.len() > 1 && digits.starts_with('0') => (&digits[1..], 8),
        None => (digits, 10),
    };
    if digits.starts_with('+') {
        return None;
    }
    let value = u64::from_str_radix(digits, radix).ok()?;
    Some(if negative { value.wrapping_neg() } else { value })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: ConfigValue<'_>) {
        assert_eq!(ConfigValue::parse(text), expected);
    }

    #[test]
    fn values() {
        check("y", ConfigValue::Yes);
        check("m", ConfigValue::Module);
        check("n", ConfigValue::No);
        check("\"lockdown,bpf\"", ConfigValue::Text("lockdown,bpf"));
        check("\"", ConfigValue::Text(""));
        check("1000", ConfigValue::Number(1000));
        check("0", ConfigValue::Number(0));
        check("010", ConfigValue::Number(8));
        check("0xffffffff80000000", ConfigValue::Number(0xffff_ffff_8000_0000));
        check("-1", ConfigValue::Number(u64::MAX));
        check("0x10000000000000000", ConfigValue::Other("0x10000000000000000"));
        check("+1", ConfigValue::Other("+1"));
        check("", ConfigValue::Other(""));
    }

    #[test]
    fn the_first_setting_counts() {
        let config = Config::parse("# CONFIG_A is not set\nCONFIG_B=y\nCONFIG_B=m\nX=1\nCONFIG_BB=n\r\n");
        assert_eq!(config.get("CONFIG_A"), None);
        assert_eq!(config.get("CONFIG_B"), Some(ConfigValue::Yes));
        assert_eq!(config.get("CONFIG_BB"), Some(ConfigValue::No));
        assert_eq!(config.iter().count(), 3);
        assert!(config.is_on("CONFIG_B") && !config.is_on("CONFIG_BB"));
    }

    #[test]
    fn plain_and_compressed_files_read_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let (plain, packed) = (folder.path().join("config"), folder.path().join("config.gz"));
        fs::write(&plain, "CONFIG_BPF=y\n").unwrap();
        let mut gz = GzEncoder::new(File::create(&packed).unwrap(), Compression::fast());
        gz.write_all(b"CONFIG_BPF=y\n").unwrap();
        gz.finish().unwrap();
        for path in [plain, packed] {
            let config = Config::read(&path).unwrap();
            assert_eq!(config.get("CONFIG_BPF"), Some(ConfigValue::Yes));
            assert_eq!(config.path(), Some(&*path));
        }
    }

    #[test]
    fn a_file_that_unpacks_to_far_too_much_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.gz");
        let mut gz = GzEncoder::new(File::create(&path).unwrap(), Compression::fast());
        let zeros = vec![0; 1 << 20];
        for _ in 0..17 {
            gz.write_all(&zeros).unwrap();
        }
        gz.finish().unwrap();
        assert_eq!(
            Config::read(&path).unwrap_err().kind(),
            io::ErrorKind::FileTooLarge
        );
    }
}
