//! A ring buffer at its full rate for a long time, with a reader that stalls now and then: `bpfld-soak SECONDS`, run by `cargo xtask soak`.
//!
//! Programs on all CPUs write numbered records of many lengths as fast as they can. Every record that had room must come, once, whole and in
//! the order of its program; records without room are counted by the programs, and are no loss of the reader's. The memory of the process must
//! not grow. Prints what happened, one `name value` a line.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program for the terminal, which ends with what goes wrong"
)]

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use bpfld::{Loaded, Loader, Map, Object, RingBuf};
use bpfld_tests::mutate::Random;

const RING: u32 = 1 << 20;

/// What a process may take more at the end than after its first tenth.
const GROWTH: u64 = 1 << 20;

/// Records start with their number and that of their program; the number tells their length, and fills what is left.
const PROGRAM: &str = r#"
    .license "GPL"
    .bss
    .globl next, full, producer
next:     .quad 0
full:     .quad 0
producer: .quad 0
    .map ring ringbuf max_entries=1048576
    .section socket
fill:
    r6 = next ll
    r7 = *(u64 *)(r6 + 0)
    *(u64 *)(r10 - 64) = r7
    r1 = producer ll
    r1 = *(u64 *)(r1 + 0)
    *(u64 *)(r10 - 56) = r1
    *(u64 *)(r10 - 48) = r7
    *(u64 *)(r10 - 40) = r7
    *(u64 *)(r10 - 32) = r7
    *(u64 *)(r10 - 24) = r7
    *(u64 *)(r10 - 16) = r7
    *(u64 *)(r10 - 8) = r7
    r1 = ring ll
    r2 = r10
    r2 += -64
    r3 = r7
    r3 &= 47
    r3 += 16
    r4 = 0
    call bpf_ringbuf_output
    if r0 != 0 goto refused
    r7 += 1
    *(u64 *)(r6 + 0) = r7
    r0 = 1
    exit
refused:
    r1 = full ll
    r2 = *(u64 *)(r1 + 0)
    r2 += 1
    *(u64 *)(r1 + 0) = r2
    r0 = 0
    exit
"#;

/// What the reader has seen of each program.
struct Seen {
    next: Vec<u64>,
    bytes: u64,
}

impl Seen {
    fn record(&mut self, record: &[u8]) {
        let word = |at: usize| u64::from_ne_bytes(record[at..at + 8].try_into().unwrap());
        let (number, producer) = (word(0), word(8) as usize);
        assert_eq!(number, self.next[producer], "of program {producer}");
        assert_eq!(record.len() as u64, 16 + (number & 47));
        let whole = record.len() & !7;
        assert!(
            (16..whole).step_by(8).all(|at| word(at) == number),
            "{record:02x?}"
        );
        assert_eq!(record[whole..], number.to_ne_bytes()[..record.len() - whole]);
        self.next[producer] += 1;
        self.bytes += record.len() as u64;
    }
}

fn main() {
    let seconds = std::env::args().nth(1).and_then(|text| text.parse().ok());
    let time = Duration::from_secs(seconds.expect("usage: bpfld-soak SECONDS"));
    let object = Object::parse(PROGRAM.as_bytes()).unwrap();
    let map = Map::builder(bpfld::MapType::RINGBUF, "ring").max_entries(RING);
    let map = map.create().unwrap();
    let producers: Vec<Loaded> = (0..thread::available_parallelism().unwrap().get())
        .map(|number| {
            let mut loader = Loader::new();
            loader.map("ring").reuse(&map);
            let loaded = loader.load(&object).unwrap();
            loaded
                .global::<u64>("producer")
                .unwrap()
                .set(&(number as u64))
                .unwrap();
            loaded
        })
        .collect();
    let stop = AtomicBool::new(false);
    let seen = thread::scope(|scope| {
        // Whatever becomes of the reader.
        let _stop = StopOnDrop(&stop);
        for loaded in &producers {
            scope.spawn(|| produce(loaded, &stop));
        }
        read(map.clone().try_into().unwrap(), producers.len(), time)
    });
    let total = |name: &str| -> u64 {
        let values = producers
            .iter()
            .map(|loaded| loaded.global::<u64>(name).unwrap().get().unwrap());
        values.sum()
    };
    let mut rest: RingBuf = map.try_into().unwrap();
    let (mut seen, memory, stalls) = seen;
    let mut drain = rest.drain();
    while let Some(record) = drain.read().unwrap() {
        seen.record(record);
    }
    let records: u64 = seen.next.iter().sum();
    println!("seconds {}", time.as_secs());
    println!("records {records}");
    println!("bytes {}", seen.bytes);
    println!("stalls {stalls}");
    println!("refused {}", total("full"));
    println!("lost {}", total("next") - records);
    println!("memory_before {}", memory.0);
    println!("memory_after {}", memory.1);
    assert_eq!(total("next"), records, "records were lost");
    assert!(memory.1 <= memory.0 + GROWTH, "memory grows: {memory:?}");
}

struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs a program until told otherwise.
fn produce(loaded: &Loaded, stop: &AtomicBool) {
    let program = loaded.program("fill").unwrap();
    while !stop.load(Ordering::Relaxed) {
        program.test_run().data(&[0; 64]).repeat(10_000).run().unwrap();
    }
}

/// Reads for so long, in all ways there are; what was seen, the memory of the process at first and at the end, and how often it stalled.
fn read(mut ring: RingBuf, producers: usize, time: Duration) -> (Seen, (u64, u64), u64) {
    let mut seen = Seen {
        next: vec![0; producers],
        bytes: 0,
    };
    let (mut random, start, mut stalls, mut memory) = (Random::new(7), Instant::now(), 0, None);
    while start.elapsed() < time {
        match random.below(1000) {
            0..5 => {
                thread::sleep(Duration::from_micros(random.below(50_000) as u64));
                stalls += 1;
            }
            5..100 => {
                for _ in 0..1000 {
                    let Some(record) = ring.read().unwrap() else { break };
                    seen.record(&record);
                }
            }
            100..150 => {
                if let Some(record) = ring.read_within(Duration::from_millis(1)).unwrap() {
                    seen.record(&record);
                }
            }
            _ => {
                let mut drain = ring.drain();
                for _ in 0..10_000 {
                    let Some(record) = drain.read().unwrap() else {
                        break;
                    };
                    seen.record(record);
                }
            }
        }
        if memory.is_none() && start.elapsed() > time / 10 {
            memory = Some(resident());
        }
    }
    (seen, (memory.unwrap_or_else(resident), resident()), stalls)
}

/// Bytes of memory that this process has.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes: u64 = line.unwrap().trim().trim_end_matches(" kB").parse().unwrap();
    kilobytes << 10
}
