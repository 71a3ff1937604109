//! What a caller may ask of a load, beside the object itself.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use bitflags::bitflags;
use bpfld_btf::Btf;
use bpfld_features::Probes;
use bpfld_sys::{AttachType, MapFlags, ProgFlags, ProgramType};
use zerocopy::{Immutable, IntoBytes};

use crate::map::Map;
use crate::memlock::Memlock;
use crate::program::Program;
use crate::token::Token;

bitflags! {
    /// How much the verifier prints. Without any it prints only when it says no.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct LogLevel: u32 {
        /// What happens, instruction by instruction, on the way to the verdict.
        const BASIC = 1;
        /// The same with the state of all registers at every instruction, on every path.
        const FULL = 2;
        /// Numbers at the end: time, stack depth, instructions and states (Linux 5.2).
        const STATS = 4;
        /// Keep the start of a log that does not fit instead of its end (Linux 6.4).
        const FIXED = 8;
    }
}

/// Loads objects into the kernel.
///
/// A loader is a set of options; it may be used for any number of objects. What it learns about the kernel on the way is
/// kept for the whole process.
///
/// ```no_run
/// use bpfld::{Loader, Object};
///
/// let object = Object::open("fw.bpf.o")?;
/// let mut loader = Loader::new();
/// loader.global("target_pid", &4711u32);
/// loader.map("events").max_entries(1 << 20);
/// loader.program("debug_exit").autoload(false);
/// let loaded = loader.load(&object)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct Loader {
    pub(crate) options: Options,
}

#[derive(Clone, Default)]
pub(crate) struct Options {
    pub(crate) core_btf: Option<Arc<Btf>>,
    pub(crate) probes: Probes,
    pub(crate) kconfig: Option<String>,
    pub(crate) pin_root: Option<PathBuf>,
    pub(crate) pinning: Pinning,
    pub(crate) token: Option<Token>,
    pub(crate) memlock: Memlock,
    pub(crate) log_level: LogLevel,
    pub(crate) parallel: Option<NonZeroUsize>,
    pub(crate) only: Option<Vec<String>>,
    /// Groups of programs of which one each is loaded.
    pub(crate) alternatives: Vec<Vec<String>>,
    /// New names, and the programs that are loaded once more under them.
    pub(crate) copies: BTreeMap<String, String>,
    /// Options by the beginning of the section name.
    pub(crate) sections: BTreeMap<String, ProgramOptions>,
    pub(crate) maps: BTreeMap<String, MapOptions>,
    pub(crate) programs: BTreeMap<String, ProgramOptions>,
    pub(crate) globals: BTreeMap<String, Vec<u8>>,
}

/// What to change about one map before it is made. Names that the object does not have fail the load.
#[derive(Clone, Debug, Default)]
pub struct MapOptions {
    pub(crate) max_entries: Option<u32>,
    pub(crate) value_size: Option<u32>,
    pub(crate) flags: Option<MapFlags>,
    pub(crate) numa_node: Option<u32>,
    pub(crate) map_extra: Option<u64>,
    pub(crate) create: Option<bool>,
    pub(crate) pin: Option<Pin>,
    pub(crate) reuse: Option<Map>,
}

/// Whether maps are shared through the file system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Pinning {
    #[default]
    AsDeclared,
    Never,
}

/// Where a map shall be pinned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pin {
    Never,
    At(PathBuf),
}

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

impl Loader {
    /// A loader with the defaults: every program outside `SEC("?…")` is loaded, maps are made as declared.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Resolves CO-RE relocations against these types instead of the running kernel's own. Attach targets, kernel
    /// functions and variables still come from the kernel that runs.
    pub fn kernel_btf(&mut self, btf: Arc<Btf>) -> &mut Self {
        self.options.core_btf = Some(btf);
        self
    }

    /// Decides by these answers about the kernel instead of asking it; for tests that play an old kernel.
    pub fn probes(&mut self, probes: Probes) -> &mut Self {
        self.options.probes = probes;
        self
    }

    /// Kernel configuration in the syntax of `.config` that goes before the kernel's own, for `__kconfig` variables.
    pub fn kconfig(&mut self, text: impl Into<String>) -> &mut Self {
        self.options.kconfig = Some(text.into());
        self
    }

    /// The directory for maps that are pinned by name; `/sys/fs/bpf` if not set.
    pub fn pin_root(&mut self, path: impl Into<PathBuf>) -> &mut Self {
        self.options.pin_root = Some(path.into());
        self
    }

    /// Leaves all maps unpinned, whatever the object declares and other options say: for a look that leaves no trace.
    pub fn no_pins(&mut self) -> &mut Self {
        self.options.pinning = Pinning::Never;
        self
    }

    /// Makes maps and loads type information and programs by the rights of a token (Linux 6.9).
    pub fn token(&mut self, token: &Token) -> &mut Self {
        self.options.token = Some(token.clone());
        self
    }

    /// Leaves the limit of locked memory of this process as it is. By default it is raised where the kernel counts maps and
    /// programs against it (before Linux 5.11) and refuses for that reason.
    pub fn keep_memlock(&mut self) -> &mut Self {
        self.options.memlock = Memlock::Keep;
        self
    }

    /// Asks the verifier for a log also of programs that it accepts. A program it rejects comes with a log in any case.
    pub fn log_level(&mut self, level: LogLevel) -> &mut Self {
        self.options.log_level = level;
        self
    }

    /// Loads programs on this many threads at once. The order in which the kernel gets them is then left to chance;
    /// nothing else changes.
    pub fn parallel(&mut self, threads: NonZeroUsize) -> &mut Self {
        self.options.parallel = Some(threads);
        self
    }

    /// Loads these programs and no others, whatever the object and other options say.
    pub fn only<S: Into<String>>(&mut self, programs: impl IntoIterator<Item = S>) -> &mut Self {
        self.options.only = Some(programs.into_iter().map(Into::into).collect());
        self
    }

    /// Loads the first of these programs that this kernel takes, and none of the others, whatever the object says of them.
    ///
    /// For a program that is written in several ways, the best one first. Those that failed before it are in
    /// [`Loaded::passed_over`](super::Loaded::passed_over); the load fails if all fail.
    ///
    /// ```no_run
    /// # let object = bpfld::Object::open("fw.bpf.o")?;
    /// let loaded = bpfld::Loader::new().first_of(["watch_fentry", "watch_kprobe"]).load(&object)?;
    /// for (program, error) in loaded.passed_over() {
    ///     println!("not {program}: {error}");
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn first_of<S: Into<String>>(&mut self, programs: impl IntoIterator<Item = S>) -> &mut Self {
        self.options
            .alternatives
            .push(programs.into_iter().map(Into::into).collect());
        self
    }

    /// Loads a program once more, under another name and with options of its own: for another function to attach to, say.
    /// The copy shares maps and global variables with all other programs.
    ///
    /// ```no_run
    /// # let object = bpfld::Object::open("trace.bpf.o")?;
    /// let mut loader = bpfld::Loader::new();
    /// for function in ["tcp_connect", "tcp_close"] {
    ///     loader.copy("trace", function).attach_target(function);
    /// }
    /// let loaded = loader.autoload("trace", false).load(&object)?;
    /// let links = loaded.attach_all()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn copy(&mut self, program: impl Into<String>, name: impl Into<String>) -> &mut ProgramOptions {
        let name = name.into();
        self.options.copies.insert(name.clone(), program.into());
        self.program(name)
    }

    /// Options of all programs whose section has this name, or begins with it and a slash: what section names of one's own
    /// mean. Options by the name of a program go before.
    ///
    /// ```
    /// use bpfld::{AttachType, Loader, ProgramType};
    ///
    /// let mut loader = Loader::new();
    /// loader.section("firewall").program_type(ProgramType::XDP).attach_type(AttachType::XDP);
    /// ```
    pub fn section(&mut self, prefix: impl Into<String>) -> &mut ProgramOptions {
        self.options.sections.entry(prefix.into()).or_default()
    }

    /// Whether a program is loaded; short for [`program`](Self::program) and [`ProgramOptions::autoload`].
    pub fn autoload(&mut self, program: impl Into<String>, load: bool) -> &mut Self {
        self.program(program).autoload(load);
        self
    }

    /// Gives a global variable its value before any program is loaded; the verifier takes those in `.rodata` for
    /// constants. The size of the value is held against that of the variable when an object is loaded. A struct_ops table counts as
    /// a variable as far as it is data, member by member: `scheduler.timeout_ms`.
    ///
    /// ```
    /// # let mut loader = bpfld::Loader::new();
    /// loader.global("verbose", &1u8).global("ports", &[80u16, 443]);
    /// ```
    pub fn global<T>(&mut self, name: impl Into<String>, value: &T) -> &mut Self
    where
        T: IntoBytes + Immutable + ?Sized,
    {
        self.options
            .globals
            .insert(name.into(), value.as_bytes().to_vec());
        self
    }

    /// Options of one map, by its name. The maps behind global variables go by their section: `.bss`, `.data.cold`.
    pub fn map(&mut self, name: impl Into<String>) -> &mut MapOptions {
        self.options.maps.entry(name.into()).or_default()
    }

    /// Options of one program, by the name of its function.
    pub fn program(&mut self, name: impl Into<String>) -> &mut ProgramOptions {
        self.options.programs.entry(name.into()).or_default()
    }
}

impl MapOptions {
    /// How many elements it holds; for ring buffers the size in bytes, rounded up to what the kernel takes.
    pub fn max_entries(&mut self, entries: u32) -> &mut Self {
        self.max_entries = Some(entries);
        self
    }

    /// The size of a value in bytes. The initial contents of data sections are cut or filled with zeroes, and an array at the end of the
    /// section has as many elements as there is then room for:
    ///
    /// ```no_run
    /// # fn example(object: &bpfld::Object) -> Result<(), bpfld::Error> {
    /// let mut loader = bpfld::Loader::new();
    /// // u64 table[8] SEC(".data.table");
    /// loader.map(".data.table").value_size(64 * 8);
    /// loader.global("table", &[1u64; 64]);
    /// let table = loader.load(object)?.global::<[u64; 64]>("table")?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "bpf_map__set_value_size")]
    pub fn value_size(&mut self, bytes: u32) -> &mut Self {
        self.value_size = Some(bytes);
        self
    }

    /// The creation flags, instead of those declared.
    pub fn flags(&mut self, flags: MapFlags) -> &mut Self {
        self.flags = Some(flags);
        self
    }

    /// The memory node to allocate from (Linux 4.14); sets [`MapFlags::NUMA_NODE`] too.
    pub fn numa_node(&mut self, node: u32) -> &mut Self {
        self.numa_node = Some(node);
        self
    }

    /// The number whose meaning depends on the map's type: hash functions of a Bloom filter, address of an arena
    /// (Linux 5.16).
    pub fn map_extra(&mut self, extra: u64) -> &mut Self {
        self.map_extra = Some(extra);
        self
    }

    /// Whether the map is made at all. A program that reaches a reference to a map not made is rejected.
    pub fn create(&mut self, create: bool) -> &mut Self {
        self.create = Some(create);
        self
    }

    /// Uses the map pinned at this path, or pins the new one there.
    pub fn pin(&mut self, path: impl Into<PathBuf>) -> &mut Self {
        self.pin = Some(Pin::At(path.into()));
        self
    }

    /// Leaves the map unpinned even if the object declares `pinning` by name.
    pub fn no_pin(&mut self) -> &mut Self {
        self.pin = Some(Pin::Never);
        self
    }

    /// Uses this map instead of making one. Its parameters are taken as they are.
    pub fn reuse(&mut self, map: &Map) -> &mut Self {
        self.reuse = Some(map.clone());
        self
    }
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

impl fmt::Debug for Loader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Options {
            core_btf,
            probes,
            kconfig,
            pin_root,
            pinning,
            token,
            memlock,
            log_level,
            parallel,
            only,
            alternatives,
            copies,
            sections,
            maps,
            programs,
            globals,
        } = &self.options;
        f.debug_struct("Loader")
            .field("kernel_btf", &core_btf.is_some())
            .field("probes", probes)
            .field("kconfig", kconfig)
            .field("pin_root", pin_root)
            .field("pinning", pinning)
            .field("token", token)
            .field("memlock", memlock)
            .field("log_level", log_level)
            .field("parallel", parallel)
            .field("only", only)
            .field("alternatives", alternatives)
            .field("copies", copies)
            .field("sections", sections)
            .field("maps", maps)
            .field("programs", programs)
            .field("globals", globals)
            .finish()
    }
}
