//! What a caller may ask of a load, beside the object itself.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use bpfld_btf::Btf;
use bpfld_features::Probes;
use zerocopy::{Immutable, IntoBytes};

use super::log_level::LogLevel;
use super::map_options::MapOptions;
use super::program_options::ProgramOptions;
use crate::memlock::Memlock;
use crate::token::Token;

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

/// Whether maps are shared through the file system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Pinning {
    #[default]
    AsDeclared,
    Never,
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
