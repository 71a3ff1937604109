//! Ways for records between programs and user space other than a single ring buffer: perf events, user ring buffers, sets of rings.

use std::time::{Duration, Instant};

use bpfld::{
    AsyncPerfBuf, AsyncRingBuf, AsyncRingSet, Errno, Loaded, Map, MapFlags, MapType, OverwriteRing, PerfBuf,
    PerfRecord, RingBuf, RingSet, UserRingBuf, Wakeup,
};
use bpfld_tests::{Need, require};

use crate::fixtures::{load, value};

/// Runs the program that writes a perf sample which tells the length of its packet.
fn sample(loaded: &Loaded, packet: usize) {
    let program = loaded.program("copy").unwrap();
    program.test_run().data(&vec![0; packet]).run().unwrap();
}

fn packet_length(data: &[u8]) -> u64 {
    // struct event { u32 kind, cpu; u64 number; char comm[16]; }
    u64::from_ne_bytes(data[8..16].try_into().unwrap())
}

/// Reads all that is there, one by one or at once: lengths of packets, and how many samples were lost.
fn read_all(events: &mut PerfBuf, at_once: bool) -> (Vec<u64>, u64) {
    let (mut seen, mut lost, mut records) = (Vec::new(), 0, 0);
    let mut take = |record: PerfRecord<'_>| {
        records += 1;
        match record {
            PerfRecord::Sample { data, .. } => {
                assert!(data.len() >= 32 && data.len() < 40, "{}", data.len());
                seen.push(packet_length(data));
            }
            PerfRecord::Lost { count, .. } => lost += count,
        }
    };
    if at_once {
        let count = events.for_each(take).unwrap();
        assert_eq!(count, records);
    } else {
        while let Some(record) = events.read().unwrap() {
            take(record);
        }
    }
    (seen, lost)
}

#[test]
fn perf_samples_arrive_in_order() {
    require!(Need::Root, Need::Linux(6, 1), Need::Config("CONFIG_BPF_JIT"));
    let loaded = load("ringbuf");
    let mut events = PerfBuf::builder().open(loaded.map("samples").unwrap()).unwrap();
    assert_eq!(events.cpus().count(), bpfld_sys::online_cpus().unwrap().len());
    assert_eq!(events.read().unwrap(), None);
    assert_eq!(events.read_within(Duration::from_millis(1)).unwrap(), None);
    // Pinned to a CPU, so that the order is known; and often enough to go around the ring of 64 KiB several times.
    let cpu = bpfld_tests::pin_to_one_cpu();
    for round in 0..10 {
        let sent: Vec<u64> = (0..1000).map(|number| 14 + (number + round) % 100).collect();
        for packet in &sent {
            sample(&loaded, *packet as usize);
        }
        let record = events.read_within(Duration::from_secs(10)).unwrap();
        let Some(PerfRecord::Sample { cpu: from, data }) = record else {
            panic!("{record:?}")
        };
        assert_eq!(from, cpu);
        let mut seen = vec![packet_length(data)];
        let (more, lost) = read_all(&mut events, round % 2 == 0);
        seen.extend(more);
        assert_eq!((seen, lost), (sent, 0));
    }
}

#[test]
fn a_perf_reader_ends_while_programs_write() {
    require!(Need::Root, Need::Linux(6, 1), Need::Config("CONFIG_BPF_JIT"));
    let loaded = load("ringbuf");
    let mut events = PerfBuf::builder().open(loaded.map("samples").unwrap()).unwrap();
    bpfld_tests::pin_to_one_cpu();
    for _ in 0..100 {
        sample(&loaded, 64);
    }
    // Each sample that is read makes another.
    let read = events.for_each(|_| sample(&loaded, 64)).unwrap();
    assert!((100..1000).contains(&read), "{read}");
    assert_eq!(read_all(&mut events, false).0.len(), 100);
}

#[test]
fn lost_perf_samples_are_counted() {
    require!(Need::Root, Need::Linux(6, 1), Need::Config("CONFIG_BPF_JIT"));
    let loaded = load("ringbuf");
    let mut events = PerfBuf::builder()
        .bytes_per_cpu(1)
        .open(loaded.map("samples").unwrap())
        .unwrap();
    bpfld_tests::pin_to_one_cpu();
    let (mut seen, mut lost) = (0, 0);
    for at_once in [false, true, false] {
        for _ in 0..1000 {
            sample(&loaded, 64);
        }
        let (samples, told) = read_all(&mut events, at_once);
        (seen, lost) = (seen + samples.len() as u64, lost + told);
        assert!(samples.len() < 1000);
        // The kernel tells of a loss before the next sample that fits.
        sample(&loaded, 64);
        let (samples, told) = read_all(&mut events, at_once);
        (seen, lost) = (seen + samples.len() as u64, lost + told);
    }
    assert_eq!(seen + lost, 3003);
    assert_eq!(events.lost(), lost);
}

#[test]
fn perf_readers_wake_up_as_told() {
    require!(Need::Root, Need::Linux(6, 1), Need::Config("CONFIG_BPF_JIT"));
    let loaded = load("ringbuf");
    let map = loaded.map("samples").unwrap();
    let mut events = PerfBuf::builder().wakeup(Wakeup::Samples(10)).open(map).unwrap();
    bpfld_tests::pin_to_one_cpu();
    for _ in 0..9 {
        sample(&loaded, 64);
    }
    assert!(!events.wait(Some(Duration::ZERO)).unwrap());
    sample(&loaded, 64);
    assert!(events.wait(Some(Duration::ZERO)).unwrap());
    assert_eq!(read_all(&mut events, false).0.len(), 10);
    drop(events);
    // Nobody listens any more: the slots are empty.
    let mut id = [0; 4];
    let looked = map.lookup_into(&0u32.to_ne_bytes(), &mut id, bpfld::ElemFlags::empty());
    assert!(!matches!(looked, Ok(true)), "{looked:?}");

    let error = PerfBuf::builder()
        .open(loaded.map("events").unwrap())
        .unwrap_err();
    assert!(error.to_string().contains("is of type ringbuf"), "{error}");
    let error = PerfBuf::builder()
        .bytes_per_cpu(usize::MAX)
        .open(map)
        .unwrap_err();
    assert!(error.to_string().contains("address space"), "{error}");
    let error = PerfBuf::builder().cpus([]).open(map).unwrap_err();
    assert!(error.to_string().contains("no slot"), "{error}");
}

#[test]
fn records_reach_programs() {
    require!(Need::Root, Need::Linux(6, 1), Need::Config("CONFIG_BPF_JIT"));
    let loaded = load("ringbuf");
    let mut commands: UserRingBuf = loaded.map("commands").unwrap().try_into().unwrap();
    let drain = |loaded: &Loaded| {
        loaded
            .program("drain")
            .unwrap()
            .test_run()
            .run()
            .unwrap()
            .return_value
    };
    let received = |loaded: &Loaded| value::<u64>(loaded, "received");

    assert!(commands.send(&1u64).unwrap());
    let mut record = commands.reserve(24).unwrap().unwrap();
    record.copy_from_slice(&[7; 24]);
    assert_eq!(&*record, [7; 24]);
    record.submit();
    commands.reserve(100).unwrap().unwrap().discard();
    drop(commands.reserve(0).unwrap().unwrap());
    assert_eq!(commands.unread(), 16 + 32 + 112 + 8);
    assert_eq!(drain(&loaded), 2);
    assert_eq!((received(&loaded), commands.unread()), (2, 0));

    // Full, and room again after programs have read; many times around the ring.
    let mut sent = 2;
    for round in 0..20 {
        let len = 1000 + round * 8;
        while let Some(record) = commands.reserve(len).unwrap() {
            record.submit();
            sent += 1;
        }
        assert!(commands.size() - commands.unread() < len as u64 + 8);
        assert!(!commands.send(&[0u8; 2000]).unwrap());
        let started = Instant::now();
        assert!(
            commands
                .reserve_within(2000, Duration::from_millis(5))
                .unwrap()
                .is_none()
        );
        assert!(started.elapsed() >= Duration::from_millis(5));
        drain(&loaded);
        assert_eq!(received(&loaded), sent);
        let record = commands.reserve_within(2000, Duration::ZERO).unwrap().unwrap();
        record.submit();
        sent += 1;
    }
    let error = commands.reserve(64 << 10).unwrap_err();
    assert!(error.to_string().contains("do not fit"), "{error}");
    let error = UserRingBuf::try_from(commands.map()).unwrap_err();
    assert!(
        error.to_string().contains("writer in this process already"),
        "{error}"
    );
}

#[test]
fn a_blocked_writer_goes_on_when_programs_have_read() {
    require!(Need::Root, Need::Linux(6, 1), Need::Config("CONFIG_BPF_JIT"));
    let loaded = load("ringbuf");
    let mut commands: UserRingBuf = loaded.map("commands").unwrap().try_into().unwrap();
    while commands.send(&[0u64; 32]).unwrap() {}
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let record = commands.reserve_within(1000, Duration::from_secs(60)).unwrap();
            record.expect("a program reads").submit();
        });
        loaded.program("drain").unwrap().test_run().run().unwrap();
        writer.join().unwrap();
    });
}

#[test]
fn rings_are_waited_for_together() {
    require!(Need::Root, Need::Linux(6, 1), Need::Config("CONFIG_BPF_JIT"));
    let (first, second) = (load("ringbuf"), load("ringbuf"));
    let mut rings = RingSet::new().unwrap();
    assert!(rings.read().unwrap().is_none());
    for loaded in [&first, &second] {
        let ring = RingBuf::try_from(loaded.map("events").unwrap()).unwrap();
        rings.add(ring).unwrap();
    }
    assert!(rings.read_within(Duration::from_millis(1)).unwrap().is_none());
    let emit = |loaded: &Loaded| {
        loaded
            .program("emit")
            .unwrap()
            .test_run()
            .data(&[0; 64])
            .run()
            .unwrap();
    };
    emit(&second);
    assert!(rings.wait(None).unwrap());
    let (ring, record) = rings.read_within(Duration::from_secs(10)).unwrap().unwrap();
    assert_eq!((ring, record.len()), (1, 32));
    drop(record);
    assert!(!rings.wait(Some(Duration::ZERO)).unwrap());
    (0..3).for_each(|_| emit(&first));
    emit(&second);
    assert_eq!(rings.rings().len(), 2);
    let mut order = Vec::new();
    while let Some((ring, _)) = rings.read().unwrap() {
        order.push(ring);
    }
    assert_eq!(order, [0, 1, 0, 0]);
    assert_eq!(
        rings
            .rings_mut()
            .iter_mut()
            .filter_map(|ring| ring.read().unwrap())
            .count(),
        0
    );
}

#[test]
fn user_rings_have_sizes_like_others() {
    require!(Need::Root, Need::Linux(6, 1), Need::Config("CONFIG_BPF_JIT"));
    let page = bpfld_sys::mmap::page_size() as u32;
    let ring = UserRingBuf::create("orders", page).unwrap();
    assert_eq!((ring.size(), ring.unread()), (u64::from(page), 0));
    let error = UserRingBuf::create("orders", page + 1).unwrap_err();
    assert_eq!(error.errno(), Some(Errno::EINVAL));
    let map = Map::builder(MapType::ARRAY, "array")
        .key_size(4)
        .value_size(4)
        .max_entries(1);
    let map = map.flags(MapFlags::empty()).create().unwrap();
    let error = UserRingBuf::try_from(map).unwrap_err();
    assert!(error.to_string().contains("is of type array"), "{error}");
}

/// Runs a future to its end, at most a minute.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let future = async { tokio::time::timeout(Duration::from_secs(60), future).await };
    runtime.block_on(future).expect("a minute is enough")
}

async fn comes_nothing<T>(future: impl Future<Output = T>) -> bool {
    tokio::time::timeout(Duration::from_millis(5), future)
        .await
        .is_err()
}

#[test]
fn records_are_awaited() {
    require!(Need::Root, Need::Linux(6, 1), Need::Config("CONFIG_BPF_JIT"));
    let loaded = load("ringbuf");
    let emit = |program: &str| {
        loaded
            .program(program)
            .unwrap()
            .test_run()
            .data(&[0; 64])
            .run()
            .unwrap();
    };
    block_on(async {
        let mut ring = AsyncRingBuf::new(loaded.map("events").unwrap().try_into().unwrap()).unwrap();
        emit("emit");
        assert_eq!(ring.read().await.unwrap().len(), 32);
        (0..200).for_each(|_| emit("copy"));
        for _ in 0..200 {
            ring.read().await.unwrap();
        }
        assert!(comes_nothing(ring.read()).await);
        // A future that was dropped takes nothing with it.
        emit("copy");
        ring.read().await.unwrap();
        assert!(ring.into_reader().read().unwrap().is_none());
    });
    block_on(async {
        let mut rings = RingSet::new().unwrap();
        rings
            .add(loaded.map("events").unwrap().try_into().unwrap())
            .unwrap();
        let mut rings = AsyncRingSet::new(rings).unwrap();
        emit("copy");
        assert_eq!(rings.read().await.unwrap().0, 0);
        let events = PerfBuf::builder().open(loaded.map("samples").unwrap()).unwrap();
        let mut events = AsyncPerfBuf::new(events).unwrap();
        emit("copy");
        assert!(matches!(events.read().await.unwrap(), PerfRecord::Sample { .. }));
        assert!(comes_nothing(events.read()).await);
    });
}

#[test]
fn a_future_waits_for_a_program_that_runs_later() {
    require!(Need::Root, Need::Linux(6, 1), Need::Config("CONFIG_BPF_JIT"));
    let loaded = load("ringbuf");
    std::thread::scope(|scope| {
        let (sender, receiver) = std::sync::mpsc::channel();
        let loaded = &loaded;
        scope.spawn(move || {
            // Each record is answered before the next one is sent.
            for _ in 0..500 {
                receiver.recv().unwrap();
                loaded
                    .program("copy")
                    .unwrap()
                    .test_run()
                    .data(&[0; 64])
                    .run()
                    .unwrap();
            }
        });
        block_on(async {
            let mut ring = AsyncRingBuf::new(loaded.map("events").unwrap().try_into().unwrap()).unwrap();
            for _ in 0..500 {
                sender.send(()).unwrap();
                assert_eq!(ring.read().await.unwrap().len(), 32);
            }
        });
    });
}

#[test]
fn full_rings_forget_their_oldest_records() {
    require!(Need::Root, Need::Linux(6, 19));
    let mut ring = OverwriteRing::create("recorder", 4096).unwrap();
    let error = RingBuf::try_from(ring.map()).unwrap_err();
    assert!(error.to_string().contains("`OverwriteRing` reads"), "{error}");
    assert!(ring.read().unwrap().is_none());
    let producer = crate::ring::Producer::new(ring.map(), 24);
    let number = |record: &[u8]| u64::from_ne_bytes(record[..8].try_into().unwrap());
    // Every fourth is discarded.
    for _ in 0..4 {
        producer.run();
    }
    let mut seen = Vec::new();
    while let Some(record) = ring.read().unwrap() {
        assert_eq!(record.len(), 24);
        seen.push(number(record));
    }
    assert_eq!((seen, ring.lost_bytes()), (vec![0, 1, 2], 0));
    producer.run_often(1000);
    let mut seen = Vec::new();
    while let Some(record) = ring.read().unwrap() {
        seen.push(number(record));
    }
    // The newest are there, in order.
    assert_eq!(seen.last(), Some(&1002));
    assert!(seen.windows(2).all(|pair| pair[0] < pair[1]));
    assert!(seen.len() > 80 && seen.len() < 128, "{}", seen.len());
    // Records of 32 bytes with their headers, from number 4 on.
    assert!(
        ring.lost_bytes() > 0 && ring.lost_bytes() <= 32 * (seen[0] - 4),
        "{}",
        ring.lost_bytes()
    );
    assert!(ring.read_within(Duration::from_millis(1)).unwrap().is_none());
    producer.run();
    producer.run();
    assert_eq!(
        number(ring.read_within(Duration::from_secs(10)).unwrap().unwrap()),
        1004
    );
}
