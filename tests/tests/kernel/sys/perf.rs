//! What can be asked of perf events, beside running programs.

use bpfld_sys::mmap::{Access, SharedMmap, page_size};
use bpfld_sys::{Errno, perf};
use bpfld_tests::{Need, require};

#[test]
fn rings_are_shared_and_paused() {
    require!(Need::Root);
    let open = || perf::perf_event_open(&perf::Attr::bpf_output(1), perf::Scope::Cpu(0)).unwrap();
    let (with_ring, other) = (open(), open());
    // Without a ring there is nothing to share and nothing to pause.
    assert_eq!(other.set_output(Some(&with_ring)), Err(Errno::EINVAL));
    assert_eq!(with_ring.pause_output(perf::Output::Paused), Err(Errno::EINVAL));
    let _ring = SharedMmap::new(&with_ring, 0, 2 * page_size(), Access::ReadWrite).unwrap();
    with_ring.pause_output(perf::Output::Paused).unwrap();
    with_ring.pause_output(perf::Output::Running).unwrap();
    other.set_output(Some(&with_ring)).unwrap();
    other.pause_output(perf::Output::Paused).unwrap();
    other.set_output(None).unwrap();
    assert_eq!(other.pause_output(perf::Output::Running), Err(Errno::EINVAL));
    SharedMmap::new(&other, 0, 2 * page_size(), Access::ReadWrite).unwrap();
}

#[test]
fn filters_are_for_tracepoints() {
    require!(Need::Root);
    let clock = perf::Attr::software(bpfld_sys::PerfSoftware::CPU_CLOCK);
    let event = perf::perf_event_open(&clock, perf::Scope::Cpu(0)).unwrap();
    assert_eq!(event.set_filter(c"common_pid != 0"), Err(Errno::EINVAL));
}
