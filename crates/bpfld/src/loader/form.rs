//! The form of a request to load a program: what is left out or replaced for kernels that do not know it.

use bpfld_features::{Feature, Probes};
use bpfld_insn::{Helper, Slot};
use bpfld_object::ProgramSpec;
use bpfld_sys::{AttachType, Errno};

use super::verifier::Refusal;
use crate::adaptation::Measure;

/// What is told about a program beside its instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) name: bool,
    pub(super) attach_type: bool,
    pub(super) info: bool,
    /// Helpers that tell kernel memory from user memory.
    readers: bool,
}

impl Default for Form {
    fn default() -> Self {
        Self {
            name: true,
            attach_type: true,
            info: true,
            readers: true,
        }
    }
}

impl Form {
    /// Leaves out what the kernel does not know. Returns whether anything changed.
    pub(super) fn simplify(
        &mut self,
        probes: &Probes,
        spec: Option<&ProgramSpec>,
        attach_type: AttachType,
        insns: &mut [Slot],
    ) -> bool {
        let lacks = |feature| probes.probe(feature).is_no();
        let before = *self;
        self.name &= !lacks(Feature::Names);
        self.info &= !lacks(Feature::BtfFunc);
        let optional = spec.is_some_and(|spec| spec.flags.attach_type_optional);
        if optional && attach_type != AttachType(0) {
            self.attach_type &= !lacks(Feature::ExpectedAttachType);
        }
        let old_readers = insns.iter().any(|insn| old_reader(*insn).is_some());
        if old_readers && lacks(Feature::ProbeReadKernel) {
            self.readers = false;
            for insn in insns {
                if let Some(helper) = old_reader(*insn) {
                    insn.imm = helper.0 as i32;
                }
            }
        }
        *self != before
    }

    /// What was left out or replaced; `has_info`: there were function and line records to leave out.
    pub(super) fn measures(self, has_info: bool) -> impl Iterator<Item = Measure> {
        let Self {
            name,
            attach_type,
            info,
            readers,
        } = self;
        [
            (!name, Measure::NameOmitted),
            (!attach_type, Measure::AttachTypeOmitted),
            (!info && has_info, Measure::RecordsOmitted),
            (!readers, Measure::ProbeRead),
        ]
        .into_iter()
        .filter_map(|(taken, measure)| taken.then_some(measure))
    }
}

/// Whether the kernel may have refused something else than the program.
pub(super) fn is_about_form(refusal: &Refusal) -> bool {
    let errno = refusal.error.errno();
    let is_unknown_helper = refusal.log.as_str().contains("unknown func");
    matches!(errno, Errno::EINVAL | Errno::E2BIG) && (refusal.log.is_empty() || is_unknown_helper)
}

/// What old kernels have instead of a helper that tells kernel memory from user memory.
fn old_reader(insn: Slot) -> Option<Helper> {
    if !insn.is_helper_call() {
        return None;
    }
    match Helper(insn.imm as u32) {
        Helper::PROBE_READ_KERNEL | Helper::PROBE_READ_USER => Some(Helper::PROBE_READ),
        Helper::PROBE_READ_KERNEL_STR | Helper::PROBE_READ_USER_STR => Some(Helper::PROBE_READ_STR),
        _ => None,
    }
}
