//! What changed between two BTFs, such as those of two kernels.

mod describe;
mod details;

use alloc::{
    collections::BTreeMap,
    string::{String, ToString},
    vec,
    vec::Vec,
};

use hashbrown::HashMap;

use self::describe::Describer;
use crate::{Btf, Kind, TypeId};

/// What changed from one BTF to another: types by kind and name, with their members, values and parameters.
///
/// Types are compared by how C spells them, not by number: an `int` that moved from type 3 to type 7 is the same.
/// Members of anonymous structs and unions count as those of the outer one, as C has it.
///
/// ```
/// use bpfld_btf::{Btf, Builder, Diff, Field, IntEncoding};
///
/// let build = |offset| -> Result<Btf, bpfld_btf::Error> {
///     let mut builder = Builder::new();
///     let int = builder.int("int", 4, IntEncoding::SIGNED)?;
///     builder.structure("pair", 8, &[Field::new("a", int, 0), Field::new("b", int, offset)])?;
///     builder.finish()
/// };
/// let (old, new) = (build(0)?, build(4)?);
/// let diff = Diff::new(&old, &new);
/// assert_eq!(diff.changes.len(), 1);
/// assert_eq!(diff.changes[0].to_string(), "struct pair changed\n  member b moved from byte 0 to byte 4");
/// # Ok::<(), bpfld_btf::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diff {
    /// What changed, by kind, then by name. What stayed the same is left out.
    pub changes: Vec<Change>,
}

/// A type that is not what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// The type's kind. Enumerations of either width are of kind ENUM.
    pub kind: Kind,
    /// The type's name.
    pub name: String,
    /// The type's number in the old BTF, if it is there.
    pub old: Option<TypeId>,
    /// The type's number in the new BTF, if it is there.
    pub new: Option<TypeId>,
    /// What is different, if it is in both.
    pub details: Vec<Detail>,
}

/// One difference between two types of the same kind and name. Sizes and offsets are in bytes, `bits` in bits.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Detail {
    /// The size in bytes.
    Size {
        /// Before.
        old: u32,
        /// After.
        new: u32,
    },
    /// A typedef's or variable's type, or a function's prototype.
    Type {
        /// Before.
        old: String,
        /// After.
        new: String,
    },
    /// An enumeration is signed now, or no longer.
    Sign {
        /// Whether it is now.
        signed: bool,
    },
    /// A member that is new.
    MemberAdded(Place),
    /// A member that is gone.
    MemberRemoved(Place),
    /// A member that has another place, width or type.
    MemberChanged {
        /// Before.
        old: Place,
        /// After.
        new: Place,
    },
    /// A value of an enumeration that is new.
    ValueAdded {
        /// Its name.
        name: String,
        /// The number.
        value: i128,
    },
    /// A value of an enumeration that is gone.
    ValueRemoved {
        /// Its name.
        name: String,
        /// The number.
        value: i128,
    },
    /// A value of an enumeration that is another number.
    ValueChanged {
        /// Its name.
        name: String,
        /// Before.
        old: i128,
        /// After.
        new: i128,
    },
}

/// A member, where it is and what.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Place {
    /// The name; below members whose type has no name, with theirs before it: `owner.pid`.
    pub name: String,
    /// The offset from the start of the outermost struct, in bits.
    pub bit_offset: u64,
    /// The width of a bit field; zero if it is none.
    pub bits: u8,
    /// The type as C spells it.
    pub type_name: String,
}

/// Types that bear one name: their numbers, in order, and what they are.
type Group = Vec<(TypeId, Described)>;

/// What is compared of a type.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Described {
    size: Option<u32>,
    type_name: Option<String>,
    signed: bool,
    members: Vec<Place>,
    values: Vec<(String, i128)>,
}

impl Diff {
    /// Compares all named types: numbers, structs, unions, enumerations, typedefs, functions and variables. A kernel
    /// has several types of some names; those that are in both are left out, the others compared in order.
    ///
    /// What is malformed is compared as far as it can be read.
    #[must_use]
    pub fn new(old: &Btf, new: &Btf) -> Self {
        let (old_names, new_names) = (by_name(old), by_name(new));
        let mut keys: Vec<&(Kind, &str)> = old_names.keys().chain(new_names.keys()).collect();
        keys.sort();
        keys.dedup();
        let (mut changes, mut describer) = (Vec::new(), Describer::new(old, new));
        for key in keys {
            let none = &Vec::new();
            let old_ids = old_names.get(key).unwrap_or(none);
            let new_ids = new_names.get(key).unwrap_or(none);
            compare(
                *key,
                described(old, old_ids, &mut describer),
                described(new, new_ids, &mut describer),
                &mut changes,
            );
        }
        Self { changes }
    }
}

fn by_name(btf: &Btf) -> BTreeMap<(Kind, &str), Vec<TypeId>> {
    let mut names: BTreeMap<(Kind, &str), Vec<TypeId>> = BTreeMap::new();
    for ty in btf.types() {
        let kind = match ty.kind() {
            Kind::ENUM64 => Kind::ENUM,
            kind => kind,
        };
        let is_compared = matches!(
            kind,
            Kind::INT
                | Kind::FLOAT
                | Kind::STRUCT
                | Kind::UNION
                | Kind::ENUM
                | Kind::TYPEDEF
                | Kind::FUNC
                | Kind::VAR
        );
        match ty.name() {
            Ok(name) if is_compared && !name.is_empty() => {
                names.entry((kind, name)).or_default().push(ty.id());
            }
            _ => {}
        }
    }
    names
}

fn described(btf: &Btf, ids: &[TypeId], describer: &mut Describer) -> Group {
    let types = ids.iter().filter_map(|id| btf.ty(*id).ok());
    types.map(|ty| (ty.id(), describer.describe(&ty))).collect()
}

/// Leaves out what is in both.
fn different(old: Group, new: Group) -> (Group, Group) {
    let mut places: HashMap<&Described, Vec<usize>> = HashMap::new();
    for (place, (_, description)) in new.iter().enumerate().rev() {
        places.entry(description).or_default().push(place);
    }
    let (mut old_is_common, mut new_is_common) = (vec![false; old.len()], vec![false; new.len()]);
    for (is_common, (_, description)) in old_is_common.iter_mut().zip(&old) {
        let place = places.get_mut(description).and_then(Vec::pop);
        if let Some(other_is_common) = place.and_then(|place| new_is_common.get_mut(place)) {
            (*is_common, *other_is_common) = (true, true);
        }
    }
    drop(places);
    let rest = |group: Group, is_common: Vec<bool>| {
        let different = group
            .into_iter()
            .zip(is_common)
            .filter(|(_, is_common)| !is_common);
        different.map(|(one, _)| one).collect()
    };
    (rest(old, old_is_common), rest(new, new_is_common))
}

/// Pairs what bears the same name, and adds what differs.
fn compare((kind, name): (Kind, &str), old: Group, new: Group, changes: &mut Vec<Change>) {
    let (old, new) = different(old, new);
    let count = old.len().max(new.len());
    let (mut old, mut new) = (old.into_iter(), new.into_iter());
    for _ in 0..count {
        let (old, new) = (old.next(), new.next());
        let details = match (&old, &new) {
            (Some((_, old)), Some((_, new))) => details::details(old, new),
            _ => Vec::new(),
        };
        changes.push(Change {
            kind,
            name: name.to_string(),
            old: old.map(|(id, _)| id),
            new: new.map(|(id, _)| id),
            details,
        });
    }
}
