//! Rings in plain memory, with a model of the kernel at the other end: whatever happens in whatever order, each frame is in one place.

mod kernel;

use std::{
    collections::{BTreeSet, VecDeque},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::Arc,
};

use proptest::prelude::*;

use super::{Handled, Then};
use crate::{Error, Frame, Umem};
use kernel::{FRAMES, Kernel, set_up, tail};

#[derive(Clone, Debug)]
enum Step {
    Receive(usize),
    /// Looks at packets where they are: keeps, sends or drops each, by the bits of a number; one bit ends it by a panic.
    ForEach(usize, u32),
    /// Drops a frame that the user has.
    Drop(usize),
    /// Takes a free frame.
    Take,
    /// Sends so many of the user's frames, some in one packet.
    Send(usize, bool),
    /// Makes so many packets, of a length; some in one packet.
    SendEach(usize, usize),
    Complete,
    Completed,
    Recycle,
    KernelReceives(u8, usize),
    KernelSends,
    KernelCompletes,
    /// The kernel, or who pretends to be it, writes nonsense.
    Nonsense(u64, u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..6usize).prop_map(Step::Receive),
        5 => (0..6usize, any::<u32>()).prop_map(|(most, bits)| Step::ForEach(most, bits)),
        3 => any::<usize>().prop_map(Step::Drop),
        2 => Just(Step::Take),
        6 => (0..5usize, any::<bool>()).prop_map(|(count, chain)| Step::Send(count, chain)),
        3 => (0..5usize, 0..60usize).prop_map(|(most, len)| Step::SendEach(most, len)),
        3 => Just(Step::Complete),
        1 => Just(Step::Completed),
        1 => Just(Step::Recycle),
        8 => (any::<u8>(), 0..1500usize).prop_map(|(byte, len)| Step::KernelReceives(byte, len)),
        6 => Just(Step::KernelSends),
        6 => Just(Step::KernelCompletes),
        1 => (any::<u64>(), any::<u32>()).prop_map(|(addr, len)| Step::Nonsense(addr % 100_000, len % 3000)),
    ]
}

/// Each frame is in one place, by our books and by the model's.
fn check(kernel: &Kernel, user: &[Frame]) {
    let usage = kernel.umem.usage();
    assert_eq!(usage.total(), FRAMES, "{usage:?}");
    assert_eq!((usage.user as usize, usage.retired), (user.len(), 0), "{usage:?}");
    let numbers: BTreeSet<u32> = user.iter().map(Frame::number).collect();
    assert_eq!(numbers.len(), user.len(), "a frame is there twice");
    if !kernel.lies {
        let receiving = kernel.fill.filled() as usize + kernel.empty.len() + kernel.rx.filled() as usize;
        let sending =
            kernel.tx.filled() as usize + kernel.sending.len() + kernel.completion.filled() as usize;
        assert_eq!(
            (usage.receiving as usize, usage.sending as usize),
            (receiving, sending),
            "{usage:?}"
        );
    }
}

/// With `shared`, the queue has another socket.
fn run(frame_size: u32, start: u32, shared: bool, steps: &[Step]) {
    let (mut channel, mut kernel) = set_up(frame_size, start);
    let other = shared.then(|| Arc::clone(&channel.queue));
    let mut user: Vec<Frame> = Vec::new();
    // What should come out at the other end, in order.
    let mut sent: VecDeque<Vec<u8>> = VecDeque::new();
    channel.refill();
    for step in steps {
        match *step {
            Step::Receive(most) => {
                let before = user.len();
                let result = channel.receive(&mut user, most);
                assert!(
                    kernel.lies || result.is_ok(),
                    "a kernel that behaves is not blamed: {result:?}"
                );
                assert!(user.len() - before <= most);
                for frame in user.iter().skip(before) {
                    if let Some(bytes) = kernel.written.remove(&frame.number()) {
                        assert!(kernel.lies || frame[..] == bytes, "other bytes came");
                    }
                }
            }
            Step::ForEach(most, bits) => {
                let umem = kernel.umem.clone();
                let lies = kernel.lies;
                let (mut seen, mut asked) = (0, 0);
                let written = &mut kernel.written;
                let handled = catch_unwind(AssertUnwindSafe(|| {
                    channel.for_each(most, |frame| {
                        let bits = bits >> (3 * seen);
                        seen += 1;
                        if let Some(bytes) = written.remove(&frame.number()) {
                            assert!(lies || frame[..] == bytes, "other bytes came");
                        }
                        if bits & 7 == 7 && !lies {
                            resume_unwind(Box::new("on purpose"));
                        }
                        if bits & 1 != 0
                            && let Ok(other) = umem.frame()
                        {
                            user.push(std::mem::replace(frame, other));
                        }
                        if bits & 2 != 0 {
                            asked += 1;
                            frame.truncate(100);
                            if !frame.is_empty() {
                                sent.push_back(frame.to_vec());
                            }
                            return Then::Send;
                        }
                        Then::Drop
                    })
                }));
                match handled {
                    Ok(Ok(handled)) => {
                        assert!(handled.packets == seen as usize && handled.sent <= asked);
                        assert_eq!(handled.refused.is_some(), handled.sent < asked);
                    }
                    Ok(Err(error)) => assert!(lies, "{error}"),
                    // Packets that were taken and not looked at are lost; their frames are not.
                    Err(_) => kernel.written.clear(),
                }
                let result = channel.replenish();
                assert!(kernel.lies || result.is_ok(), "{result:?}");
            }
            Step::Drop(index) if !user.is_empty() => {
                user.swap_remove(index % user.len());
            }
            Step::Take => match kernel.umem.frame() {
                Ok(mut frame) => {
                    frame.set(&[frame.number() as u8; 40]).unwrap();
                    user.push(frame);
                }
                Err(error) => {
                    assert!(matches!(error, Error::NoFrame));
                    assert_eq!(kernel.umem.usage().free, 0);
                }
            },
            Step::Send(count, chain) => {
                let from = user.len().saturating_sub(count);
                let mut batch = user.split_off(from);
                for frame in &mut batch {
                    frame.end_packet();
                }
                if chain && let [first, _, ..] = &mut batch[..] {
                    first.continue_in_next();
                }
                let bytes: Vec<_> = batch.iter().map(|frame| frame.to_vec()).collect();
                let before = batch.len();
                let result = channel.transmit(&mut batch);
                let gone = before - batch.len();
                sent.extend(bytes.into_iter().take(gone));
                match result {
                    Ok(count) => assert_eq!(count, gone),
                    // Packets of no bytes, and parts of too long ones, stay.
                    Err(error) => assert!(matches!(error, Error::Invalid(_)), "{error}"),
                }
                user.append(&mut batch);
            }
            Step::SendEach(most, len) => {
                let mut made = 0;
                let handled = channel.send_each(most, |frame| {
                    made += 1;
                    frame.set(&vec![made as u8; len]).unwrap();
                    // Packets of no bytes are refused.
                    if len > 0 {
                        sent.push_back(frame.to_vec());
                    }
                });
                let handled = match handled {
                    Err(error) if kernel.lies => {
                        assert_eq!(made, 0, "{error}");
                        Handled::default()
                    }
                    handled => handled.unwrap(),
                };
                assert_eq!(
                    (handled.packets, handled.refused.is_some()),
                    (made, made > 0 && len == 0)
                );
                assert_eq!(handled.sent, if len == 0 { 0 } else { made });
            }
            Step::Complete => {
                let result = channel.complete();
                assert!(kernel.lies || result.is_ok());
            }
            Step::Completed => {
                let result = channel.completed(&mut user);
                assert!(kernel.lies || result.is_ok());
            }
            Step::Recycle => kernel.umem.recycle(user.drain(..)),
            Step::KernelReceives(byte, len) => kernel.receive(byte, len),
            Step::KernelSends => {
                if let Some(bytes) = kernel.send() {
                    let right = sent.pop_front() == Some(bytes);
                    assert!(kernel.lies || right, "other bytes are sent");
                }
            }
            Step::KernelCompletes => kernel.complete(),
            Step::Nonsense(addr, len) => {
                kernel.lies = true;
                kernel.rx.put([addr, tail(len, 0)]);
                kernel.completion.put([addr]);
            }
            Step::Drop(_) => {}
        }
        check(&kernel, &user);
    }
    // When the queue is gone all frames come back that the kernel had.
    let umem = kernel.umem.clone();
    drop((channel, other));
    assert_eq!(umem.usage().free + umem.usage().user, FRAMES);
    drop(user);
    assert_eq!(umem.usage().free, FRAMES);
}

proptest! {
    #[test]
    fn each_frame_is_in_one_place(
        frame_size in prop_oneof![Just(2048u32), Just(4096), Just(3000)],
        start in prop_oneof![Just(0u32), Just(u32::MAX - 5), any::<u32>()],
        shared in any::<bool>(),
        steps in prop::collection::vec(step(), 0..200),
    ) {
        run(frame_size, start, shared, &steps);
    }
}

#[test]
fn a_frame_that_is_given_back_twice_is_refused() {
    let (mut channel, mut kernel) = set_up(2048, 0);
    kernel.lies = true;
    channel.refill();
    let [base] = kernel.fill.take().unwrap();
    for _ in 0..2 {
        assert!(kernel.rx.put([base + 256, tail(60, 0)]));
    }
    // Of the fill ring, not of the TX ring.
    assert!(kernel.completion.put([base]));
    let mut frames = Vec::new();
    let error = channel.receive(&mut frames, 8).unwrap_err();
    assert!(matches!(error, Error::Damaged { ring: "RX", .. }), "{error}");
    assert_eq!(frames.len(), 1);
    let error = channel.complete().unwrap_err();
    assert!(
        matches!(
            error,
            Error::Damaged {
                ring: "completion",
                ..
            }
        ),
        "{error}"
    );
    check(&kernel, &frames);
    // Beyond the end of its frame.
    let [base] = kernel.fill.take().unwrap();
    assert!(kernel.rx.put([base + 256, tail(1800, 0)]));
    channel.receive(&mut frames, 8).unwrap_err();
    assert_eq!(frames.len(), 1);
}

#[test]
fn frames_of_a_queue_that_the_kernel_keeps_are_retired() {
    let (mut channel, kernel) = set_up(2048, 0);
    channel.refill();
    channel.keeps();
    drop(channel);
    let usage = kernel.umem.usage();
    assert_eq!((usage.retired, usage.free), (8, FRAMES - 8));
}

#[test]
fn foreign_and_chained_frames() {
    let (mut channel, kernel) = set_up(2048, 0);
    let (other, _) = { set_up(2048, 0) };
    let mut foreign = Umem {
        shared: Arc::clone(&other.queue.umem),
    }
    .frame()
    .unwrap();
    foreign.set(b"x").unwrap();
    let mut frames = vec![foreign];
    let error = channel.transmit(&mut frames).unwrap_err().to_string();
    assert!(error.contains("other memory"), "{error}");
    assert_eq!(frames.len(), 1);
    // Three frames make a packet here; no more.
    let part = || {
        let mut frame = kernel.umem.frame().unwrap();
        frame.set(b"part").unwrap();
        frame.continue_in_next();
        frame
    };
    let mut frames = vec![part(), part(), part()];
    let error = channel.transmit(&mut frames).unwrap_err().to_string();
    assert!(error.contains("more than 3 frames"), "{error}");
    assert_eq!(frames.len(), 1);
    frames[0].end_packet();
    assert_eq!(channel.transmit(&mut frames).unwrap(), 1);
    assert_eq!(channel.parts, 0);
}
