//! What is left of the types, numbered anew, with its strings.

use alloc::{vec, vec::Vec};

use super::{Deduplicated, pass::Pass};
use crate::{
    Builder, Error, ErrorKind, TypeId,
    record::{self, Reference},
};

impl Pass {
    /// Leaves out all that something else stands for, and numbers the rest anew.
    pub(super) fn compact(mut self, source: &Builder) -> Result<Deduplicated, Error> {
        let mut ids: Vec<TypeId> = (0..self.types.len()).map(TypeId).collect();
        let mut next = self.types.first_own;
        for id in self.ids().filter(|id| self.map.at(*id) == *id) {
            if let Some(new) = ids.get_mut(id as usize) {
                *new = TypeId(next);
                next += 1;
            }
        }
        // Chains end in types that stay, so that these are not disturbed by what is written here.
        for id in 1..self.types.len() {
            let to = self.map.resolve(id);
            let new = ids.get(to as usize).copied().unwrap_or_default();
            if let Some(entry) = ids.get_mut(id as usize).filter(|_| to != id) {
                *entry = new;
            }
        }
        // Types that are merged have the same strings, so that none is left over: they can stay where they are. Not so
        // where the base has the same types.
        let mut strings = Moved::new(source);
        let mut builder = strings.builder(source);
        for id in self.ids() {
            if self.map.at(id) != id {
                continue;
            }
            let words = self.types.record_mut(id);
            record::visit(words, |reference, word| {
                match reference {
                    Reference::Type => *word = ids.get(*word as usize).map_or(0, |id| id.0),
                    Reference::String => *word = strings.place(*word, source, &mut builder)?,
                }
                Ok::<(), Error>(())
            })?;
            builder.push(words)?;
        }
        Ok(Deduplicated { builder, ids })
    }
}

/// Where the strings of a builder are in another one.
enum Moved {
    /// Where they were.
    No,
    /// By offset in the own section; zero if not known.
    To(Vec<u32>),
}

impl Moved {
    fn new(source: &Builder) -> Self {
        match source.base() {
            None => Self::No,
            Some(_) => Self::To(vec![0; source.string_len()]),
        }
    }

    /// A builder without types.
    fn builder(&self, source: &Builder) -> Builder {
        match self {
            Self::No => source.without_types(),
            Self::To(_) => source.empty_like(),
        }
    }

    fn place(&mut self, offset: u32, source: &Builder, builder: &mut Builder) -> Result<u32, Error> {
        let missing = || Error::new(ErrorKind::StringOffset(offset), 0);
        let places = match self {
            Self::No if (offset as usize) < source.string_len() => return Ok(offset),
            Self::No => return Err(missing()),
            Self::To(places) => places,
        };
        // The base's strings stay where they are.
        let Some(own) = offset.checked_sub(builder.first_string()) else {
            return Ok(offset);
        };
        let place = places.get_mut(own as usize).ok_or_else(missing)?;
        if *place == 0 {
            *place = builder.string_bytes(source.string_at(offset).ok_or_else(missing)?)?;
        }
        Ok(*place)
    }
}
