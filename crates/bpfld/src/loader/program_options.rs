//! What a caller may ask of one program.

use bpfld_sys::{AttachType, ProgFlags, ProgramType};

use super::log_level::LogLevel;
use crate::program::Program;

/// What to change about one program before it is loaded. Names that the object does not have fail the load.
#[derive(Clone, Debug, Default)]
pub struct ProgramOptions {
    pub(crate) autoload: Option<bool>,
    pub(crate) program_type: Option<ProgramType>,
    pub(crate) attach_type: Option<AttachType>,
    pub(crate) flags: ProgFlags,
    pub(crate) log_level: Option<LogLevel>,
    pub(crate) target: Option<Target>,
    pub(crate) ifindex: Option<u32>,
}

/// What a program that is tied to a function attaches to.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// A function, tracepoint, hook or iterator of the kernel: `name`, `module:name` or `vmlinux:name`.
    Kernel(String),
    /// A function of another program.
    Program {
        program: Program,
        /// As the section name says, if not told.
        function: Option<String>,
    },
}

impl ProgramOptions {
    /// Takes over what is not set here.
    pub(super) fn fill_from(&mut self, other: &Self) {
        let Self {
            autoload,
            program_type,
            attach_type,
            flags,
            log_level,
            target,
            ifindex,
        } = other;
        self.autoload = self.autoload.or(*autoload);
        self.program_type = self.program_type.or(*program_type);
        self.attach_type = self.attach_type.or(*attach_type);
        self.flags |= *flags;
        self.log_level = self.log_level.or(*log_level);
        self.target = self.target.take().or_else(|| target.clone());
        self.ifindex = self.ifindex.or(*ifindex);
    }

    /// Whether the program is loaded.
    pub fn autoload(&mut self, load: bool) -> &mut Self {
        self.autoload = Some(load);
        self
    }

    /// The type, instead of the one that the section name says.
    pub fn program_type(&mut self, program_type: ProgramType) -> &mut Self {
        self.program_type = Some(program_type);
        self
    }

    /// The expected attach type, instead of the one that the section name says.
    pub fn attach_type(&mut self, attach_type: AttachType) -> &mut Self {
        self.attach_type = Some(attach_type);
        self
    }

    /// More flags for the load, beside those that the section name says.
    pub fn flags(&mut self, flags: ProgFlags) -> &mut Self {
        self.flags |= flags;
        self
    }

    /// How much the verifier prints about this program.
    pub fn log_level(&mut self, level: LogLevel) -> &mut Self {
        self.log_level = Some(level);
        self
    }

    /// What the program attaches to: a function, tracepoint, hook or iterator of the kernel, of any module or of a named
    /// one (`name`, `module:name`, `vmlinux:name`).
    pub fn attach_target(&mut self, target: impl Into<String>) -> &mut Self {
        self.target = Some(Target::Kernel(target.into()));
        self
    }

    /// What the program attaches to or replaces: a function of another program, which was loaded with BTF.
    pub fn attach_to_program(&mut self, program: &Program, function: impl Into<String>) -> &mut Self {
        self.target = Some(Target::Program {
            program: program.clone(),
            function: Some(function.into()),
        });
        self
    }

    /// The program whose function it replaces or traces: the function that its section names (`freplace/function`).
    pub fn attach_into(&mut self, program: &Program) -> &mut Self {
        self.target = Some(Target::Program {
            program: program.clone(),
            function: None,
        });
        self
    }

    /// The network device to offload the program to, or to bind it to.
    pub fn ifindex(&mut self, ifindex: u32) -> &mut Self {
        self.ifindex = Some(ifindex);
        self
    }
}
