//! Gets the BTF of the newest kernel of the distribution.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use bpfld_guest::{Arch, Cache, KernelName, MODULES};
use goblin::elf::Elf;

use crate::shell;

/// Release ("7.3") and BTF of the newest kernel.
pub(super) fn newest() -> Result<(String, Vec<u8>)> {
    let kernel = Cache::of_user()?.fetch(KernelName::NEWEST, Arch::X86_64, MODULES)?;
    println!("{}", kernel.release);
    Ok((kernel.line(), btf(&kernel.image)?))
}

/// The BTF in a file: itself, the section of an ELF file, or that in a kernel image.
pub(crate) fn btf(file: &Path) -> Result<Vec<u8>> {
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
