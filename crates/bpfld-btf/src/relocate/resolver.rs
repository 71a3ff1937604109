//! From a relocation record to what is to be done with the instruction.

use alloc::{sync::Arc, vec::Vec};
use core::fmt;

use hashbrown::HashMap;

use super::{Candidate, CoreError, Spec, Steps, Targets, fields, value::Answer, value::may_resize};
use crate::{Btf, CoreKind, CoreRelocation, TypeId};

/// Resolves the relocations of one object against one kernel.
///
/// Candidates are remembered per type of the object. As in libbpf, a candidate that lacks a field which another
/// candidate has is dropped for good, so that relocations should be resolved in the order of the file.
///
/// ```
/// use bpfld_btf::{Btf, BtfExt, Outcome, Resolver, Targets};
///
/// # fn example(btf: &Btf, ext: &BtfExt, targets: &Targets) -> Result<(), bpfld_btf::CoreError> {
/// let mut resolver = Resolver::new(btf, targets);
/// for section in ext.core_relos().sections() {
///     for relocation in section.records() {
///         let resolution = resolver.resolve(&relocation)?;
///         match resolution.outcome {
///             Outcome::Value(value) => println!("{value}: {resolution}"),
///             Outcome::Poison(reason) => println!("{reason}: {resolution}"),
///         }
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Resolver<'a> {
    local: &'a Btf,
    targets: &'a Targets,
    candidates: HashMap<TypeId, Arc<[Candidate<'a>]>>,
    steps: Steps,
}

/// What a relocation comes to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Resolution<'a> {
    /// What the relocation is about, in the object's terms.
    pub local: Spec<'a>,
    /// The same in the kernel's terms: the first type that matches. `None` for the object's own type ids, and if
    /// nothing matches.
    pub target: Option<Spec<'a>>,
    /// Which type of which BTF that is.
    pub chosen: Option<Candidate<'a>>,
    /// The types of the kernel that had the right name and kind, and were not dropped before.
    pub candidates: Arc<[Candidate<'a>]>,
    /// How many of them match.
    pub matching: usize,
    /// The number that the compiler has put into the instruction if it reads the object's types as we do.
    pub original: u64,
    /// Whether the instruction must hold [`Resolution::original`] before it is changed. For bit fields and type ids,
    /// compilers and linkers may differ.
    pub validate: bool,
    /// What to put into the instruction.
    pub outcome: Outcome,
    /// For offsets of fields: how much the instruction loads or stores.
    pub width: Width,
}

/// What to put into the instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// This number.
    Value(u64),
    /// Nothing fits: the instruction becomes one that the verifier refuses if it can be reached.
    Poison(Poison),
}

/// Why nothing fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Poison {
    /// The kernel has no type of this name and kind.
    NoType,
    /// The kernel has such types, but none of them has this field or value with a compatible type.
    NoMatch,
}

impl fmt::Display for Poison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoType => write!(f, "the kernel has no such type"),
            Self::NoMatch => write!(f, "the kernel's type of this name has no such field or value"),
        }
    }
}

/// How much a load or store at the offset of a field must access. All zero unless the relocation is for the offset of
/// a field that is not a bit field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Width {
    /// The size of the object's field (of the elements, for an array), in bytes.
    pub local: u32,
    /// The size of the kernel's.
    pub target: u32,
    /// If they differ: whether the size of the access may be changed to the kernel's. That is so for pointers and for
    /// integers that are not signed. If not, a load or store is to be poisoned.
    pub may_adjust: bool,
}

impl<'a> Resolver<'a> {
    /// Resolves relocations of the object whose BTF is `local`.
    pub fn new(local: &'a Btf, targets: &'a Targets) -> Self {
        Self {
            local,
            targets,
            candidates: HashMap::new(),
            steps: Steps::new(),
        }
    }

    /// Resolves one relocation.
    ///
    /// # Errors
    ///
    /// When the relocation does not fit the object's types, is about a type without a name, or several types of the
    /// kernel match and disagree.
    pub fn resolve(&mut self, relocation: &CoreRelocation) -> Result<Resolution<'a>, CoreError> {
        let Self {
            local: btf,
            targets,
            candidates,
            steps,
        } = self;
        let ty = btf.ty(relocation.type_id)?;
        let name = ty.name_bytes()?;
        let local = Spec::parse(btf, relocation)?;
        if relocation.kind == CoreKind::TYPE_ID_LOCAL {
            return Ok(Resolution::own_id(local));
        }
        if name.is_empty() {
            return Err(CoreError::Anonymous(ty.id()));
        }
        let candidates = candidates
            .entry(ty.id())
            .or_insert_with(|| targets.candidates(&ty).into());
        let considered = Arc::clone(candidates);

        let ours = Answer::present(&local);
        let mut matching: Vec<Candidate<'a>> = Vec::new();
        let mut first: Option<(Spec<'a>, Answer)> = None;
        steps.begin();
        for candidate in considered.iter() {
            let Some(target) = fields::matching(&local, candidate.btf, candidate.id, steps)? else {
                continue;
            };
            if let Err(error) = &ours {
                return Err(error.clone());
            }
            let theirs = Answer::present(&target)?;
            match &first {
                None => first = Some((target, theirs)),
                Some((chosen, answer)) => agree((chosen, answer), (&target, &theirs))?,
            }
            matching.push(*candidate);
        }
        let ours = ours?;

        let Some((target, theirs)) = first else {
            let reason = if considered.is_empty() {
                Poison::NoType
            } else {
                Poison::NoMatch
            };
            let outcome = match Answer::absent(relocation.kind) {
                Some(answer) => Outcome::Value(answer.value),
                None => Outcome::Poison(reason),
            };
            return Ok(Resolution {
                local,
                target: None,
                chosen: None,
                candidates: considered,
                matching: 0,
                original: ours.value,
                validate: ours.is_certain,
                outcome,
                width: Width::default(),
            });
        };
        let ((local_size, local_type), (target_size, target_type)) = (ours.load, theirs.load);
        let may_adjust = local_size == target_size || may_resize(btf, local_type, target.btf, target_type)?;
        let resolution = Resolution {
            local,
            target: Some(target),
            chosen: matching.first().copied(),
            candidates: considered,
            matching: matching.len(),
            original: ours.value,
            validate: ours.is_certain,
            outcome: Outcome::Value(theirs.value),
            width: Width {
                local: local_size,
                target: target_size,
                may_adjust,
            },
        };
        if matching.len() < candidates.len() {
            *candidates = matching.into();
        }
        Ok(resolution)
    }
}

/// Several matching types must give the same answer, from the same place.
fn agree(a: (&Spec<'_>, &Answer), b: (&Spec<'_>, &Answer)) -> Result<(), CoreError> {
    let types = [a.0.root, b.0.root];
    let bit_offsets = [a.0.bit_offset, b.0.bit_offset];
    let values = [a.1.value, b.1.value];
    if bit_offsets[0] != bit_offsets[1] {
        return Err(CoreError::AmbiguousOffset { types, bit_offsets });
    }
    if values[0] != values[1] {
        return Err(CoreError::AmbiguousValue { types, values });
    }
    Ok(())
}

impl<'a> Resolution<'a> {
    fn own_id(local: Spec<'a>) -> Self {
        let id = u64::from(local.root.0);
        Self {
            local,
            target: None,
            chosen: None,
            candidates: Arc::default(),
            matching: 0,
            original: id,
            validate: false,
            outcome: Outcome::Value(id),
            width: Width::default(),
        }
    }

    /// What is asked.
    pub fn kind(&self) -> CoreKind {
        self.local.kind
    }
}

/// One line: the object's side, the kernel's, the numbers.
impl fmt::Display for Resolution<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.local)?;
        if let (Some(target), Some(chosen)) = (&self.target, &self.chosen) {
            write!(f, " is {target} in {}", chosen.module.unwrap_or("vmlinux"))?;
            if self.matching > 1 {
                write!(f, " (and {} more)", self.matching - 1)?;
            }
        }
        match self.outcome {
            Outcome::Value(value) => write!(f, ": {} becomes {value}", self.original),
            Outcome::Poison(reason) => write!(f, ": {reason}"),
        }
    }
}
