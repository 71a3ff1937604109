//! The part of a kernel's BTF that given CO-RE relocations need.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

use crate::{
    Btf, Builder, CoreKind, Error, Kind, Resolution, Spec, Type, TypeId,
    record::{self, HEAD_WORDS, MAX_VLEN, Reference},
    strings::Room,
};

/// Collects what relocations need of a kernel's BTF, and writes it as a BTF of its own: a few kilobytes that can be
/// shipped for a kernel that has no BTF. Relocations resolved against it give the same answers, but for the ids of
/// types. (What `bpftool gen min_core_btf` does.)
///
/// ```
/// use bpfld_btf::{BtfExt, Btf, Error, MinimalBtf, Resolver, Targets};
///
/// # fn example(btf: &Btf, ext: &BtfExt, targets: &Targets) -> Result<Vec<u8>, Error> {
/// let mut minimal = MinimalBtf::new(targets.vmlinux());
/// let mut resolver = Resolver::new(btf, targets);
/// for section in ext.core_relos().sections() {
///     for relocation in section.records() {
///         if let Ok(resolution) = resolver.resolve(&relocation) {
///             minimal.add(&resolution)?;
///         }
///     }
/// }
/// // Where bit fields lie depends on the byte order, which is that of the kernel's machine.
/// Ok(minimal.build()?.to_bytes_in(targets.vmlinux().endian()))
/// # }
/// ```
#[derive(Debug)]
pub struct MinimalBtf<'a> {
    kernel: &'a Btf,
    marks: BTreeMap<TypeId, Mark>,
}

/// What is needed of a type besides its head.
#[derive(Debug, Default)]
struct Mark {
    members: BTreeSet<u32>,
    /// What is compared: kinds along pointers and parameters, or all members too.
    depth: Depth,
}

/// How far a type is looked into.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Depth {
    /// Name, kind and size.
    #[default]
    Head,
    /// Also what pointers point to and what parameters are.
    Kinds,
    /// Also all members.
    Members,
}

impl<'a> MinimalBtf<'a> {
    /// Takes from `kernel`.
    pub fn new(kernel: &'a Btf) -> Self {
        Self {
            kernel,
            marks: BTreeMap::new(),
        }
    }

    /// Takes what this relocation needs. One that found nothing, or found it in a module, needs nothing.
    ///
    /// # Errors
    ///
    /// When the kernel's BTF is broken where it is looked at.
    pub fn add(&mut self, resolution: &Resolution<'_>) -> Result<(), Error> {
        match &resolution.target {
            Some(target) if core::ptr::eq(target.btf(), self.kernel) => self.add_spec(target),
            _ => Ok(()),
        }
    }

    fn add_spec(&mut self, spec: &Spec<'_>) -> Result<(), Error> {
        let kind = spec.kind();
        if kind.is_field() {
            return self.add_field(spec);
        }
        let depth = match kind {
            CoreKind::TYPE_MATCHES => Depth::Members,
            _ if kind.is_type() => Depth::Kinds,
            _ => Depth::Head,
        };
        self.mark(spec.root(), depth)
    }

    /// The types and members along an access path.
    fn add_field(&mut self, spec: &Spec<'_>) -> Result<(), Error> {
        let mut at = spec.root();
        for index in spec.path().iter().skip(1) {
            self.mark(at, Depth::Head)?;
            let ty = self.kernel.resolve(at)?;
            if let Some(array) = ty.array() {
                at = array.element;
            } else if let Some(member) = ty.members().get(*index as usize) {
                self.marks.entry(ty.id()).or_default().members.insert(*index);
                at = member.type_id;
            }
        }
        self.mark(at, Depth::Head)
    }

    /// Marks a type and what it needs to be looked into this far.
    fn mark(&mut self, id: TypeId, depth: Depth) -> Result<(), Error> {
        let mut pending = Vec::from([(id, depth)]);
        while let Some((id, depth)) = pending.pop() {
            if id.is_void() {
                continue;
            }
            let ty = self.kernel.ty(id)?;
            let is_new = !self.marks.contains_key(&id);
            let mark = self.marks.entry(id).or_default();
            if !is_new && mark.depth >= depth {
                continue;
            }
            mark.depth = mark.depth.max(depth);
            pending.extend(needs(&ty, depth));
        }
        Ok(())
    }

    /// Writes what was taken.
    ///
    /// # Errors
    ///
    /// When the kernel's BTF is broken where it is looked at.
    pub fn build(&self) -> Result<Builder, Error> {
        let (mut builder, mut room) = (Builder::new(), Room::of(self.kernel));
        let first = builder.next_id().0;
        let number = |(number, id): (usize, &TypeId)| (*id, TypeId(first + number as u32));
        let ids: BTreeMap<TypeId, TypeId> = self.marks.keys().enumerate().map(number).collect();
        for (id, mark) in &self.marks {
            let ty = self.kernel.ty(*id)?;
            let mut words = record::words(&ty)?;
            if ty.kind().is_composite() && mark.depth < Depth::Members {
                keep_members(&mut words, &mark.members);
            }
            record::visit(&mut words, |reference, word| {
                *word = match reference {
                    // What is not needed becomes void.
                    Reference::Type => ids.get(&TypeId(*word)).map_or(0, |id| id.0),
                    Reference::String => {
                        builder.string_within(self.kernel.string_bytes(*word)?, &mut room)?
                    }
                };
                Ok::<(), Error>(())
            })?;
            builder.push(&words)?;
        }
        Ok(builder)
    }
}

/// What else must be there to look into a type this far.
fn needs(ty: &Type<'_>, depth: Depth) -> Vec<(TypeId, Depth)> {
    // Behind a pointer, and so within a prototype reached by one, only kinds and names are compared.
    let kinds = depth.min(Depth::Kinds);
    match ty.kind() {
        Kind::PTR if depth == Depth::Head => Vec::new(),
        Kind::PTR => ty.target().map(|id| (id, kinds)).into_iter().collect(),
        Kind::FUNC_PROTO if depth == Depth::Head => Vec::new(),
        Kind::FUNC_PROTO => {
            let params = ty.params().map(|param| param.type_id);
            params.chain(ty.target()).map(|id| (id, depth)).collect()
        }
        Kind::ARRAY => ty.array().map_or(Vec::new(), |array| {
            Vec::from([(array.element, depth), (array.index, Depth::Head)])
        }),
        Kind::STRUCT | Kind::UNION if depth == Depth::Members => {
            ty.members().map(|member| (member.type_id, depth)).collect()
        }
        kind if kind.is_modifier() || kind == Kind::TYPEDEF => {
            ty.target().map(|id| (id, depth)).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

/// Takes members out of the record of a struct or union, but for these.
fn keep_members(words: &mut Vec<u32>, keep: &BTreeSet<u32>) {
    let Some((head, body)) = words.split_first_chunk::<HEAD_WORDS>() else {
        return;
    };
    let mut head = *head;
    let is_kept = |(index, _): &(usize, &[u32; 3])| keep.contains(&(*index as u32));
    let members: Vec<u32> = body
        .as_chunks()
        .0
        .iter()
        .enumerate()
        .filter(is_kept)
        .flat_map(|(_, member)| *member)
        .collect();
    head[1] = head[1] & !MAX_VLEN | (members.len() / 3) as u32;
    words.clear();
    words.extend(head);
    words.extend(members);
}
