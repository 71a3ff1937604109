//! The load of an object: everything found first, then maps, then programs, then what needs both.

use std::collections::VecDeque;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::{Mutex, PoisonError};

use bpfld_object::{MapIndex, Object, ProgramIndex, SlotValue};
use bpfld_sys::MapType;

use super::loaded::{Loaded, PartiallyLoaded};
use super::made::Made;
use super::options::{Loader, Pinning};
use super::prepare::Prepared;
use super::program::LoadedProgram;
use super::ready::Ready;
use crate::error::{Error, Subject};
use crate::log::VerifierLog;
use crate::program::Program;

/// Programs by name, and what is wrong with them.
type Failures = Vec<(String, Error)>;

/// Programs in the order in which they are tried: the first is loaded that the kernel takes.
type Group<'a> = Vec<(&'a str, Result<Ready<'a>, Error>)>;

impl Loader {
    /// Loads an object: its maps, and every program that is to be loaded by default or by the caller's wish.
    ///
    /// Either all of it is in the kernel afterwards, or nothing.
    ///
    /// # Errors
    ///
    /// Something cannot be made, found or verified. The error names what, and carries the verifier's log for a program
    /// that was rejected.
    pub fn load(&self, object: &Object) -> Result<Loaded, Error> {
        let load = || self.prepare(object)?.load();
        load().map_err(|error: Error| error.in_object(object.name()))
    }

    /// Loads an object as far as possible: a program that fails does not keep the others from being loaded.
    ///
    /// # Errors
    ///
    /// A map cannot be made, or the loader's options do not fit the object.
    pub fn load_partial(&self, object: &Object) -> Result<PartiallyLoaded, Error> {
        let load = || self.prepare(object)?.load_partial();
        load().map_err(|error: Error| error.in_object(object.name()))
    }

    /// Makes an object ready to be loaded, as a whole or program by program. Makes nothing in the kernel yet.
    ///
    /// # Errors
    ///
    /// The object is for the other byte order, or the loader's options do not fit it: a name it does not have, a value of
    /// another size than the variable.
    pub fn prepare<'a>(&'a self, object: &'a Object) -> Result<Prepared<'a>, Error> {
        Prepared::new(self, object).map_err(|error| error.in_object(object.name()))
    }
}

impl<'a> Prepared<'a> {
    /// Loads the object, as [`Loader::load`] does.
    ///
    /// # Errors
    ///
    /// As for [`Loader::load`].
    pub fn load(&self) -> Result<Loaded, Error> {
        let (lost, ready): (Vec<_>, Vec<_>) = self.all_ready().into_iter().partition(is_lost);
        if let Some(error) = lost.into_iter().map(failures).find_map(blame) {
            return Err(error);
        }
        let (loaded, failed) = self.load_ready(ready, OnFailure::Stop)?;
        match failed.into_iter().find_map(blame) {
            None => Ok(loaded),
            Some(error) => Err(error),
        }
    }

    /// Loads the object as far as possible, as [`Loader::load_partial`] does.
    ///
    /// # Errors
    ///
    /// As for [`Loader::load_partial`].
    pub fn load_partial(&self) -> Result<PartiallyLoaded, Error> {
        let (lost, ready): (Vec<_>, Vec<_>) = self.all_ready().into_iter().partition(is_lost);
        let (loaded, failed) = self.load_ready(ready, OnFailure::GoOn)?;
        let lost = lost.into_iter().map(failures);
        let mut failed: Failures = lost.chain(failed).flatten().collect();
        let position = |name: &str| {
            self.object
                .programs()
                .iter()
                .position(|program| *program.name == *name)
        };
        failed.sort_by_key(|(name, _)| position(name).unwrap_or(usize::MAX));
        Ok(PartiallyLoaded { loaded, failed })
    }

    /// Loads one program by itself, whether it is to be loaded by default or not: with new maps of its own, those that it
    /// uses and no others, and none of them pinned. Nothing of it is left when what this returns is dropped.
    ///
    /// # Errors
    ///
    /// There is no such program, a map that it uses cannot be made, or the program cannot be loaded.
    pub fn load_alone(&self, program: &str) -> Result<Alone, Error> {
        let subject = || Subject::Program(program.to_owned());
        let index = self.object.program_index(program);
        let wanted = index.and_then(|index| self.wanted(index));
        let wanted = wanted.ok_or_else(|| Error::not_found(subject(), "program of this name in the object"));
        let load = || {
            let ready = self.ready(wanted?)?;
            self.resolve_externs(&ready.externs().collect::<Vec<_>>())?;
            let mut wanted = Vec::new();
            self.maps_of(ready.maps(), &mut wanted);
            let is_wanted = |map: MapIndex| wanted.get(map.index()).copied().unwrap_or(false);
            self.raise_memlock();
            let made = Made::make(self, is_wanted, Pinning::Never)?;
            let LoadedProgram { program, log, .. } = ready.load(self, &made)?;
            Ok(Alone { program, log })
        };
        load().map_err(|error: Error| error.in_object(self.object.name()))
    }

    /// Links and relocates all programs that may be loaded.
    fn all_ready(&self) -> Vec<Group<'a>> {
        let groups = self.groups();
        let each: Vec<_> = groups.iter().flatten().copied().collect();
        let mut results = self.for_each(each, |wanted| (wanted.name, self.ready(wanted)));
        // All at once, so that the kernel's symbols are read once; program by program only to blame the right one.
        let ready = results.iter().filter_map(|(_, result)| result.as_ref().ok());
        let externs: Vec<_> = ready.flat_map(Ready::externs).collect();
        if self.resolve_externs(&externs).is_err() {
            for (_, result) in &mut results {
                let resolved = match result {
                    Ok(program) => self.resolve_externs(&program.externs().collect::<Vec<_>>()),
                    Err(_) => continue,
                };
                if let Err(error) = resolved {
                    *result = Err(error);
                }
            }
        }
        let mut results = results.into_iter();
        groups
            .iter()
            .map(|group| results.by_ref().take(group.len()).collect())
            .collect()
    }

    /// Makes the maps and loads of each group what can be loaded; and for each group of which nothing can, why.
    fn load_ready(
        &self,
        groups: Vec<Group<'a>>,
        on_failure: OnFailure,
    ) -> Result<(Loaded, Vec<Failures>), Error> {
        self.raise_memlock();
        let made = Made::make(self, |_| true, self.options.pinning)?;
        let stop = Mutex::new(false);
        let results = self.for_each(groups, |group| {
            if *stop.lock().unwrap_or_else(PoisonError::into_inner) {
                return None;
            }
            let result = self.load_first(group, &made);
            if result.0.is_none() && on_failure == OnFailure::Stop {
                *stop.lock().unwrap_or_else(PoisonError::into_inner) = true;
            }
            Some(result)
        });
        let (mut programs, mut failed, mut passed_over) = (Vec::new(), Vec::new(), Vec::new());
        for (program, failures) in results.into_iter().flatten() {
            match program {
                Some(program) => {
                    programs.push(program);
                    passed_over.extend(failures);
                }
                None => failed.push(failures),
            }
        }
        if on_failure == OnFailure::GoOn || failed.is_empty() {
            self.finish(&made, &programs, on_failure)?;
        }
        let tables = self.tables(&made, &programs)?;
        let maps = if on_failure == OnFailure::Stop && !failed.is_empty() {
            Vec::new()
        } else {
            made.commit()
        };
        let names = self
            .object
            .programs()
            .iter()
            .map(|program| program.name.to_string());
        let loaded = Loaded {
            name: self.object.name().to_owned(),
            maps,
            programs,
            program_names: names.chain(self.options.copies.keys().cloned()).collect(),
            variables: self.variables.clone(),
            tables,
            adaptations: self.adaptations(),
            passed_over,
        };
        Ok((loaded, failed))
    }

    /// Tries the programs of a group in turn.
    fn load_first(&self, group: Group<'a>, made: &Made<'_>) -> (Option<LoadedProgram>, Failures) {
        let mut failed = Vec::new();
        for (name, candidate) in group {
            match candidate.and_then(|candidate| candidate.load(self, made)) {
                Ok(program) => return (Some(program), failed),
                Err(error) => failed.push((name.to_owned(), error)),
            }
        }
        (None, failed)
    }

    /// What needs both maps and programs: elements that are programs.
    fn finish(
        &self,
        made: &Made<'_>,
        programs: &[LoadedProgram],
        on_failure: OnFailure,
    ) -> Result<(), Error> {
        for (index, plan) in self.maps.iter().enumerate() {
            let Some(map) = made.map(MapIndex(index as u32)) else {
                continue;
            };
            if plan.spec.map_type != MapType::PROG_ARRAY {
                continue;
            }
            for (slot, value) in &plan.def.slots {
                let SlotValue::Program(wanted) = value else {
                    continue;
                };
                match original(programs, *wanted) {
                    Some(loaded) => {
                        made.set_slot(plan.subject(), map, *slot, loaded.program.as_fd().as_raw_fd())?
                    }
                    None if on_failure == OnFailure::GoOn => {}
                    None => {
                        let name = self
                            .object
                            .programs()
                            .get(wanted.index())
                            .map_or("", |program| &program.name);
                        let message = format!("element {slot} is program '{name}', which is not loaded");
                        return Err(Error::invalid(plan.subject(), message));
                    }
                }
            }
        }
        Ok(())
    }

    /// The tables of struct_ops maps with the programs in them. A program that is not loaded leaves its place empty.
    fn tables(&self, made: &Made<'_>, programs: &[LoadedProgram]) -> Result<Vec<(MapIndex, Vec<u8>)>, Error> {
        let mut tables = Vec::new();
        for number in 0..self.maps.len() {
            let index = MapIndex(number as u32);
            if made.map(index).is_none() {
                continue;
            }
            let Some(found) = self.struct_ops(index)? else {
                continue;
            };
            let mut table = found.value.clone();
            for member in &found.programs {
                let loaded = original(programs, member.program);
                let place = table
                    .get_mut(member.offset..)
                    .and_then(|rest| rest.first_chunk_mut());
                if let (Some(loaded), Some(place)) = (loaded, place) {
                    let fd = loaded.program.as_fd().as_raw_fd();
                    *place = usize::to_ne_bytes(fd.unsigned_abs() as usize);
                }
            }
            tables.push((index, table));
        }
        Ok(tables)
    }

    /// Does something for each item: one after the other, or on several threads. Answers keep the order.
    fn for_each<T: Send, R: Send>(&self, items: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
        let threads = self
            .options
            .parallel
            .map_or(1, |threads| threads.get().min(items.len()));
        if threads <= 1 {
            return items.into_iter().map(work).collect();
        }
        let queue: Mutex<VecDeque<(usize, T)>> = Mutex::new(items.into_iter().enumerate().collect());
        let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let worker = || {
            let mut done = Vec::new();
            while let Some((position, item)) = next() {
                done.push((position, work(item)));
            }
            done
        };
        let mut done: Vec<(usize, R)> = std::thread::scope(|scope| {
            let handles: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
            let join = |handle: std::thread::ScopedJoinHandle<'_, Vec<(usize, R)>>| {
                handle
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            handles.into_iter().flat_map(join).collect()
        });
        done.sort_by_key(|(position, _)| *position);
        done.into_iter().map(|(_, result)| result).collect()
    }
}

/// Whether nothing of a group can be loaded.
fn is_lost(group: &Group<'_>) -> bool {
    group.iter().all(|(_, candidate)| candidate.is_err())
}

fn failures(group: Group<'_>) -> Failures {
    let failed = group.into_iter();
    failed
        .filter_map(|(name, candidate)| Some((name.to_owned(), candidate.err()?)))
        .collect()
}

/// The error for a group of which nothing can be loaded: that of the last, which is to ask least of the kernel.
fn blame(mut failed: Failures) -> Option<Error> {
    let (_, error) = failed.pop()?;
    let others: Vec<String> = failed.iter().map(|(name, _)| format!("'{name}'")).collect();
    Some(if others.is_empty() {
        error
    } else {
        error.with_hint(format!(
            "it is the last of several to choose from, before which {} failed; load_partial has all reasons",
            others.join(", ")
        ))
    })
}

/// A program of the object, if it was loaded.
fn original(programs: &[LoadedProgram], wanted: ProgramIndex) -> Option<&LoadedProgram> {
    programs
        .iter()
        .find(|loaded| loaded.index == wanted && !loaded.is_copy)
}

/// What to do when one program fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OnFailure {
    Stop,
    GoOn,
}

/// A program that was loaded by itself.
#[derive(Debug)]
#[non_exhaustive]
pub struct Alone {
    /// The program.
    pub program: Program,
    /// What the verifier printed, if the loader was given a log level.
    pub log: Option<VerifierLog>,
}
