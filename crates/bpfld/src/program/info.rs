//! What the kernel says about a program.

use std::{fmt, os::fd::BorrowedFd, time::Duration};

use bpfld_sys::{self as sys, ProgramType, info};

/// What the kernel says about a program (4.13).
#[derive(Clone, Debug)]
pub struct ProgramInfo {
    raw: info::ProgInfo,
    map_ids: Vec<u32>,
}

/// A digest of a program's instructions, as the kernel computes it; prints as 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tag(pub [u8; 8]);

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl ProgramInfo {
    pub(crate) fn of(fd: BorrowedFd<'_>) -> Result<ProgramInfo, sys::Error> {
        let raw = sys::prog_info(fd)?;
        let mut map_ids = vec![0; raw.nr_map_ids as usize];
        if !map_ids.is_empty() {
            let mut buffers = sys::ProgBuffers::default();
            buffers.map_ids = &mut map_ids;
            sys::prog_info_with(fd, &mut buffers)?;
        }
        Ok(ProgramInfo { raw, map_ids })
    }

    /// Id, unique on the machine for as long as the program lives.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.raw.id
    }

    /// Name, at most 15 characters (4.15); bytes that are not UTF-8 are replaced.
    #[must_use]
    pub fn name(&self) -> String {
        crate::info::name(&self.raw.name)
    }

    /// Type of the program.
    #[must_use]
    pub fn program_type(&self) -> ProgramType {
        self.raw.prog_type
    }

    /// Digest of the instructions.
    #[must_use]
    pub fn tag(&self) -> Tag {
        Tag(self.raw.tag)
    }

    /// When the program was loaded, since the machine started (4.15).
    #[must_use]
    pub fn loaded_at(&self) -> Duration {
        Duration::from_nanos(self.raw.load_time)
    }

    /// User who loaded it (4.15).
    #[must_use]
    pub fn uid(&self) -> u32 {
        self.raw.created_by_uid
    }

    /// Ids of the maps that it uses (4.15).
    #[must_use]
    pub fn map_ids(&self) -> &[u32] {
        &self.map_ids
    }

    /// Id of the BTF object that describes its functions (5.0), if it has one.
    #[must_use]
    pub fn btf_id(&self) -> Option<u32> {
        (self.raw.btf_id != 0).then_some(self.raw.btf_id)
    }

    /// Bytes of the instructions after the verifier's changes.
    #[must_use]
    pub fn translated_len(&self) -> u32 {
        self.raw.xlated_prog_len
    }

    /// Bytes of machine code; zero if it is interpreted.
    #[must_use]
    pub fn jited_len(&self) -> u32 {
        self.raw.jited_prog_len
    }

    /// Instructions that the verifier went through (5.16).
    #[must_use]
    pub fn verified_insns(&self) -> u32 {
        self.raw.verified_insns
    }

    /// Time spent running, while statistics were on (5.1).
    #[must_use]
    pub fn run_time(&self) -> Duration {
        Duration::from_nanos(self.raw.run_time_ns)
    }

    /// Number of runs, while statistics were on (5.1).
    #[must_use]
    pub fn run_count(&self) -> u64 {
        self.raw.run_cnt
    }

    /// Runs left out because the program was running already on the CPU (5.12).
    #[must_use]
    pub fn recursion_misses(&self) -> u64 {
        self.raw.recursion_misses
    }

    /// All that the kernel told, field by field. Pointers in it are of no use.
    #[must_use]
    pub fn raw(&self) -> &info::ProgInfo {
        &self.raw
    }
}
