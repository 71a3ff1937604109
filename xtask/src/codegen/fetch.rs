//! Gets the BTF of the newest kernel package of the distribution, without touching the machine's own package state.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use goblin::elf::Elf;

use crate::shell;

/// The suite with the newest kernels.
const SUITE: &str = "trixie-backports";
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Release ("7.3") and BTF of the newest kernel.
pub(super) fn newest() -> Result<(String, Vec<u8>)> {
    let scratch = std::env::temp_dir().join(format!("bpfld-codegen-{}", std::process::id()));
    let result = download(&scratch);
    fs::remove_dir_all(&scratch).with_context(|| format!("cannot remove {}", scratch.display()))?;
    result
}

fn download(scratch: &Path) -> Result<(String, Vec<u8>)> {
    for directory in ["lists/partial", "archives/partial", "kernel"] {
        fs::create_dir_all(scratch.join(directory))
            .with_context(|| format!("cannot make {}", scratch.display()))?;
    }
    let configuration = configure(scratch)?;
    let apt = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        shell::output(
            command
                .args(arguments)
                .env("APT_CONFIG", &configuration)
                .current_dir(scratch.join("kernel")),
        )
    };
    apt("apt-get", &["-q=2", "update"])?;
    let names = apt("apt-cache", &["pkgnames", "linux-binary-"])?;
    // Newest first; the index can name a package that is no longer there.
    let mut packages: Vec<_> = names
        .lines()
        .filter(|name| name.ends_with("-cloud-amd64") && !name.contains("unsigned"))
        .collect();
    packages.sort_by_key(|name| std::cmp::Reverse(numbers(name)));
    for package in packages.iter().take(4) {
        if apt("apt-get", &["-q=2", "download", package]).is_err() {
            println!("{package} is not to be had");
            continue;
        }
        println!("{package}");
        let [major, minor, ..] = numbers(package)[..] else {
            bail!("{package} has no release in its name")
        };
        let archive = first_file(&scratch.join("kernel"), ".deb")?;
        shell::output(
            Command::new("dpkg-deb")
                .arg("-x")
                .arg(&archive)
                .arg(scratch.join("kernel")),
        )?;
        return Ok((
            format!("{major}.{minor}"),
            btf(&first_file(&scratch.join("kernel"), "vmlinuz")?)?,
        ));
    }
    bail!("no kernel package can be had from {SUITE}")
}

/// The numbers in a name, which order packages by release.
fn numbers(name: &str) -> Vec<u64> {
    name.split(|character: char| !character.is_ascii_digit())
        .filter_map(|number| number.parse().ok())
        .collect()
}

/// A package configuration of its own: where its state is, and one suite. Returns its path.
fn configure(scratch: &Path) -> Result<PathBuf> {
    let addresses = shell::output(Command::new("apt-get").args([
        "-o",
        &format!("Dir::State={}", scratch.join("lists").display()),
        "-o",
        "Dir::State::status=/dev/null",
        "update",
        "--print-uris",
    ]))?;
    // 'ADDRESS/dists/SUITE/InRelease' …: the first that is not for security updates.
    let base = addresses
        .lines()
        .filter_map(|line| line.strip_prefix('\'')?.split_once("/dists/"))
        .find(|(_, suite)| !suite.contains("security"))
        .map(|(base, _)| base)
        .context("this machine has no package source to go by")?;
    let sources = scratch.join("sources.list");
    write_private(
        &sources,
        &format!("deb [arch=amd64 signed-by={KEYRING} check-valid-until=no] {base} {SUITE} main\n"),
    )?;
    fs::write(scratch.join("status"), "")?;
    // How this machine reaches its packages stays; everything else is our own.
    let dump = shell::output(Command::new("apt-config").arg("dump"))?;
    let mut text: String = dump
        .lines()
        .filter(|line| line.starts_with("Acquire::"))
        .map(|line| format!("{line}\n"))
        .collect();
    for none in ["main", "parts", "sourceparts", "preferences", "preferencesparts"] {
        text += &format!("Dir::Etc::{none} \"/dev/null\";\n");
    }
    let here = scratch.display();
    text += &format!("Dir::Etc::sourcelist \"{}\";\n", sources.display());
    text += &format!(
        "Dir::State \"{here}\";\nDir::State::lists \"{here}/lists\";\nDir::State::status \"{here}/status\";\n"
    );
    text += &format!("Dir::Cache \"{here}\";\nDir::Cache::archives \"{here}/archives\";\n");
    text += "APT::Architecture \"amd64\";\nAPT::Architectures { \"amd64\"; };\n";
    text += "APT::Sandbox::User \"\";\nAcquire::Languages \"none\";\n";
    let configuration = scratch.join("apt.conf");
    write_private(&configuration, &text)?;
    Ok(configuration)
}

/// Addresses and proxies are nobody else's business.
fn write_private(path: &Path, text: &str) -> Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    Ok(file.write_all(text.as_bytes())?)
}

/// A file below `directory` whose name begins or ends with `part`.
fn first_file(directory: &Path, part: &str) -> Result<PathBuf> {
    let mut pending = vec![directory.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if entry.file_type()?.is_dir() {
                pending.push(entry.path());
            } else if name.starts_with(part) || name.ends_with(part) {
                return Ok(entry.path());
            }
        }
    }
    bail!("no {part} in the package")
}

/// The BTF in a file: itself, the section of an ELF file, or that in a kernel image.
pub(super) fn btf(file: &Path) -> Result<Vec<u8>> {
    let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    if bytes.starts_with(&[0x9f, 0xeb]) {
        return Ok(bytes);
    }
    let elf = if bytes.starts_with(b"\x7fELF") {
        bytes
    } else {
        unpack(&bytes)?
    };
    let parsed = Elf::parse(&elf).context("the kernel is no ELF file")?;
    let section = parsed
        .section_headers
        .iter()
        .find(|section| parsed.shdr_strtab.get_at(section.sh_name) == Some(".BTF"));
    let range = section
        .and_then(|section| section.file_range())
        .context("the kernel has no BTF")?;
    Ok(elf.get(range).context("the kernel's BTF is cut off")?.to_vec())
}

/// The kernel in a compressed image for x86: where it is stands in the image's setup header.
fn unpack(image: &[u8]) -> Result<Vec<u8>> {
    ensure!(
        image.get(0x202..0x206) == Some(b"HdrS"),
        "no kernel image for x86"
    );
    let number = |at: usize| -> Result<usize> {
        let bytes = image
            .get(at..)
            .and_then(|rest| rest.first_chunk())
            .context("the image is cut off")?;
        Ok(usize::try_from(u32::from_le_bytes(*bytes))?)
    };
    let sectors = match image.get(0x1f1) {
        Some(0) | None => 4,
        Some(sectors) => usize::from(*sectors),
    };
    let start = (sectors + 1) * 512 + number(0x248)?;
    // The last four bytes are the length of what is packed.
    let payload = image
        .get(start..start + number(0x24c)? - 4)
        .context("the image is cut off")?;
    let (program, argument) = match payload {
        [0x28, 0xb5, 0x2f, 0xfd, ..] => ("zstd", "-dc"),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => ("xz", "-dc"),
        [0x1f, 0x8b, ..] => ("gzip", "-dc"),
        [0x02, 0x21, 0x4c, 0x18, ..] => ("lz4", "-dc"),
        _ => bail!("the kernel is packed in an unknown way"),
    };
    pipe(Command::new(program).arg(argument), payload)
}

/// Runs a command with `input` and returns what it printed.
fn pipe(command: &mut Command, input: &[u8]) -> Result<Vec<u8>> {
    use std::io::{Read as _, Write as _};
    use std::process::Stdio;
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", shell::show(command)))?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let mut output = Vec::new();
    std::thread::scope(|scope| -> Result<()> {
        let writer = scope.spawn(move || {
            stdin
                .context("no input")?
                .write_all(input)
                .context("cannot write")
        });
        stdout.context("no output")?.read_to_end(&mut output)?;
        writer.join().map_err(|_| anyhow::anyhow!("the writer stopped"))?
    })?;
    ensure!(child.wait()?.success(), "{} failed", shell::show(command));
    Ok(output)
}
