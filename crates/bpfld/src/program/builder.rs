//! Loading instructions that come from no object.

use std::ffi::CString;

use bpfld_insn::Slot;
use bpfld_sys::{self as sys, AttachType, ProgFlags, ProgramType};
use zerocopy::IntoBytes;

use super::{Program, ProgramMeta};
use crate::info::check_name;
use crate::loader::{LogLevel, load_program};
use crate::memlock::Memlock;
use crate::{Error, Result, Subject};

/// A program put together in memory. Made by [`Program::builder`].
///
/// What comes out of a compiler is [`Loader`](crate::Loader)'s: nothing is relocated here.
///
/// ```no_run
/// use bpfld::{Program, ProgramType};
/// use bpfld_insn::{Endian, Slot};
///
/// let code = [[0xb7, 0, 0, 0, 2, 0, 0, 0], [0x95, 0, 0, 0, 0, 0, 0, 0]]; // r0 = 2; exit
/// let code = code.map(|bytes| Slot::from_bytes(bytes, Endian::Little));
/// let pass = Program::builder(ProgramType::XDP, "pass", &code).load()?;
/// # Ok::<(), bpfld::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing happens before `load`"]
pub struct ProgramBuilder<'a> {
    program_type: ProgramType,
    name: &'a str,
    insns: &'a [Slot],
    license: &'a str,
    attach_type: Option<AttachType>,
    attach_btf_id: u32,
    flags: ProgFlags,
    ifindex: u32,
}

impl<'a> ProgramBuilder<'a> {
    pub(super) fn new(program_type: ProgramType, name: &'a str, insns: &'a [Slot]) -> Self {
        ProgramBuilder {
            program_type,
            name,
            insns,
            license: "GPL",
            attach_type: None,
            attach_btf_id: 0,
            flags: ProgFlags::empty(),
            ifindex: 0,
        }
    }

    /// Its licence; "GPL" unless said otherwise. Some helpers want one that is compatible with that.
    pub fn license(mut self, license: &'a str) -> Self {
        self.license = license;
        self
    }

    /// What it will be attached as, for kinds that want to know it.
    pub fn attach_type(mut self, attach_type: AttachType) -> Self {
        self.attach_type = Some(attach_type);
        self
    }

    /// Type in the BTF of the kernel that it will be attached to, for tracing and LSM programs.
    pub fn attach_btf_id(mut self, id: bpfld_btf::TypeId) -> Self {
        self.attach_btf_id = id.0;
        self
    }

    /// How it is loaded.
    pub fn flags(mut self, flags: ProgFlags) -> Self {
        self.flags = flags;
        self
    }

    /// The network device to bind it to (with [`ProgFlags::XDP_DEV_BOUND_ONLY`], 6.3) or to offload it to; 0 for none.
    pub fn ifindex(mut self, ifindex: u32) -> Self {
        self.ifindex = ifindex;
        self
    }

    /// Loads it.
    ///
    /// # Errors
    ///
    /// When the verifier or the kernel refuses it; the error has the verifier's log, if there is one. When the name is empty, or has anything but
    /// letters, digits, `_` and `.`; of a longer one the kernel keeps 15 bytes.
    pub fn load(self) -> Result<Program> {
        let subject = Subject::Program(self.name.to_owned());
        check_name(subject.clone(), self.name)?;
        let license = CString::new(self.license)
            .map_err(|_| Error::invalid(subject.clone(), "a licence cannot have a NUL byte"))?;
        let mut wanted = sys::ProgLoad::new(self.program_type, self.insns.as_bytes(), &license);
        wanted.name = self.name;
        wanted.expected_attach_type = self.attach_type.unwrap_or_default();
        wanted.attach_btf_id = self.attach_btf_id;
        wanted.flags = self.flags;
        wanted.ifindex = self.ifindex;
        let (fd, _) = load_program(&wanted, LogLevel::empty(), Memlock::Raise)
            .map_err(|refusal| refusal.told(subject, "load"))?;
        let meta = ProgramMeta {
            name: self.name.to_owned(),
            program_type: self.program_type,
            attach_type: self.attach_type,
            section: None,
            usdt: None,
            module: None,
        };
        Ok(Program::from_parts(fd, meta))
    }
}
