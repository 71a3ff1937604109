//! The mutation ring: naively damaged fixtures through everything that reads bytes. No input may panic, take long, or take
//! memory beyond a small multiple of its size.
//!
//! `BPFLD_MUTATIONS` says how many inputs (default 4,000; CI takes 100,000), `BPFLD_SEED` where to begin. A failed input is
//! kept in a file that the message names; moved to `tests/fixtures/malformed`, it is tried on every run from then on.
#![expect(clippy::unwrap_used, reason = "these are tests")]

mod readers;

use std::{
    fs,
    io::Write as _,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use bpfld_tests::{
    CountingAllocator, Need, measure,
    mutate::{Random, mutate},
    require,
};
use nix::time::{ClockId, clock_gettime};
use readers::{READERS, Reader};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Bytes that an input may take at once: a fixed sum and a multiple of its size. What the allocator refuses is more, so that
/// the test can tell which input it was.
const BOUND: Bound = Bound {
    fixed: 32 << 10,
    multiple: 32,
};

struct Bound {
    fixed: usize,
    multiple: usize,
}

impl Bound {
    fn of(reader: &Reader) -> Self {
        match reader.name {
            // holds several forms of the types at once
            "btf" => Bound {
                multiple: 40,
                ..BOUND
            },
            // declarations are many times as long as what they declare, and Rust's are put together before they are printed
            "btf_printed" => Bound {
                fixed: 1 << 20,
                multiple: 128,
            },
            // each machine has its tables of helpers and kernel functions
            "machine" => Bound {
                fixed: 64 << 10,
                ..BOUND
            },
            _ => BOUND,
        }
    }
}

const REFUSED: usize = 512 << 20;

/// Processor time that an input may take.
const TIME: Duration = Duration::from_secs(2);

/// Time after which an input hangs, on whatever machine.
const HANG: Duration = Duration::from_secs(120);

#[test]
fn object() {
    ring("object");
}

#[test]
fn btf() {
    ring("btf");
}

#[test]
fn btf_records() {
    ring("btf_records");
}

#[test]
fn btf_printed() {
    ring("btf_printed");
}

#[test]
fn btf_ext() {
    ring("btf_ext");
}

#[test]
fn machine() {
    ring("machine");
}

#[test]
fn core_target() {
    ring("core_target");
}

#[test]
fn insns() {
    ring("insns");
}

#[test]
fn asm() {
    ring("asm");
}

/// The kernel's own types, with all names entered, take no more than two MiB besides the data.
#[test]
fn kernel_types_take_little() {
    require!(Need::Config("CONFIG_DEBUG_INFO_BTF"));
    let bytes = fs::read("/sys/kernel/btf/vmlinux").unwrap();
    let (btf, usage) = measure(REFUSED, || {
        let btf = bpfld_btf::Btf::parse(bytes).unwrap();
        assert!(btf.find("task_struct", bpfld_btf::Kind::STRUCT).is_some());
        btf.index_memory();
        btf
    });
    let _ = writeln!(
        std::io::stderr(),
        "{} types: {} bytes at most, {} kept, {} allocations",
        btf.len(),
        usage.peak,
        btf.index_memory(),
        usage.calls
    );
    assert!(usage.peak <= 2 << 20, "{} bytes", usage.peak);
}

/// Fixtures as they are, and inputs that were once too much.
#[test]
fn replay() {
    let malformed = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/malformed");
    let mut inputs: Vec<(String, Vec<u8>)> = Vec::new();
    for entry in fs::read_dir(malformed).into_iter().flatten() {
        let path = entry.unwrap().path();
        inputs.push((path.display().to_string(), fs::read(&path).unwrap()));
    }
    readers::prepare();
    for reader in &READERS {
        let seeds = (reader.seeds)();
        assert!(!seeds.is_empty(), "{} has nothing to begin with", reader.name);
        for (name, bytes) in seeds.iter().chain(&inputs) {
            if let Err(fault) = attempt(reader, bytes) {
                panic!("{} of {name}: {fault}", reader.name);
            }
        }
    }
}

/// This reader's share of the mutated inputs.
#[track_caller]
fn ring(name: &'static str) {
    let reader = READERS.iter().find(|reader| reader.name == name).unwrap();
    let total = number("BPFLD_MUTATIONS").unwrap_or(4_000);
    let count = total * reader.share / READERS.iter().map(|reader| reader.share).sum::<u64>();
    let seed = number("BPFLD_SEED").unwrap_or(0);
    let seeds = (reader.seeds)();
    readers::prepare();
    let watch = Watch::start(name);
    let fixed = Bound::of(reader).fixed;
    let (mut faults, mut largest) = (Vec::new(), 0.0_f64);
    for index in seed..seed + count {
        let mut random = Random::new(index);
        let (origin, bytes) = &seeds[random.below(seeds.len())];
        let mut input = bytes.clone();
        mutate(&mut input, &mut random);
        watch.note(index);
        match attempt(reader, &input) {
            Ok(peak) => largest = largest.max(peak.saturating_sub(fixed) as f64 / (input.len() + 1) as f64),
            Err(fault) => {
                let path = keep(name, index, &input);
                faults.push(format!(
                    "BPFLD_SEED={index} from {origin}: {fault}; kept as {}",
                    path.display()
                ));
                if faults.len() == 10 {
                    break;
                }
            }
        }
    }
    let _ = writeln!(
        std::io::stderr(),
        "{name}: {count} mutated inputs, at most {largest:.1} times their size beyond {fixed} bytes"
    );
    assert!(
        faults.is_empty(),
        "{} faults\n{}",
        faults.len(),
        faults.join("\n")
    );
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} is no number: {text}"))
    })
}

/// Reads one input; the peak of memory, or what is wrong.
fn attempt(reader: &Reader, input: &[u8]) -> Result<usize, String> {
    let clock = || Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap());
    let start = clock();
    let (result, usage) = measure(REFUSED, || {
        catch_unwind(AssertUnwindSafe(|| (reader.read)(input)))
    });
    let took = clock() - start;
    let bound = Bound::of(reader);
    let limit = bound.fixed + bound.multiple * input.len();
    if let Err(payload) = result {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        Err(format!(
            "panic: {}",
            text.or(payload.downcast_ref::<&str>().copied()).unwrap_or("?")
        ))
    } else if took > TIME {
        Err(format!("took {took:?}"))
    } else if usage.peak > limit {
        Err(format!(
            "took {} bytes of memory for {} of input",
            usage.peak,
            input.len()
        ))
    } else {
        Ok(usage.peak)
    }
}

/// Writes an input to a file of its own.
fn keep(name: &str, index: u64, input: &[u8]) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mutation");
    fs::create_dir_all(&directory).unwrap();
    let path = directory.join(format!("{name}-{index}"));
    fs::write(&path, input).unwrap();
    path
}

/// Ends the process when an input hangs, and says which.
struct Watch(mpsc::Sender<u64>);

impl Watch {
    fn start(name: &'static str) -> Watch {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let mut last = None;
            loop {
                match receiver.recv_timeout(HANG) {
                    Ok(index) => last = Some(index),
                    Err(RecvTimeoutError::Disconnected) => return,
                    Err(RecvTimeoutError::Timeout) => {
                        let _ = writeln!(std::io::stderr(), "{name} hangs at BPFLD_SEED={last:?}");
                        std::process::abort();
                    }
                }
            }
        });
        Watch(sender)
    }

    fn note(&self, index: u64) {
        let _ = self.0.send(index);
    }
}
