//! Holds the table of instructions against LLVM: every opcode with all that can tell instructions apart, and every program of
//! the fixtures, or of any folder.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::Write as _,
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use bpfld_insn::{
    Endian, Insn, Op, Slot,
    op::{Field, Pattern},
    print,
};

use crate::shell;

/// The newest release in the archive of Debian 12.
const MC: &str = "llvm-mc-22";
const OBJDUMP: &str = "llvm-objdump-22";
const PACKAGES: [&str; 1] = ["llvm-22"];

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Install LLVM with apt-get if it is missing
    #[arg(long)]
    install: bool,
    /// A folder with more objects
    #[arg(value_name = "DIR")]
    objects: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    if args.install && !(shell::exists(MC) && shell::exists(OBJDUMP)) {
        shell::install(&PACKAGES)?;
    }
    opcode_space()?;
    let mut command = Command::new("cargo");
    command
        .args(["test", "--quiet", "--package", "bpfld-insn", "--test", "corpus"])
        .current_dir(shell::root())
        .env("LLVM_OBJDUMP", OBJDUMP);
    if let Some(folder) = &args.objects {
        command.env(
            "BPFLD_CORPUS",
            folder.canonicalize().context("the folder of objects")?,
        );
    }
    shell::run(&mut command)
}

/// Where we and LLVM are not of one mind on purpose, and why.
fn differs(ours: Option<Insn>, slots: &[Slot], theirs: Option<&Line>) -> Option<&'static str> {
    let imm = slots.first().map_or(0, |slot| slot.imm);
    let Some(theirs) = theirs else {
        return Some(match ours?.op() {
            Op::PercpuAddr | Op::SpeculationBarrier => "only kernels make it",
            _ => return None,
        });
    };
    let Some(ours) = ours else {
        return if theirs.bytes != hex(slots) {
            Some("LLVM does not look at fields that must be zero, and loses them")
        } else if Insn::decode_dump(slots).is_ok() {
            Some("programs may not name r11")
        } else if theirs.text.starts_with("ld_pseudo") {
            Some("LLVM takes any source and any second number, kernels do not")
        } else {
            None
        };
    };
    Some(match ours.op() {
        Op::LoadAddr(_) => "LLVM's ld_pseudo loses the second slot, and does not say what the number is",
        Op::LoadInd(_) if imm != 0 => "LLVM loses the constant",
        Op::CallKfunc => "the three kinds of calls look alike in LLVM",
        Op::CallSubprog if imm >= 0 => "the three kinds of calls look alike in LLVM",
        Op::CallHelper if imm < 0 => "a helper's id is not negative, a distance is",
        _ => return None,
    })
}

/// What LLVM makes of one encoding: its text, and the bytes it would write for that.
struct Line {
    text: String,
    bytes: String,
}

fn opcode_space() -> Result<()> {
    let space = space();
    let lines = disassemble(&space)?;
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    let mut differences = Vec::new();
    let (mut same, mut neither) = (0, 0);
    for (slots, theirs) in space.iter().zip(&lines) {
        let ours = Insn::decode(slots).ok();
        let text = ours.map(|_| {
            let printer = print(slots).labels(false).helper_names(false);
            printer.to_string().trim().to_owned()
        });
        match (&text, theirs) {
            (None, None) => neither += 1,
            (Some(ours), Some(theirs)) if *ours == theirs.text => same += 1,
            _ => match differs(ours, slots, theirs.as_ref()) {
                Some(reason) => *reasons.entry(reason).or_default() += 1,
                None => differences.push(format!(
                    "{}: ours {}, theirs {}",
                    hex(slots),
                    text.as_deref().unwrap_or("nothing"),
                    theirs.as_ref().map_or("nothing", |line| &line.text)
                )),
            },
        }
    }
    println!("{same} encodings print alike, {neither} are no instruction for either");
    for (reason, count) in reasons {
        println!("{count} differ on purpose: {reason}");
    }
    for difference in differences.iter().take(100) {
        println!("{difference}");
    }
    ensure!(
        differences.is_empty(),
        "{} encodings differ without a reason",
        differences.len()
    );
    Ok(())
}

/// Every opcode with the registers, offsets and immediates that tell instructions apart, and with some that do not.
fn space() -> Vec<Vec<Slot>> {
    let values = |field: fn(&Pattern) -> Field, more: &[i32]| {
        let exact = Op::ALL.iter().filter_map(|op| match field(&op.pattern()) {
            Field::Exactly(value) => Some(value),
            Field::Register | Field::Any => None,
        });
        let mut values: Vec<i32> = exact.chain(more.iter().copied()).collect();
        values.sort_unstable();
        values.dedup();
        values
    };
    let offsets = values(|pattern| pattern.offset, &[7, i32::from(i16::MIN)]);
    let imms = values(|pattern| pattern.imm, &[7, -2, i32::MIN]);
    let mut space = Vec::new();
    for opcode in 0..=255 {
        let known = Op::ALL.iter().any(|op| op.pattern().opcode == opcode);
        for src in if known { 0..12 } else { 0..2 } {
            for dst in [0, 3, 10] {
                for offset in &offsets {
                    for imm in &imms {
                        let slot = Slot::new(opcode, dst, src, *offset as i16, *imm);
                        if slot.is_ldimm64() {
                            space.push(vec![slot, Slot::default()]);
                            space.push(vec![slot, Slot::new(0, 0, 0, 0, -7)]);
                        } else {
                            space.push(vec![slot]);
                        }
                    }
                }
            }
        }
    }
    space
}

fn hex(slots: &[Slot]) -> String {
    let mut text = String::new();
    for byte in slots.iter().flat_map(|slot| slot.to_bytes(Endian::Little)) {
        let _ = write!(text, "{}0x{byte:02x}", if text.is_empty() { "" } else { "," });
    }
    text
}

/// Asks LLVM: one line of input each; it prints one line for each that it takes, and complains of the others by number.
fn disassemble(space: &[Vec<Slot>]) -> Result<Vec<Option<Line>>> {
    let mut command = Command::new(MC);
    command.args(["--disassemble", "-triple=bpfel", "-mcpu=v4", "--show-encoding"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {MC}: apt-get install {}", PACKAGES.join(" ")))?;
    let mut input = child.stdin.take().context("its input is piped")?;
    let text: String = space.iter().map(|slots| hex(slots) + "\n").collect();
    let writer = std::thread::spawn(move || input.write_all(text.as_bytes()));
    let output = child.wait_with_output().context("cannot wait for LLVM")?;
    writer
        .join()
        .ok()
        .context("the writer died")?
        .context("cannot write to LLVM")?;
    let mut refused = vec![false; space.len()];
    for line in String::from_utf8_lossy(&output.stderr).lines() {
        let place = line
            .strip_prefix("<stdin>:")
            .and_then(|line| line.split_once(':'));
        if let Some((number, message)) = place
            && message.contains("invalid instruction encoding")
        {
            let number: usize = number.parse().context("a line number of LLVM")?;
            *refused
                .get_mut(number - 1)
                .context("LLVM counts further than we do")? = true;
        }
    }
    let stdout = String::from_utf8_lossy(&output.stdout);
    let mut texts = stdout.lines().filter_map(|line| line.split_once("# encoding: ["));
    let mut lines = Vec::with_capacity(space.len());
    for refused in refused {
        lines.push(if refused {
            None
        } else {
            let (text, bytes) = texts.next().context("LLVM says too little")?;
            Some(Line {
                text: text.split_whitespace().collect::<Vec<_>>().join(" "),
                bytes: bytes.trim_end_matches(']').to_owned(),
            })
        });
    }
    ensure!(texts.next().is_none(), "LLVM says too much");
    Ok(lines)
}
