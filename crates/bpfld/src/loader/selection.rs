//! Which programs of an object are loaded, with which options: by default, by wish, one instead of another, several times.

use std::collections::BTreeSet;

use bpfld_object::{Object, Program as ObjectProgram, ProgramIndex};
use bpfld_sys::ProgramType;

use super::maps::MapPlan;
use super::options::Options;
use super::prepare::Prepared;
use super::program_options::ProgramOptions;
use crate::error::{Error, Subject};

/// A program to be loaded, by the name that it will have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) index: ProgramIndex,
    pub(crate) name: &'a str,
    /// Whether it is there besides the program of the object.
    pub(crate) is_copy: bool,
}

impl Options {
    /// Whether all names are names of something.
    pub(super) fn check_programs(&self, object: &Object) -> Result<(), Error> {
        let subject = |name: &str| Subject::Program(name.to_owned());
        let missing = |name: &str| Error::not_found(subject(name), "such program in the object");
        for (copy, original) in &self.copies {
            if object.program(copy).is_some() {
                return Err(Error::invalid(
                    subject(copy),
                    "the object has a program of this name",
                ));
            }
            object.program(original).ok_or_else(|| missing(original))?;
        }
        let names = self.programs.keys().chain(self.only.iter().flatten());
        for name in names.filter(|name| !self.copies.contains_key(*name)) {
            object.program(name).ok_or_else(|| missing(name))?;
        }
        if self.alternatives.iter().any(Vec::is_empty) {
            return Err(Error::invalid(Subject::Object, "there is nothing to choose from"));
        }
        let mut seen = BTreeSet::new();
        for name in self.alternatives.iter().flatten() {
            object.program(name).ok_or_else(|| missing(name))?;
            if !seen.insert(name) {
                return Err(Error::invalid(subject(name), "it is an alternative twice"));
            }
        }
        Ok(())
    }

    /// What is wished for a program: by its name, else by its section.
    fn of_program(&self, name: &str, section: &str) -> ProgramOptions {
        let mut options = self.programs.get(name).cloned().unwrap_or_default();
        let is_under = |prefix: &str| {
            let rest = section.strip_prefix('?').unwrap_or(section).strip_prefix(prefix);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        // the longest prefix says most
        let mut sections: Vec<_> = self
            .sections
            .iter()
            .filter(|(prefix, _)| is_under(prefix))
            .collect();
        sections.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        for (_, section) in sections {
            options.fill_from(section);
        }
        options
    }
}

impl<'a> Prepared<'a> {
    /// The programs that are loaded when the object is, by number; of [alternatives](super::Loader::first_of) all that may
    /// be.
    ///
    /// Programs in `SEC("?…")` sections are not, unless the caller says so; struct_ops programs are if a map that is made
    /// points to them.
    #[must_use]
    pub fn selected(&self) -> Vec<ProgramIndex> {
        let programs = self.object.programs().iter().enumerate();
        programs
            .map(|(index, program)| (ProgramIndex(index as u32), program))
            .filter(|(index, program)| self.is_selected(*index, program))
            .map(|(index, _)| index)
            .collect()
    }

    fn is_selected(&self, index: ProgramIndex, program: &ObjectProgram) -> bool {
        let is_in = |names: &[String]| names.iter().any(|name| **name == *program.name);
        if let Some(only) = &self.options.only {
            return is_in(only);
        }
        if let Some(wish) = self.options_of(program, &program.name).autoload {
            return wish;
        }
        if self.options.alternatives.iter().any(|group| is_in(group)) {
            return true;
        }
        if self.program_type(program) == Some(ProgramType::STRUCT_OPS) {
            let points = |map: &&MapPlan<'_>| map.def.members.iter().any(|member| member.program == index);
            let mut users = self.maps.iter().filter(points).peekable();
            if users.peek().is_some() {
                return users.any(|map| map.create);
            }
        }
        program.autoload
    }

    /// A program of the object, by its own name.
    pub(crate) fn wanted(&self, index: ProgramIndex) -> Option<Wanted<'a>> {
        let name = &*self.object.programs().get(index.index())?.name;
        Some(Wanted {
            index,
            name,
            is_copy: false,
        })
    }

    /// What is loaded: of each group the first that the kernel takes. Most groups are one program.
    pub(crate) fn groups(&self) -> Vec<Vec<Wanted<'a>>> {
        let (object, options) = (self.object, self.options);
        let selected = self.selected().into_iter();
        let selected: Vec<Wanted<'a>> = selected.filter_map(|index| self.wanted(index)).collect();
        let group_of = |name: &str| {
            options
                .alternatives
                .iter()
                .find(|group| group.iter().any(|other| other == name))
        };
        let mut groups = Vec::new();
        for program in &selected {
            let Some(group) = group_of(program.name) else {
                groups.push(vec![*program]);
                continue;
            };
            let members = group
                .iter()
                .filter_map(|name| selected.iter().find(|other| other.name == name));
            let members: Vec<_> = members.copied().collect();
            let first = members.iter().map(|member| member.index).min();
            if first == Some(program.index) {
                groups.push(members);
            }
        }
        for (copy, original) in &options.copies {
            let is_wanted = match &options.only {
                Some(only) => only.contains(copy),
                None => options.programs.get(copy).and_then(|options| options.autoload) != Some(false),
            };
            if let Some(index) = object.program_index(original).filter(|_| is_wanted) {
                groups.push(vec![Wanted {
                    index,
                    name: copy,
                    is_copy: true,
                }]);
            }
        }
        groups
    }

    /// What is wished for a program under this name.
    pub(super) fn options_of(&self, program: &ObjectProgram, name: &str) -> ProgramOptions {
        self.options.of_program(name, &program.section)
    }

    /// The type that a program is loaded with.
    pub(crate) fn program_type(&self, program: &ObjectProgram) -> Option<ProgramType> {
        let wish = self.options_of(program, &program.name).program_type;
        wish.or(program.spec.as_ref().map(|spec| spec.program_type))
    }
}
