//! An allocator that counts, per thread, so that a test can tell how much memory its input cost.
#![expect(
    unsafe_code,
    reason = "an allocator cannot be had without; it only counts and passes on"
)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

thread_local! {
    static LIVE: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
    static CALLS: Cell<usize> = const { Cell::new(0) };
    static LIMIT: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// The system's allocator with a count. A test binary makes it the global one:
///
/// ```
/// #[global_allocator]
/// static ALLOCATOR: bpfld_tests::CountingAllocator = bpfld_tests::CountingAllocator;
///
/// let (vector, usage) = bpfld_tests::measure(1 << 20, || vec![0u8; 1000]);
/// assert_eq!((vector.len(), usage.peak, usage.calls), (1000, 1000, 1));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct CountingAllocator;

/// What a closure took from the allocator on its own thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// The most bytes that were in use at once, beyond what was in use before.
    pub peak: usize,
    /// How often memory was asked for.
    pub calls: usize,
}

/// Runs a closure and tells what it took. Beyond `limit` bytes at once the allocator refuses, which ends the process:
/// choose it so that only a mistake gets there.
pub fn measure<R>(limit: usize, work: impl FnOnce() -> R) -> (R, Usage) {
    let (before, calls) = (LIVE.get(), CALLS.get());
    PEAK.set(before);
    LIMIT.set(before.saturating_add(limit));
    let result = work();
    LIMIT.set(usize::MAX);
    (
        result,
        Usage {
            peak: PEAK.get().saturating_sub(before),
            calls: CALLS.get() - calls,
        },
    )
}

/// Notes a change of size; false if it goes beyond the limit.
fn note(more: usize, less: usize) -> bool {
    let live = LIVE.get().saturating_add(more).saturating_sub(less);
    PEAK.set(PEAK.get().max(live));
    if live > LIMIT.get() {
        // Whoever reports the refusal must be able to allocate.
        LIMIT.set(usize::MAX);
        return false;
    }
    LIVE.set(live);
    CALLS.set(CALLS.get() + usize::from(more > 0));
    true
}

// SAFETY: every call is passed on to the system's allocator as it is, or refused with a null pointer. Counting allocates
// nothing: the counters are plain cells without a destructor.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !note(layout.size(), 0) {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller keeps the promises about `layout` to us and so to the system.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if !note(layout.size(), 0) {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller keeps the promises about `layout` to us and so to the system.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        note(0, layout.size());
        // SAFETY: `pointer` came from `System` with this layout, since all of ours do.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if !note(size, layout.size()) {
            return std::ptr::null_mut();
        }
        // SAFETY: `pointer` came from `System` with this layout, and the caller keeps the promises about `size`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}
