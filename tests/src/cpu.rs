//! A thread that stays where it is.

use nix::{
    sched::{CpuSet, sched_getcpu, sched_setaffinity},
    unistd::Pid,
};

/// Keeps this thread on the CPU that it is on, and tells which.
///
/// # Panics
///
/// If the kernel refuses.
pub fn pin_to_one_cpu() -> u32 {
    let cpu = sched_getcpu().unwrap();
    let mut only = CpuSet::new();
    only.set(cpu).unwrap();
    sched_setaffinity(Pid::from_raw(0), &only).unwrap();
    u32::try_from(cpu).unwrap()
}
