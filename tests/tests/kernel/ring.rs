//! Ring buffers.

use std::{
    os::fd::{AsFd, AsRawFd},
    time::{Duration, Instant},
};

use bpfld::{ErrorKind, Map, MapFlags, MapType, Program, ProgramType, RingBuf};
use bpfld_insn::Slot;
use bpfld_tests::{Need, require};

use crate::counter::{call, exit, map_fd, map_value, mov, mov_reg};

const RINGBUF_OUTPUT: i32 = 130;
const RINGBUF_RESERVE: i32 = 131;
const RINGBUF_SUBMIT: i32 = 132;
const RINGBUF_DISCARD: i32 = 133;

/// A program that puts its run's number into a record of `size` bytes, and counts the records that there is no room for. Every
/// fourth record is discarded.
pub(crate) struct Producer {
    program: Program,
    _numbers: Map,
}

impl Producer {
    pub(crate) fn new(ring: &Map, size: i32) -> Producer {
        let numbers = Map::builder(MapType::ARRAY, "numbers")
            .key_size(4)
            .value_size(8)
            .max_entries(1);
        let numbers = numbers.flags(MapFlags::MMAPABLE).create().unwrap();
        let mut code = Vec::new();
        code.extend(map_fd(1, ring));
        code.extend([mov(2, size), mov(3, 0), call(RINGBUF_RESERVE)]);
        let full = code.len();
        code.push(exit());
        code.push(mov_reg(6, 0));
        code.extend(map_value(1, &numbers));
        // r2 = *(u64 *)(r1); *(u64 *)(r6) = r2; r2 += 1; *(u64 *)(r1) = r2; r2 -= 1
        code.extend([
            Slot::new(0x79, 2, 1, 0, 0),
            Slot::new(0x7b, 6, 2, 0, 0),
            Slot::new(0x07, 2, 0, 0, 1),
            Slot::new(0x7b, 1, 2, 0, 0),
            Slot::new(0x07, 2, 0, 0, -1),
        ]);
        // r1 = r6; r2 &= 3; r7 = r2; r2 = 0; if r7 == 3 goto discard
        code.extend([
            mov_reg(1, 6),
            Slot::new(0x57, 2, 0, 0, 3),
            mov_reg(7, 2),
            mov(2, 0),
        ]);
        code.push(Slot::new(0x15, 7, 0, 3, 3));
        code.extend([call(RINGBUF_SUBMIT), mov(0, 1), exit()]);
        code.extend([call(RINGBUF_DISCARD), mov(0, 2), exit()]);
        // Where there is no room: if r0 == 0 goto here
        code[full] = Slot::new(0x15, 0, 0, (code.len() - full - 1) as i16, 0);
        code.extend([mov(0, 0), exit()]);
        let program = Program::builder(ProgramType::SOCKET_FILTER, "producer", &code).load();
        Producer {
            program: program.unwrap_or_else(|error| panic!("{error:#}")),
            _numbers: numbers,
        }
    }

    /// Runs it once and tells what it returned: 0 no room, 1 submitted, 2 discarded.
    pub(crate) fn run(&self) -> u32 {
        self.program.test_run().data(&[0; 14]).run().unwrap().return_value
    }

    pub(crate) fn run_often(&self, times: u32) {
        self.program
            .test_run()
            .data(&[0; 14])
            .repeat(times)
            .run()
            .unwrap();
    }
}

fn number(record: &[u8]) -> u64 {
    u64::from_ne_bytes(record[..8].try_into().unwrap())
}

#[test]
fn records_come_in_order_and_discarded_ones_do_not() {
    require!(Need::Root);
    let mut ring = RingBuf::create("ring", 4096).unwrap();
    let producer = Producer::new(ring.map(), 24);
    assert!(ring.read().unwrap().is_none());
    let ran: Vec<u32> = (0..8).map(|_| producer.run()).collect();
    assert_eq!(ran, [1, 1, 1, 2, 1, 1, 1, 2]);
    assert_eq!(ring.available(), 8 * 32);
    let mut seen = Vec::new();
    while let Some(record) = ring.read().unwrap() {
        assert_eq!(record.len(), 24);
        seen.push(number(&record));
    }
    assert_eq!(seen, [0, 1, 2, 4, 5, 6]);
    assert_eq!(ring.available(), 0);
}

#[test]
fn nothing_is_lost_while_there_is_room() {
    require!(Need::Root);
    for size in [8, 40, 1000] {
        let mut ring = RingBuf::create("ring", 64 << 10).unwrap();
        let producer = Producer::new(ring.map(), size);
        let mut expected = 0u64;
        let mut expect = |record: &[u8]| {
            assert_eq!(number(record), expected);
            expected += if expected % 4 == 2 { 2 } else { 1 };
        };
        // Fits many times around the ring, in rounds that fill it to different degrees.
        for round in 1..200u32 {
            let fits = (48 << 10) / (size as u32 + 8);
            producer.run_often(1 + round * 7919 % fits);
            let mut drain = ring.drain();
            while let Some(record) = drain.read().unwrap() {
                assert_eq!(record.len(), size as usize);
                expect(record);
            }
        }
        assert!(expected > 1000);
    }
}

#[test]
fn space_comes_back_with_the_record() {
    require!(Need::Root);
    let mut ring = RingBuf::create("ring", 4096).unwrap();
    let producer = Producer::new(ring.map(), 1000);
    let mut kept = 0;
    while producer.run() != 0 {
        kept += 1;
    }
    assert_eq!(kept, 4);
    let record = ring.read().unwrap().unwrap();
    assert_eq!(number(&record), 0);
    assert_eq!(producer.run(), 0);
    drop(record);
    assert_ne!(producer.run(), 0);
    // In a row, the space comes back at the end at the latest.
    let mut drain = ring.drain();
    drain.read().unwrap().unwrap();
    drain.read().unwrap().unwrap();
    drop(drain);
    assert_ne!(producer.run(), 0);
}

#[test]
fn readers_wait() {
    require!(Need::Root);
    let mut ring = RingBuf::create("ring", 4096).unwrap();
    let producer = Producer::new(ring.map(), 8);
    let start = Instant::now();
    assert!(ring.read_within(Duration::from_millis(20)).unwrap().is_none());
    assert!(start.elapsed() >= Duration::from_millis(20));
    assert!(!ring.wait(Some(Duration::ZERO)).unwrap());
    assert!(ring.as_fd().as_raw_fd() > 0);
    std::thread::scope(|scope| {
        // Whoever waits is woken by each record, however they come.
        let reader = scope.spawn(|| {
            for expected in [0, 1, 2, 4, 5, 6, 8] {
                let record = ring.read_within(Duration::from_secs(60)).unwrap().unwrap();
                assert_eq!(number(&record), expected);
            }
        });
        for _ in 0..10 {
            producer.run();
            std::thread::yield_now();
        }
        reader.join().unwrap();
    });
}

#[test]
fn there_is_one_reader() {
    require!(Need::Root);
    let ring = RingBuf::create("ring", 4096).unwrap();
    let map = ring.map().clone();
    let error = RingBuf::try_from(&map).unwrap_err().to_string();
    assert!(error.contains("reader in this process already"), "{error}");
    drop(ring);
    let mut ring = RingBuf::try_from(&map).unwrap();
    // A later reader goes on where the last one stopped.
    let producer = Producer::new(&map, 8);
    producer.run();
    producer.run();
    assert_eq!(number(&ring.read().unwrap().unwrap()), 0);
    drop(ring);
    let mut ring = RingBuf::try_from(&map).unwrap();
    assert_eq!(number(&ring.read().unwrap().unwrap()), 1);
    let error = RingBuf::create("ring", 5000).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Kernel { .. }), "{error}");
}

#[test]
fn copied_records() {
    require!(Need::Root);
    let mut ring = RingBuf::create("ring", 4096).unwrap();
    // *(u64 *)(r10 - 8) = 7; output(ring, r10 - 8, 8, 0)
    let mut code = vec![Slot::new(0x7a, 10, 0, -8, 7)];
    code.extend(map_fd(1, ring.map()));
    code.extend([
        mov_reg(2, 10),
        Slot::new(0x07, 2, 0, 0, -8),
        mov(3, 8),
        mov(4, 0),
        call(RINGBUF_OUTPUT),
    ]);
    code.push(exit());
    let program = Program::builder(ProgramType::SOCKET_FILTER, "output", &code)
        .load()
        .unwrap();
    assert_eq!(program.test_run().data(&[0; 14]).run().unwrap().return_value, 0);
    let record = ring.read().unwrap().unwrap();
    let seven = 7u64.to_ne_bytes();
    assert_eq!(record.as_ref(), seven);
    assert_eq!(format!("{record:?}"), format!("RingRecord({seven:?})"));
}
