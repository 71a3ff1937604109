//! Copying types from one BTF into another together with all they need.

use alloc::vec::Vec;

use hashbrown::HashMap;

use crate::{
    Btf, Builder, Error, ErrorKind, Kind, TypeId,
    record::{self, Reference},
    strings::Room,
};

/// Copies chosen types of a BTF, and all that they refer to, into a [`Builder`].
///
/// Keep one `Import` for all types that are taken from the same source: it remembers what was copied.
///
/// ```
/// use bpfld_btf::{Btf, Builder, Import, IntEncoding, Kind};
///
/// let mut builder = Builder::new();
/// let int = builder.int("int", 4, IntEncoding::SIGNED)?;
/// let a = builder.typedef("a", int)?;
/// builder.typedef("b", int)?;
/// let large = builder.finish()?;
///
/// let mut small = Builder::new();
/// Import::new(&large).add(&mut small, a)?;
/// let small = small.finish()?;
/// assert!(small.find("a", Kind::TYPEDEF).is_some());
/// assert!(small.find("b", Kind::TYPEDEF).is_none());
/// # Ok::<(), bpfld_btf::Error>(())
/// ```
#[derive(Debug)]
pub struct Import<'a> {
    source: &'a Btf,
    pointees: Pointees,
    copied: HashMap<(TypeId, Position), TypeId>,
    room: Room,
}

/// What becomes of named structs and unions that are only pointed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pointees {
    Whole,
    Forward,
}

/// Where a type was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Position {
    Embedded,
    BehindPointer,
}

impl<'a> Import<'a> {
    /// Copies from `source`.
    pub fn new(source: &'a Btf) -> Self {
        Self {
            source,
            pointees: Pointees::Whole,
            copied: HashMap::new(),
            room: Room::of(source),
        }
    }

    /// Writes named structs and unions that are only pointed to as forward declarations, so that a copy of one kernel
    /// type does not pull in the whole kernel.
    #[must_use]
    pub fn forward_behind_pointers(mut self) -> Self {
        self.pointees = Pointees::Forward;
        self
    }

    /// Copies the type and what it refers to, unless that was done before, and returns its id in the builder.
    ///
    /// # Errors
    ///
    /// When the source refers to types or strings that do not exist, or has kinds that this build does not know.
    pub fn add(&mut self, builder: &mut Builder, id: TypeId) -> Result<TypeId, Error> {
        let Self {
            source,
            pointees,
            copied,
            room,
        } = self;
        let mut pending = Vec::new();
        let mut next = builder.next_id().0;
        // Ids are given when a type is first met; records follow in the same order.
        let mut place = |id: TypeId, position: Position, pending: &mut Vec<(TypeId, Position)>| {
            if id.is_void() {
                return id;
            }
            let position = if *pointees == Pointees::Whole {
                Position::Embedded
            } else {
                position
            };
            *copied.entry((id, position)).or_insert_with(|| {
                pending.push((id, position));
                next += 1;
                TypeId(next - 1)
            })
        };
        let root = place(id, Position::Embedded, &mut pending);
        let mut done = 0;
        while let Some((id, position)) = pending.get(done).copied() {
            done += 1;
            let ty = source.ty(id)?;
            let is_hidden =
                position == Position::BehindPointer && ty.kind().is_composite() && !ty.is_anonymous();
            if is_hidden {
                builder.forward(ty.name()?, ty.kind())?;
                continue;
            }
            let next_position = match ty.kind() {
                Kind::PTR => Position::BehindPointer,
                kind if kind.is_modifier() || kind == Kind::TYPEDEF => position,
                _ => Position::Embedded,
            };
            builder.copy_within(&ty, room, |id| Ok(place(id, next_position, &mut pending)))?;
        }
        Ok(root)
    }
}

impl Builder {
    /// Appends all own types of `source`, in order. Returns what to add to an id there to get the id here.
    ///
    /// # Errors
    ///
    /// When `source` is split on a base that this builder does not continue, refers to types or strings that do not
    /// exist, or has kinds that this build does not know. Then no type is added.
    pub fn append(&mut self, source: &Btf) -> Result<u32, Error> {
        let before = self.next_id();
        let result = self.append_all(source);
        if result.is_err() {
            self.truncate(before);
        }
        result
    }

    fn append_all(&mut self, source: &Btf) -> Result<u32, Error> {
        let first = source.first_id().0;
        if let Some(base) = source.base()
            && !self.continues(base)
        {
            return Err(Error::new(ErrorKind::TypeId(source.first_id()), 0));
        }
        let shift = self.next_id().0 - first;
        // Most strings are referred to many times over: where each is here, by where it is there; zero if not known.
        let mut strings = alloc::vec![0; source.string_data().len()];
        let (mut room, mut words) = (Room::of(source), Vec::new());
        for ty in source.own_types() {
            words.clear();
            record::extend_words(&mut words, &ty)?;
            record::visit(&mut words, |reference, word| {
                match reference {
                    Reference::Type if *word >= source.len() => {
                        return Err(Error::new(ErrorKind::TypeId(TypeId(*word)), 0));
                    }
                    Reference::Type if *word < first => {}
                    Reference::Type => *word += shift,
                    Reference::String => {
                        let own = word.checked_sub(source.first_string());
                        let known = own.and_then(|own| strings.get_mut(own as usize));
                        *word = match known {
                            Some(known) if *known != 0 => *known,
                            known => {
                                let string = source.string_bytes(*word)?;
                                let offset = self.string_within(string, &mut room)?;
                                if let Some(known) = known {
                                    *known = offset;
                                }
                                offset
                            }
                        };
                    }
                }
                Ok(())
            })?;
            self.push(&words)?;
        }
        Ok(shift)
    }
}
