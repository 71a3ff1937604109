//! In which order types must be declared: a walk, without recursion, from each type to what it needs.

use alloc::{vec, vec::Vec};

use crate::{Btf, Error, Kind, Type, TypeId};

/// One declaration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// `struct name;`
    Forward(TypeId),
    /// The whole.
    Define(TypeId),
}

/// What is needed of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// That it is known by name: enough for a pointer.
    Name,
    /// Its size and members.
    Whole,
}

/// What was done for a type.
#[derive(Clone, Copy, Debug, Default)]
struct Done {
    /// Whether what it needs was, or is being, seen to: for its name, for the whole.
    visited: [bool; 2],
    forward: bool,
    defined: bool,
    /// Whether another type refers to it.
    is_used: bool,
}

/// A type that is being seen to.
struct Frame<'a> {
    ty: Type<'a>,
    need: Need,
    /// The named struct or union within which we are.
    owner: TypeId,
    next_child: usize,
}

struct Walk<'a> {
    btf: &'a Btf,
    done: Vec<Done>,
    stack: Vec<Frame<'a>>,
    steps: Vec<Step>,
}

/// The declarations that the given types need, themselves included, in order.
pub(super) fn order(btf: &Btf, roots: impl Iterator<Item = TypeId>) -> Result<Vec<Step>, Error> {
    let mut walk = Walk {
        btf,
        done: vec![Done::default(); btf.len() as usize],
        stack: Vec::new(),
        steps: Vec::new(),
    };
    walk.note_uses();
    for root in roots {
        let ty = btf.ty(root)?;
        let is_declared = match ty.kind() {
            Kind::ENUM | Kind::ENUM64 if ty.is_anonymous() => {
                !walk.done(root).is_some_and(|done| done.is_used)
            }
            Kind::STRUCT | Kind::UNION => !ty.is_anonymous(),
            Kind::ENUM | Kind::ENUM64 | Kind::TYPEDEF | Kind::FWD => true,
            _ => false,
        };
        if is_declared {
            walk.enter(root, Need::Whole, TypeId::VOID)?;
            walk.run()?;
        }
    }
    Ok(walk.steps)
}

impl<'a> Walk<'a> {
    fn done(&mut self, id: TypeId) -> Option<&mut Done> {
        self.done.get_mut(id.0 as usize)
    }

    /// Anonymous enumerations are declared on their own only if nothing else spells them out.
    fn note_uses(&mut self) {
        let btf = self.btf;
        for ty in btf.types() {
            let array = ty.array().map(|array| array.element);
            let single = ty.target().into_iter().chain(array);
            let members = ty.members().map(|member| member.type_id);
            let params = ty.params().map(|param| param.type_id);
            for id in single.chain(members).chain(params) {
                if let Some(done) = self.done(id) {
                    done.is_used = true;
                }
            }
        }
    }

    fn run(&mut self) -> Result<(), Error> {
        while let Some(frame) = self.stack.last_mut() {
            let Frame {
                ty,
                need,
                owner,
                next_child,
            } = frame;
            match child(ty, *need, *next_child) {
                Some((id, need)) => {
                    *next_child += 1;
                    let owner = *owner;
                    self.enter(id, need, owner)?;
                }
                None => {
                    let (ty, need) = (*ty, *need);
                    self.stack.pop();
                    self.leave(ty, need);
                }
            }
        }
        Ok(())
    }

    fn enter(&mut self, id: TypeId, need: Need, owner: TypeId) -> Result<(), Error> {
        if id.is_void() {
            return Ok(());
        }
        let ty = self.btf.ty(id)?;
        let is_named = !ty.is_anonymous();
        let is_composite = ty.kind().is_composite();
        let Some(done) = self.done.get_mut(id.0 as usize) else {
            return Ok(());
        };
        if ty.kind() == Kind::FWD || is_composite && is_named && need == Need::Name {
            // Within its own braces, a struct's name is known.
            if !done.forward && !done.defined && id != owner {
                done.forward = true;
                self.steps.push(Step::Forward(id));
            }
            return Ok(());
        }
        if is_builtin(&ty) || core::mem::replace(&mut done.visited[need as usize], true) {
            return Ok(());
        }
        let owner = match ty.kind() {
            Kind::STRUCT | Kind::UNION if is_named => id,
            // Stands on its own, outside the braces.
            Kind::TYPEDEF => TypeId::VOID,
            _ => owner,
        };
        self.stack.push(Frame {
            ty,
            need,
            owner,
            next_child: 0,
        });
        Ok(())
    }

    fn leave(&mut self, ty: Type<'_>, need: Need) {
        let is_declared = match ty.kind() {
            Kind::STRUCT | Kind::UNION => need == Need::Whole && !ty.is_anonymous(),
            // An anonymous one gets here through what spells it out, or as a root.
            Kind::ENUM | Kind::ENUM64 => {
                !ty.is_anonymous() || self.done(ty.id()).is_some_and(|done| !done.is_used)
            }
            Kind::TYPEDEF => true,
            _ => false,
        };
        let Some(done) = self.done.get_mut(ty.id().0 as usize) else {
            return;
        };
        if is_declared && !core::mem::replace(&mut done.defined, true) {
            self.steps.push(Step::Define(ty.id()));
        }
    }
}

/// Typedefs that every compiler brings along.
fn is_builtin(ty: &Type<'_>) -> bool {
    ty.kind() == Kind::TYPEDEF && ty.name() == Ok("__builtin_va_list")
}

/// What a type needs: its child of this number.
fn child(ty: &Type<'_>, need: Need, number: usize) -> Option<(TypeId, Need)> {
    let only = |id: Option<TypeId>, need| id.filter(|_| number == 0).map(|id| (id, need));
    match ty.kind() {
        Kind::PTR => only(ty.target(), Need::Name),
        Kind::ARRAY => only(ty.array().map(|array| array.element), Need::Whole),
        Kind::STRUCT | Kind::UNION => ty
            .members()
            .get(number)
            .map(|member| (member.type_id, Need::Whole)),
        Kind::FUNC_PROTO => match number.checked_sub(1) {
            None => ty.target().map(|id| (id, Need::Name)),
            Some(param) => ty.params().get(param).map(|param| (param.type_id, Need::Name)),
        },
        kind if kind.is_modifier() || kind == Kind::TYPEDEF => only(ty.target(), need),
        _ => None,
    }
}
