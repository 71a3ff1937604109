//! Holds the table of helper functions in `bpfld-insn` against the kernel's own enumeration.

use anyhow::{Result, ensure};
use bpfld_insn::Helper;

use super::abi::{Abi, HELPERS};

pub(super) fn check(abi: &Abi) -> Result<()> {
    let mut count = 0;
    for (name, number) in abi.members(HELPERS, "BPF_FUNC_")? {
        if name == "unspec" || name == "__BPF_FUNC_MAX_ID" {
            continue;
        }
        let helper = u32::try_from(number).map(Helper)?;
        ensure!(
            helper.name() == Some(&name),
            "helper {number} is `{name}` in the kernel and {:?} in bpfld-insn",
            helper.name()
        );
        count += 1;
    }
    ensure!(
        count == Helper::ALL.len(),
        "the kernel has {count} helpers, bpfld-insn {}",
        Helper::ALL.len()
    );
    Ok(())
}
