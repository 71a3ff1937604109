//! A kernel on this machine: image, modules, configuration.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    apt::Archive,
    name::numbers,
    package::{self, Build},
};
use crate::{
    Arch, Error, KernelName, Result,
    error::{Doing as _, at},
};

/// Suites of the distribution, in the order in which they are asked for a line: those first whose kernels are their own.
const SUITES: [&str; 5] = [
    "bookworm-security",
    "trixie-backports",
    "trixie-security",
    "trixie",
    "bullseye-security",
];

/// Those with the newest kernels.
const NEWEST: [&str; 3] = ["trixie-backports", "trixie-security", "trixie"];

/// How many builds of a line are tried: a list can name a package that is no longer there.
const BUILDS: usize = 4;

/// The modules that tests of BPF need, with what they depend on; unless others are asked for, these are kept.
pub const MODULES: &[&str] = &[
    "act_bpf",
    "cls_bpf",
    "crc32c_generic",
    "dummy",
    "hid",
    "hid_generic",
    "libcrc32c",
    "nf_conntrack",
    "nf_defrag_ipv4",
    "nf_defrag_ipv6",
    "sch_ingress",
    "tcp_dctcp",
    "tun",
    "uhid",
    "veth",
    "virtio",
    "virtio_console",
    "virtio_pci",
    "virtio_pci_legacy_dev",
    "virtio_pci_modern_dev",
    "virtio_ring",
];

/// A kernel that a guest can boot.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// Its architecture.
    pub arch: Arch,
    /// Its release: `6.12.117+deb12-cloud-amd64`.
    pub release: String,
    /// The image to boot.
    pub image: PathBuf,
    /// Modules, unpacked, to be inserted at boot.
    pub modules: Vec<PathBuf>,
    /// The configuration it was built with.
    pub config: Option<PathBuf>,
}

impl Kernel {
    /// A kernel of one's own: an image, and a directory with modules (`*.ko`, at any depth) to insert. Of `vmlinuz-6.12` the release is
    /// `6.12`, and the configuration is taken from `config-6.12` beside it, if that is there.
    ///
    /// # Errors
    ///
    /// A file cannot be read.
    pub fn from_files(arch: Arch, image: &Path, modules: Option<&Path>) -> Result<Kernel> {
        fs::metadata(image).doing(at("read", image))?;
        let modules = match modules {
            Some(directory) => modules_below(directory)?,
            None => Vec::new(),
        };
        let name = image.file_name().unwrap_or_default().to_string_lossy();
        let rest = name.strip_prefix("vmlinuz");
        let config = rest.map(|rest| image.with_file_name(format!("config{rest}")));
        let release = rest.map_or(&*name, |rest| rest.trim_start_matches('-'));
        Ok(Kernel {
            arch,
            release: if release.is_empty() { &name } else { release }.to_owned(),
            image: image.to_path_buf(),
            modules,
            config: config.filter(|config| config.exists()),
        })
    }

    /// The first two numbers of the release: `6.12`.
    pub fn line(&self) -> String {
        let parts: Vec<&str> = self.release.splitn(3, ['.', '-']).take(2).collect();
        parts.join(".")
    }

    /// Reads what [`Cache::fetch`](super::Cache::fetch) put into a directory, if it is complete.
    pub(super) fn from_cache(arch: Arch, directory: &Path, wanted: &[&str]) -> Option<Kernel> {
        let manifest = fs::read_to_string(directory.join("manifest")).ok()?;
        let mut lines = manifest.lines();
        let release = lines.next()?.to_owned();
        let kept: Vec<&str> = lines.next()?.split(' ').collect();
        if !wanted.iter().all(|module| kept.contains(module)) {
            return None;
        }
        let mut kernel = Kernel {
            arch,
            release,
            image: PathBuf::new(),
            modules: Vec::new(),
            config: None,
        };
        for line in lines {
            let (size, name) = line.split_once(' ')?;
            let path = directory.join(name);
            if fs::metadata(&path).ok()?.len() != size.parse::<u64>().ok()? {
                return None;
            }
            match name {
                "vmlinuz" => kernel.image = path,
                "config" => kernel.config = Some(path),
                module => {
                    if wanted.contains(&module.trim_end_matches(".ko")) {
                        kernel.modules.push(path);
                    }
                }
            }
        }
        (!kernel.image.as_os_str().is_empty()).then_some(kernel)
    }
}

/// Kernels that were fetched, below one directory.
#[derive(Clone, Debug)]
pub struct Cache {
    directory: PathBuf,
}

impl Cache {
    /// A cache below this directory.
    ///
    /// # Errors
    ///
    /// It cannot be made.
    pub fn at(directory: impl Into<PathBuf>) -> Result<Cache> {
        let directory = directory.into();
        fs::create_dir_all(&directory).doing(at("create", &directory))?;
        Ok(Cache {
            directory: fs::canonicalize(&directory).doing(at("find", &directory))?,
        })
    }

    /// The cache of this user: what `BPFLD_GUEST_CACHE` names, or `bpfld-guest` among the user's caches.
    ///
    /// # Errors
    ///
    /// It cannot be made, or the user has no home.
    pub fn of_user() -> Result<Cache> {
        let variable = |name| {
            std::env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let directory = variable("BPFLD_GUEST_CACHE")
            .or_else(|| Some(variable("XDG_CACHE_HOME")?.join("bpfld-guest")))
            .or_else(|| Some(variable("HOME")?.join(".cache/bpfld-guest")));
        Cache::at(directory.ok_or_else(|| Error::Io {
            doing: "find a place for kernels: set BPFLD_GUEST_CACHE".to_owned(),
            source: io::ErrorKind::NotFound.into(),
        })?)
    }

    /// Where it is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Downloads a package of the distribution in a version that begins so, or finds it in the cache.
    ///
    /// # Errors
    ///
    /// There is no such package, or it cannot be had.
    pub fn package(&self, arch: Arch, name: &str, version: &str) -> Result<PathBuf> {
        let _lock = self.lock()?;
        let directory = self.directory.join("packages").join(format!("{name}-{version}"));
        if let Some(package) = first_file(&directory) {
            return Ok(package);
        }
        let mut tried = Vec::new();
        for suite in NEWEST {
            let scratch = self.directory.join("packages/part");
            if scratch.exists() {
                fs::remove_dir_all(&scratch).doing(at("remove", &scratch))?;
            }
            fs::create_dir_all(&scratch).doing(at("create", &scratch))?;
            let downloaded = self
                .archive(arch, suite)
                .and_then(|archive| archive.download(&[format!("{name}={version}*")], &scratch));
            match downloaded {
                Ok(()) => {
                    fs::rename(&scratch, &directory).doing(at("complete", &directory))?;
                    return first_file(&directory)
                        .ok_or_else(|| Error::BadKernel(format!("{} is empty", directory.display())));
                }
                Err(error) => tried.push(format!("{suite}: {error}")),
            }
        }
        Err(Error::BadKernel(format!(
            "no package {name} {version} can be had: {}",
            tried.join("; ")
        )))
    }

    fn archive(&self, arch: Arch, suite: &str) -> Result<Archive> {
        let state = self.directory.join("apt").join(arch.name()).join(suite);
        Archive::open(&state, suite, arch.machine().debian)
    }

    /// Others of this user wait as long as the value lives.
    fn lock(&self) -> Result<fs::File> {
        let path = self.directory.join("lock");
        let lock = fs::File::create(&path).doing(at("create", &path))?;
        lock.lock().doing(at("lock", &path))?;
        Ok(lock)
    }

    /// Gets a kernel from the distribution, with these modules as far as there are such, or from the cache.
    ///
    /// Needs `apt-get` and `dpkg-deb` on this machine, no rights, and changes nothing of the machine's own package state.
    /// Which build of a line it is, is decided by what the distribution offers at the time. Signatures are checked by apt,
    /// files in the cache by their size.
    ///
    /// # Errors
    ///
    /// The distribution has no such kernel (any more), or cannot be reached.
    pub fn fetch(&self, name: KernelName, arch: Arch, modules: &[&str]) -> Result<Kernel> {
        let _lock = self.lock()?;
        let mut tried = Vec::new();
        let suites = if name.line.is_some() { &SUITES[..] } else { &NEWEST };
        for suite in suites {
            let archive = match self.archive(arch, suite) {
                Ok(archive) => archive,
                Err(error) => {
                    tried.push(format!("{suite}: {error}"));
                    continue;
                }
            };
            for build in builds(&archive, name, arch)?.into_iter().take(BUILDS) {
                let directory = self
                    .directory
                    .join("kernels")
                    .join(arch.name())
                    .join(&build.release);
                if let Some(kernel) = Kernel::from_cache(arch, &directory, modules) {
                    return Ok(kernel);
                }
                match package::install(&archive, &build, modules, &directory) {
                    Ok(()) => {
                        return Kernel::from_cache(arch, &directory, modules).ok_or_else(|| {
                            Error::BadKernel(format!("{} is not complete", directory.display()))
                        });
                    }
                    Err(error) => tried.push(format!("{}: {error}", build.release)),
                }
            }
        }
        if tried.is_empty() {
            tried.push(format!("there is none in {}", suites.join(", ")));
        }
        Err(Error::NoKernel {
            name: name.to_string(),
            arch: arch.machine().debian,
            why: tried.join("; "),
        })
    }
}

/// The builds of a line in a suite, newest first. For the newest line, only such as still have their modules.
fn builds(archive: &Archive, name: KernelName, arch: Arch) -> Result<Vec<Build>> {
    let flavour = name.flavour(arch);
    let names: Vec<String> = archive
        .names("linux-")?
        .into_iter()
        .filter(|package| package.ends_with(&flavour))
        .filter(|package| name.flavour(arch).contains("cloud") || !package.contains("-cloud-"))
        .filter(|package| {
            !["unsigned", "-dbg", "-rt-"]
                .iter()
                .any(|part| package.contains(part))
        })
        .collect();
    let has = |package: &String| names.contains(package);
    let mut builds = Vec::new();
    for package in &names {
        // From 6.19 on an image is three packages, and the one called so is empty.
        let (release, split) = match (
            package.strip_prefix("linux-image-"),
            package.strip_prefix("linux-binary-"),
        ) {
            (Some(release), _) if !has(&format!("linux-binary-{release}")) => (release, false),
            (_, Some(release)) => (release, true),
            _ => continue,
        };
        let [major, minor, _, ..] = numbers(release)[..] else {
            continue;
        };
        if name
            .line
            .is_some_and(|line| (u64::from(line.0), u64::from(line.1)) != (major, minor))
        {
            continue;
        }
        let mut packages = vec![package.clone()];
        if split {
            let modules = format!("linux-modules-{release}");
            if !has(&modules) {
                continue;
            }
            packages.push(modules);
            packages.extend(Some(format!("linux-base-{release}")).filter(has));
        }
        builds.push(Build {
            release: release.to_owned(),
            packages,
        });
    }
    builds.sort_by_key(|build| std::cmp::Reverse(numbers(&build.release)));
    Ok(builds)
}

fn first_file(directory: &Path) -> Option<PathBuf> {
    let entry = fs::read_dir(directory).ok()?.next()?.ok()?;
    Some(entry.path())
}

/// All modules below a directory.
fn modules_below(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut modules = Vec::new();
    let mut pending = vec![directory.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(&directory).doing(at("list", &directory))? {
            let entry = entry.doing(at("list", &directory))?;
            let path = entry.path();
            if entry.file_type().doing(at("read", &path))?.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|ending| ending == "ko") {
                modules.push(path);
            }
        }
    }
    modules.sort();
    Ok(modules)
}
