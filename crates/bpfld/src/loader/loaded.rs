//! Objects in the kernel: their maps and programs, by name.

use bpfld_object::{MapIndex, Variable};

use super::program::LoadedProgram;
use crate::Link;
use crate::adaptation::Adaptation;
use crate::error::{Error, Result, Subject};
use crate::log::VerifierLog;
use crate::map::{Global, Map, Plain};
use crate::program::{Program, says_where};

/// An object in the kernel.
///
/// Dropping it lets go of maps and programs; those that are attached, pinned or held by a handle of their own live on.
#[derive(Debug)]
pub struct Loaded {
    pub(super) name: String,
    /// By number in the object; what was not made is missing.
    pub(super) maps: Vec<Option<Map>>,
    pub(super) programs: Vec<LoadedProgram>,
    pub(super) program_names: Vec<String>,
    pub(super) variables: Vec<Variable>,
    /// The tables of struct_ops maps, complete.
    pub(super) tables: Vec<(MapIndex, Vec<u8>)>,
    pub(super) adaptations: Vec<Adaptation>,
    pub(super) passed_over: Vec<(String, Error)>,
}

impl Loaded {
    /// The name of the object.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What was done because this kernel lacks something: first for the object as a whole, then for maps, then for programs. Empty on
    /// a kernel that has all that the object wants. What is done when programs are attached, their [links](Link::adaptations) tell.
    ///
    /// ```no_run
    /// # fn example(loaded: &bpfld::Loaded) {
    /// for adaptation in loaded.adaptations() {
    ///     eprintln!("{adaptation}");
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn adaptations(&self) -> &[Adaptation] {
        &self.adaptations
    }

    /// The [alternatives](super::Loader::first_of) that were tried and could not be loaded before the one that was, with the reasons.
    #[must_use]
    pub fn passed_over(&self) -> &[(String, Error)] {
        &self.passed_over
    }

    /// The map of this name; those behind global variables go by their section (`.bss`).
    ///
    /// # Errors
    ///
    /// The object has no such map, or it was not made.
    pub fn map(&self, name: &str) -> Result<&Map> {
        self.maps().find(|map| map.name() == name).ok_or_else(|| {
            Error::not_found(Subject::Map(name.to_owned()), "map of this name in the kernel")
                .in_object(&self.name)
        })
    }

    /// All maps that were made, in the order of the object.
    pub fn maps(&self) -> impl Iterator<Item = &Map> {
        self.maps.iter().flatten()
    }

    /// The program of this name.
    ///
    /// # Errors
    ///
    /// The object has no such program, or it was not loaded.
    pub fn program(&self, name: &str) -> Result<&Program> {
        if let Some(loaded) = self.programs.iter().find(|loaded| loaded.program.name() == name) {
            return Ok(&loaded.program);
        }
        let subject = Subject::Program(name.to_owned());
        let error = if self.program_names.iter().any(|known| known == name) {
            Error::invalid(subject, "it was not loaded").with_hint("ask the loader for it with autoload")
        } else {
            Error::not_found(subject, "program of this name in the object")
        };
        Err(error.in_object(&self.name))
    }

    /// All programs that were loaded, in the order of the object.
    pub fn programs(&self) -> impl Iterator<Item = &Program> {
        self.programs.iter().map(|loaded| &loaded.program)
    }

    /// What the verifier printed about a program that it accepted. Only where the loader was given a
    /// [`log_level`](super::Loader::log_level).
    #[must_use]
    pub fn log(&self, program: &str) -> Option<&VerifierLog> {
        self.programs
            .iter()
            .find(|loaded| loaded.program.name() == program)?
            .log
            .as_ref()
    }

    /// A global variable, to be read or, outside of `.rodata`, set while programs run.
    ///
    /// # Errors
    ///
    /// The object has no such variable, its section's map was not made, or it cannot be reached.
    pub fn global<T: Plain>(&self, name: &str) -> Result<Global<T>> {
        let subject = || Subject::Global(name.to_owned());
        let variable = self
            .variables
            .iter()
            .find(|variable| &*variable.name == name)
            .ok_or_else(|| Error::not_found(subject(), "variable of this name in the object"))?;
        let map = self.maps.get(variable.map.index()).and_then(Option::as_ref);
        let map = map.ok_or_else(|| Error::invalid(subject(), "the map of its section was not made"))?;
        Global::new(name, map, variable.offset as usize, variable.size as usize)
    }

    /// Gives the kernel the table of functions of a struct_ops map, by the name of its variable.
    ///
    /// # Errors
    ///
    /// There is no such map, or the kernel refuses: it may allow one table of a name only.
    pub fn attach_struct_ops(&self, map: &str) -> Result<Link> {
        let (found, table) = self.struct_ops_table(map)?;
        crate::link::struct_ops::attach(found, table).map_err(|error| error.in_object(&self.name))
    }

    /// Puts the table of functions of a struct_ops map in the place of the one that a link holds, without a gap (6.4). Both maps
    /// must have been declared for links (section `.struct_ops.link`).
    ///
    /// # Errors
    ///
    /// There is no such map, the link is of another kind, or the kernel refuses: not every interface allows it.
    pub fn update_struct_ops(&self, link: &Link, map: &str) -> Result<()> {
        let (found, table) = self.struct_ops_table(map)?;
        crate::link::struct_ops::update(link, found, table).map_err(|error| error.in_object(&self.name))
    }

    fn struct_ops_table(&self, map: &str) -> Result<(&Map, &[u8])> {
        let found = self.map(map)?;
        let table = self.tables.iter().find(|(index, _)| {
            self.maps
                .get(index.index())
                .and_then(Option::as_ref)
                .is_some_and(|map| map.name() == found.name())
        });
        let (_, table) = table.ok_or_else(|| Error::invalid(found.subject(), "it is no struct_ops map"))?;
        Ok((found, table))
    }

    /// Attaches every program whose section name says to what, and returns the links in the order of the object.
    /// Programs that cannot be attached by section name are left alone.
    ///
    /// # Errors
    ///
    /// A program cannot be attached; those before it are detached again.
    pub fn attach_all(&self) -> Result<Vec<Link>> {
        let able = self.programs().filter(|program| says_where(program));
        able.map(Program::attach).collect()
    }
}

/// An object of which every program got its own verdict.
#[derive(Debug)]
#[non_exhaustive]
pub struct PartiallyLoaded {
    /// What could be loaded.
    pub loaded: Loaded,
    /// The programs that could not, with the reason.
    pub failed: Vec<(String, Error)>,
}
