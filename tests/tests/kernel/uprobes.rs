//! Probes of binaries that cannot be.

use bpfld::{ErrorKind, ProgramType, Uprobe, UprobeOptions};
use bpfld_tests::{Need, require};

use crate::counter::Counter;

#[test]
fn counters_lie_where_kernels_can_say_so() {
    require!(Need::Root);
    let counter = Counter::new(ProgramType::KPROBE, None, 0);
    let program: Uprobe = (&counter.program).try_into().unwrap();
    // The kernel has 32 bits for it; the others would be lost, and another number in the file be changed.
    let options = UprobeOptions::new().counter((1 << 32) + 0x1000);
    let error = program
        .attach_with("/proc/self/exe", 0x1000u64, options)
        .unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Invalid { .. }), "{error}");
    assert!(
        error.to_string().contains("a counter at offset 0x100001000"),
        "{error}"
    );
}
