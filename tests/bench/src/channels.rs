//! Records from programs: ring buffers and perf buffers, filled untimed and emptied timed.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, Result, bail, ensure};
use aya::maps::perf::PerfEvent;
use bpfld::{Loaded, Loader, Map, Object, PerfBuf, PerfRecord, RingBuf};

use crate::{theirs_aya, theirs_libbpf, used_up};

/// Bytes of a ring buffer, and of a perf buffer of a CPU. Half of them are filled when the clock starts.
pub(crate) const BYTES: u32 = 1 << 20;

/// Runs the benchmark of this name; `false` if there is none.
pub(crate) fn run(case: &str, implementation: &str) -> Result<bool> {
    match case {
        "ring-8" => ring(implementation, 8)?,
        "ring-64" => ring(implementation, 64)?,
        "ring-2048" => ring(implementation, 2048)?,
        "perf" => perf(implementation)?,
        _ => return Ok(false),
    }
    Ok(true)
}

/// What a reader makes of records: each starts with a number, and they come in order.
#[derive(Default)]
pub(crate) struct Seen {
    next: u64,
    wrong: u64,
}

impl Seen {
    #[inline]
    pub(crate) fn record(&mut self, record: &[u8]) {
        let number = record
            .first_chunk()
            .map_or(u64::MAX, |bytes| u64::from_ne_bytes(*bytes));
        self.wrong += u64::from(number != self.next);
        self.next += 1;
    }

    /// Fails unless all records that were written have come.
    fn check(&self, written: u64) -> Result<()> {
        ensure!(
            self.next == written && self.wrong == 0,
            "{} of {written} records, {} wrong",
            self.next,
            self.wrong
        );
        Ok(())
    }
}

/// A program that writes numbered records.
struct Producer {
    loaded: Loaded,
    records: u32,
    written: AtomicU64,
}

impl Producer {
    /// A program `fill` that writes a record to the map `channel`, of so many bytes there.
    fn new(text: &str, whole: u32) -> Result<Producer> {
        let object = Object::parse(text.as_bytes().to_vec())?;
        Ok(Producer {
            loaded: Loader::new().load(&object)?,
            records: BYTES / 2 / whole,
            written: AtomicU64::new(0),
        })
    }

    fn channel(&self) -> Result<&Map> {
        Ok(self.loaded.map("channel")?)
    }

    fn fill(&self) -> Result<()> {
        let program = self.loaded.program("fill")?;
        program.test_run().data(&[0; 64]).repeat(self.records).run()?;
        self.written.fetch_add(u64::from(self.records), Ordering::Relaxed);
        Ok(())
    }

    fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }
}

fn ring(implementation: &str, size: u32) -> Result<()> {
    let producer = Producer::new(
        &format!(
            r#"
        .license "GPL"
        .map channel ringbuf max_entries={BYTES}
        .bss
next:   .quad 0
        .section socket
fill:   r1 = channel ll
        r2 = {size}
        r3 = 0
        call bpf_ringbuf_reserve
        if r0 == 0 goto full
        r1 = next ll
        r2 = *(u64 *)(r1 + 0)
        *(u64 *)(r0 + 0) = r2
        r2 += 1
        *(u64 *)(r1 + 0) = r2
        r1 = r0
        r2 = 1
        call bpf_ringbuf_submit
full:   r0 = 0
        exit
        "#
        ),
        size + 8,
    )?;
    let fill = || producer.fill();
    let mut seen = Seen::default();
    match implementation {
        "bpfld" => {
            let mut ring: RingBuf = producer.channel()?.try_into()?;
            used_up(fill, |()| {
                let mut drain = ring.drain();
                while let Some(record) = drain.read()? {
                    seen.record(record);
                }
                seen.check(producer.written())
            })
        }
        "libbpf" => {
            let mut ring = theirs_libbpf::Ring::new(producer.channel()?)?;
            used_up(fill, |()| {
                ring.consume()?;
                ring.seen().check(producer.written())
            })
        }
        "aya" => {
            let mut ring = theirs_aya::ring(producer.channel()?)?;
            used_up(fill, |()| {
                while let Some(record) = ring.next() {
                    seen.record(&record);
                }
                seen.check(producer.written())
            })
        }
        other => bail!("{other} reads no rings"),
    }
}

/// Samples of 64 bytes, all on one CPU.
fn perf(implementation: &str) -> Result<()> {
    let cpu = pin_to_one_cpu()?;
    let producer = Producer::new(
        r#"
        .license "GPL"
        .map channel perf_event_array key=4 value=4 max_entries=1024
        .bss
next:   .quad 0
        .section socket
fill:   r6 = r1
        r1 = next ll
        r2 = *(u64 *)(r1 + 0)
        *(u64 *)(r10 - 64) = r2
        r2 += 1
        *(u64 *)(r1 + 0) = r2
        r2 = 0
        *(u64 *)(r10 - 56) = r2
        *(u64 *)(r10 - 48) = r2
        *(u64 *)(r10 - 40) = r2
        *(u64 *)(r10 - 32) = r2
        *(u64 *)(r10 - 24) = r2
        *(u64 *)(r10 - 16) = r2
        *(u64 *)(r10 - 8) = r2
        r1 = r6
        r2 = channel ll
        r3 = 0xffffffff ll
        r4 = r10
        r4 += -64
        r5 = 64
        call bpf_perf_event_output
        r0 = 0
        exit
        "#,
        // Header, length, and whole words.
        80,
    )?;
    let fill = || producer.fill();
    let mut seen = Seen::default();
    match implementation {
        "bpfld" => {
            let mut samples = PerfBuf::builder()
                .bytes_per_cpu(BYTES as usize)
                .open(producer.channel()?)?;
            used_up(fill, |()| {
                samples.for_each(|record| match record {
                    PerfRecord::Sample { data, .. } => seen.record(data),
                    PerfRecord::Lost { .. } => {}
                })?;
                seen.check(producer.written())
            })
        }
        "libbpf" => {
            let mut samples = theirs_libbpf::Perf::new(producer.channel()?)?;
            used_up(fill, |()| {
                samples.consume()?;
                samples.seen().check(producer.written())
            })
        }
        "aya" => {
            let mut samples = theirs_aya::perf(producer.channel()?, cpu)?;
            used_up(fill, |()| {
                samples.for_each(|event| match event {
                    PerfEvent::Sample { head, tail: [] } => seen.record(head),
                    PerfEvent::Sample { head, tail } => seen.record(&[head, tail].concat()),
                    PerfEvent::Lost { .. } => {}
                });
                seen.check(producer.written())
            })
        }
        other => bail!("{other} reads no perf buffers"),
    }
}

/// Keeps this thread on the CPU that it is on, and tells which.
fn pin_to_one_cpu() -> Result<u32> {
    // SAFETY: no arguments.
    let cpu = unsafe { libc::sched_getcpu() };
    let cpu = usize::try_from(cpu).context("which CPU is this?")?;
    // SAFETY: a set of CPUs is plain numbers.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the number is that of a CPU.
    unsafe { libc::CPU_SET(cpu, &mut set) };
    // SAFETY: the set is valid and its size is told.
    let result = unsafe { libc::sched_setaffinity(0, size_of_val(&set), &raw const set) };
    ensure!(result == 0, std::io::Error::last_os_error());
    Ok(cpu as u32)
}
