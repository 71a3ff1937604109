//! From packages to the few files of a kernel that a guest needs.

use std::{
    ffi::OsStr,
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::apt::Archive;
use crate::{
    Error, Result,
    error::{Doing as _, at, output, show},
};

/// One build of a kernel, and the packages it is made of.
pub(super) struct Build {
    pub(super) release: String,
    pub(super) packages: Vec<String>,
}

/// No file that is kept is larger.
const LARGEST: u64 = 256 << 20;

/// Downloads the packages of a build and unpacks what is wanted into `directory`, which appears when it is complete.
pub(super) fn install(archive: &Archive, build: &Build, modules: &[&str], directory: &Path) -> Result<()> {
    let mut scratch = directory.as_os_str().to_owned();
    scratch.push(".part");
    let scratch = PathBuf::from(scratch);
    for path in [&scratch, &directory.to_path_buf()] {
        if path.exists() {
            fs::remove_dir_all(path).doing(at("remove", path))?;
        }
    }
    let filled = fill(archive, build, modules, &scratch);
    if filled.is_err() {
        // The next attempt would remove it, too; the first error is the one to tell.
        let _ = fs::remove_dir_all(&scratch);
    }
    filled?;
    fs::rename(&scratch, directory).doing(at("complete", directory))
}

fn fill(archive: &Archive, build: &Build, modules: &[&str], scratch: &Path) -> Result<()> {
    let packages = scratch.join("packages");
    fs::create_dir_all(&packages).doing(at("create", &packages))?;
    archive.download(&build.packages, &packages)?;
    for entry in fs::read_dir(&packages).doing(at("list", &packages))? {
        let package = entry.doing(at("list", &packages))?.path();
        unpack(&package, modules, scratch)?;
    }
    fs::remove_dir_all(&packages).doing(at("remove", &packages))?;
    write_manifest(scratch, build, modules)
}

/// Unpacks image, configuration and modules from a package.
fn unpack(package: &Path, modules: &[&str], into: &Path) -> Result<()> {
    let mut command = Command::new("dpkg-deb");
    command.arg("--fsys-tarfile").arg(package);
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .doing(|| format!("start {}", show(&command)))?;
    let unpacked = child
        .stdout
        .take()
        .map_or(Ok(()), |stream| unpack_stream(stream, modules, into));
    let status = child.wait().doing(|| format!("wait for {}", show(&command)))?;
    unpacked?;
    if !status.success() {
        return Err(Error::BadKernel(format!("{} failed: {status}", show(&command))));
    }
    Ok(())
}

fn unpack_stream(stream: impl Read, modules: &[&str], into: &Path) -> Result<()> {
    let doing = || format!("unpack a package into {}", into.display());
    let mut archive = tar::Archive::new(stream);
    for entry in archive.entries().doing(doing)? {
        let mut entry = entry.doing(doing)?;
        let path = entry.path().doing(doing)?.into_owned();
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let Some(name) = wanted(&path, modules) else {
            continue;
        };
        if entry.size() > LARGEST {
            return Err(Error::BadKernel(format!("{} is too large", path.display())));
        }
        let target = into.join(&name);
        let mut file = fs::File::create(&target).doing(at("create", &target))?;
        std::io::copy(&mut entry, &mut file).doing(doing)?;
        for (ending, program) in [(".xz", "xz"), (".zst", "zstd")] {
            if let Some(plain) = name.strip_suffix(ending) {
                let bytes = output(
                    Command::new(program)
                        .args(["--decompress", "--stdout"])
                        .arg(&target),
                )?;
                let plain = into.join(plain);
                fs::write(&plain, bytes).doing(at("write", &plain))?;
                fs::remove_file(&target).doing(at("remove", &target))?;
            }
        }
    }
    // To the end, or whoever writes is cut off.
    std::io::copy(&mut archive.into_inner(), &mut std::io::sink()).doing(doing)?;
    Ok(())
}

/// What a file in a package is called in the cache, if it is kept: kernels moved between directories over time, so go by name.
fn wanted(path: &Path, modules: &[&str]) -> Option<String> {
    let name = path.file_name().and_then(OsStr::to_str)?;
    if name.starts_with("vmlinuz") {
        return Some("vmlinuz".to_owned());
    }
    let in_modules = path.components().any(|part| part.as_os_str() == "modules");
    if name.starts_with("config-") || name == "config" && in_modules {
        return Some("config".to_owned());
    }
    let (stem, ending) = name.split_once(".ko")?;
    // A module's file may be spelled with hyphens.
    let stem = stem.replace('-', "_");
    modules
        .contains(&stem.as_str())
        .then(|| format!("{stem}.ko{ending}"))
}

/// First the release, then the modules asked for, then each file with its size.
fn write_manifest(directory: &Path, build: &Build, modules: &[&str]) -> Result<()> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).doing(at("list", directory))? {
        let entry = entry.doing(at("list", directory))?;
        let size = entry.metadata().doing(at("read", &entry.path()))?.len();
        files.push((entry.file_name().to_string_lossy().into_owned(), size));
    }
    files.sort();
    if !files.iter().any(|(name, _)| name == "vmlinuz") {
        return Err(Error::BadKernel(format!(
            "the packages of {} hold no kernel",
            build.release
        )));
    }
    let mut text = format!("{}\n{}\n", build.release, modules.join(" "));
    for (name, size) in files {
        text += &format!("{size} {name}\n");
    }
    let path = directory.join("manifest");
    fs::write(&path, text).doing(at("write", &path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, expected: Option<&str>) {
        let modules = ["veth", "nf_conntrack"];
        assert_eq!(wanted(Path::new(path), &modules).as_deref(), expected, "{path}");
    }

    #[test]
    fn files_are_found_wherever_they_are() {
        check("./boot/vmlinuz-5.10.0-46-cloud-amd64", Some("vmlinuz"));
        check("./usr/lib/modules/7.3.4+deb13-amd64/vmlinuz", Some("vmlinuz"));
        check("./boot/config-6.1.0-56-amd64", Some("config"));
        check("./usr/lib/modules/7.3.4+deb13-amd64/config", Some("config"));
        check("./etc/config", None);
        check("./lib/modules/6.1/kernel/drivers/net/veth.ko", Some("veth.ko"));
        check(
            "./lib/modules/6.12/kernel/net/nf-conntrack.ko.xz",
            Some("nf_conntrack.ko.xz"),
        );
        check("./lib/modules/6.12/kernel/net/other.ko.xz", None);
    }
}
