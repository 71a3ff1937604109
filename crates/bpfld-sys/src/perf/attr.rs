//! What to count or sample, as perf_event_open(2) wants to be told.

use std::ffi::CStr;
use std::mem::offset_of;

use zerocopy::IntoBytes;

use crate::plain::PerfEventAttr;
use crate::{PerfAttrFlags, PerfSampleFormat, PerfSoftware, PerfType};

/// What to count or sample.
///
/// ```
/// use bpfld_sys::PerfSoftware;
/// use bpfld_sys::perf::Attr;
///
/// // 99 times a second
/// let clock = Attr::software(PerfSoftware::CPU_CLOCK).frequency(99);
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Attr<'a> {
    pub(super) raw: PerfEventAttr,
    /// The string that `config1` is the address of.
    pub(super) name: Option<&'a CStr>,
}

impl<'a> Attr<'a> {
    /// An event of a source: `config` means what the source says.
    pub fn new(source: PerfType, config: u64) -> Self {
        let raw = PerfEventAttr {
            event_type: source,
            config,
            ..Default::default()
        };
        Self { raw, name: None }
    }

    /// A counter of the kernel. Since Linux 2.6.31.
    pub fn software(counter: PerfSoftware) -> Self {
        Self::new(PerfType::SOFTWARE, counter.0.into())
    }

    /// A tracepoint, by the number in its `id` file in tracefs. Since Linux 2.6.31.
    pub fn tracepoint(id: u64) -> Self {
        Self::new(PerfType::TRACEPOINT, id).period(1)
    }

    /// A kernel probe at `offset` in `function`. Since Linux 4.17.
    ///
    /// `source` is in `/sys/bus/event_source/devices/kprobe/type`; `config` holds the bit that `format/retprobe` there names, for return probes.
    pub fn kprobe(source: PerfType, config: u64, function: &'a CStr, offset: u64) -> Self {
        Self::probe(source, config, Some(function), offset)
    }

    /// A kernel probe at an address. Since Linux 4.17.
    pub fn kprobe_address(source: PerfType, config: u64, address: u64) -> Self {
        Self::probe(source, config, None, address)
    }

    /// A user probe at `offset` in the file `path`. Since Linux 4.17.
    ///
    /// `source` is in `/sys/bus/event_source/devices/uprobe/type`; `config` holds the bit that `format/retprobe` there names, for return probes, and the offset
    /// of a reference counter in its upper half.
    pub fn uprobe(source: PerfType, config: u64, path: &'a CStr, offset: u64) -> Self {
        Self::probe(source, config, Some(path), offset)
    }

    fn probe(source: PerfType, config: u64, name: Option<&'a CStr>, place: u64) -> Self {
        let mut attr = Self::new(source, config).period(1);
        attr.raw.config2 = place;
        attr.name = name;
        attr
    }

    /// What [`PERF_EVENT_ARRAY`](crate::MapType::PERF_EVENT_ARRAY) maps hold for programs to write to: raw samples, waking the reader after each
    /// `wakeup` of them. Since Linux 4.4.
    pub fn bpf_output(wakeup: u32) -> Self {
        let mut attr = Self::software(PerfSoftware::BPF_OUTPUT).period(1);
        attr.raw.sample_type = PerfSampleFormat::RAW;
        attr.raw.wakeup_events = wakeup;
        attr
    }

    /// Samples every `period` events.
    pub fn period(mut self, period: u64) -> Self {
        self.raw.sample_period = period;
        self.raw.flags.remove(PerfAttrFlags::FREQ);
        self
    }

    /// Samples so many times a second.
    pub fn frequency(mut self, hertz: u64) -> Self {
        self.raw.sample_period = hertz;
        self.raw.flags.insert(PerfAttrFlags::FREQ);
        self
    }

    /// Adds flags.
    pub fn flags(mut self, flags: PerfAttrFlags) -> Self {
        self.raw.flags.insert(flags);
        self
    }

    /// What samples hold.
    pub fn sample(mut self, format: PerfSampleFormat) -> Self {
        self.raw.sample_type = format;
        self
    }

    /// Wakes the reader only when so many samples are there; 0 is 1.
    pub fn wakeup_events(mut self, samples: u32) -> Self {
        self.raw.wakeup_events = samples;
        self.raw.flags.remove(PerfAttrFlags::WATERMARK);
        self
    }

    /// Wakes the reader only when so many bytes are there.
    pub fn wakeup_bytes(mut self, bytes: u32) -> Self {
        self.raw.wakeup_events = bytes;
        self.raw.flags.insert(PerfAttrFlags::WATERMARK);
        self
    }
}

/// The smallest of the structure's published sizes that holds all that is set, so that old kernels accept it.
pub(super) fn attr_size(raw: &PerfEventAttr) -> u32 {
    const SIZES: [usize; 9] = [
        offset_of!(PerfEventAttr, config2),
        offset_of!(PerfEventAttr, branch_sample_type),
        offset_of!(PerfEventAttr, sample_regs_user),
        offset_of!(PerfEventAttr, sample_regs_intr),
        offset_of!(PerfEventAttr, aux_watermark),
        offset_of!(PerfEventAttr, aux_sample_size),
        offset_of!(PerfEventAttr, sig_data),
        offset_of!(PerfEventAttr, config3),
        offset_of!(PerfEventAttr, config4),
    ];
    let used = raw
        .as_bytes()
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1);
    let size = SIZES
        .into_iter()
        .find(|size| *size >= used)
        .unwrap_or(size_of::<PerfEventAttr>());
    // The structure has fewer than 200 bytes.
    u32::try_from(size).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smallest_size() {
        assert_eq!(attr_size(&Attr::software(PerfSoftware::DUMMY).raw), 64);
        assert_eq!(attr_size(&Attr::uprobe(PerfType(9), 0, c"/bin/true", 16).raw), 72);
        assert_eq!(
            attr_size(&PerfEventAttr {
                config4: 1,
                ..Default::default()
            }),
            144
        );
    }
}
