//! Packages of a suite of the distribution, with a package state of our own: nothing of this machine's changes.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::error::{Doing as _, Error, Result, at, output};

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// How long a list of packages is taken as it is.
const FRESH: Duration = Duration::from_secs(12 * 60 * 60);

/// The packages of one suite for one architecture.
#[derive(Debug)]
pub(crate) struct Archive {
    configuration: PathBuf,
}

impl Archive {
    /// Refreshes the list of packages in `directory`, unless it is new enough.
    ///
    /// The addresses are derived from the machine's own package sources, and so is the way to reach them. Signatures are
    /// checked with the keys of the distribution.
    pub(crate) fn open(directory: &Path, suite: &str, arch: &str) -> Result<Archive> {
        let archive = Archive {
            configuration: directory.join("apt.conf"),
        };
        let stamp = directory.join("fresh");
        let age = fs::metadata(&stamp).and_then(|data| data.modified()).ok();
        if age
            .and_then(|time| time.elapsed().ok())
            .is_some_and(|age| age < FRESH)
        {
            return Ok(archive);
        }
        for part in ["lists/partial", "archives/partial"] {
            let part = directory.join(part);
            fs::create_dir_all(&part).doing(at("create", &part))?;
        }
        configure(directory, suite, arch)?;
        archive.run("apt-get", &["-q=2", "update"], directory)?;
        fs::write(&stamp, "").doing(at("write", &stamp))?;
        Ok(archive)
    }

    /// The names of packages that begin with `prefix`.
    pub(crate) fn names(&self, prefix: &str) -> Result<Vec<String>> {
        let text = self.run("apt-cache", &["pkgnames", prefix], Path::new("."))?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// Downloads packages into a directory and checks them against the signed list.
    pub(crate) fn download(&self, packages: &[String], directory: &Path) -> Result<()> {
        let mut arguments = vec!["-q=2", "download"];
        arguments.extend(packages.iter().map(String::as_str));
        self.run("apt-get", &arguments, directory).map(drop)
    }

    fn run(&self, program: &str, arguments: &[&str], directory: &Path) -> Result<String> {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env("APT_CONFIG", &self.configuration)
            .current_dir(directory);
        output(&mut command).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// Writes `sources.list` and `apt.conf`.
fn configure(directory: &Path, suite: &str, arch: &str) -> Result<()> {
    let base = base(directory, suite)?;
    let sources = directory.join("sources.list");
    write_private(
        &sources,
        &format!("deb [arch={arch} signed-by={KEYRING} check-valid-until=no] {base} {suite} main\n"),
    )?;
    let status = directory.join("status");
    fs::write(&status, "").doing(at("write", &status))?;
    // How this machine reaches its packages stays; everything else is our own.
    let dump = output(Command::new("apt-config").arg("dump"))?;
    let mut text: String = String::from_utf8_lossy(&dump)
        .lines()
        .filter(|line| line.starts_with("Acquire::"))
        .map(|line| format!("{line}\n"))
        .collect();
    for none in ["main", "parts", "sourceparts", "preferences", "preferencesparts"] {
        text += &format!("Dir::Etc::{none} \"/dev/null\";\n");
    }
    let here = directory.display();
    text += &format!("Dir::Etc::sourcelist \"{here}/sources.list\";\n");
    text += &format!(
        "Dir::State \"{here}\";\nDir::State::lists \"{here}/lists\";\nDir::State::status \"{here}/status\";\n"
    );
    text += &format!("Dir::Cache \"{here}\";\nDir::Cache::archives \"{here}/archives\";\n");
    text += &format!("APT::Architecture \"{arch}\";\nAPT::Architectures {{ \"{arch}\"; }};\n");
    text += "APT::Sandbox::User \"\";\nAcquire::Languages \"none\";\nAcquire::Retries \"3\";\n";
    write_private(&directory.join("apt.conf"), &text)
}

/// The address that this machine's own sources give for suites of this kind.
fn base(directory: &Path, suite: &str) -> Result<String> {
    let state = directory.join("lists");
    let uris = output(Command::new("apt-get").args([
        "-o",
        &format!("Dir::State={}", state.display()),
        "-o",
        "Dir::State::status=/dev/null",
        "update",
        "--print-uris",
    ]))?;
    let security = suite.ends_with("-security");
    // 'ADDRESS/dists/SUITE/InRelease' …
    String::from_utf8_lossy(&uris)
        .lines()
        .filter_map(|line| line.strip_prefix('\'')?.split_once("/dists/"))
        .find(|(_, rest)| {
            let suite = rest.split('/').next().unwrap_or(rest);
            suite.ends_with("-security") == security
        })
        .map(|(base, _)| base.to_owned())
        .ok_or_else(|| {
            Error::BadKernel(format!(
                "this machine has no package source to derive {suite} from"
            ))
        })
}

/// Addresses and proxies are nobody else's business.
fn write_private(path: &Path, text: &str) -> Result<()> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .doing(at("write", path))?;
    file.write_all(text.as_bytes()).doing(at("write", path))
}
