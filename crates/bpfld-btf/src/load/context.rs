//! Parameters tagged as context, for kernels that go by their type instead.

use alloc::vec::Vec;

use super::Draft;
use crate::{Error, Kind, TypeId};

/// The tag of such a parameter: `__arg_ctx` in C.
const TAG: &str = "arg:ctx";

impl Draft {
    /// The functions that have parameters tagged as context, with the numbers of these parameters.
    pub fn context_parameters(&self) -> Vec<(TypeId, Vec<u32>)> {
        let mut found: Vec<(TypeId, Vec<u32>)> = Vec::new();
        for id in self.ids() {
            if self.kind(id) != Some(Kind::DECL_TAG) || self.name(id) != Some(TAG) {
                continue;
            }
            let Some([_, _, function, parameter]) = self.builder.record(id) else {
                continue;
            };
            let function = TypeId(*function);
            match found.iter_mut().find(|(known, _)| *known == function) {
                Some((_, parameters)) => parameters.push(*parameter),
                None => found.push((function, Vec::from([*parameter]))),
            }
        }
        found
    }

    /// Adds a copy of a function whose parameters of these numbers point to a struct of the name `context`, which is how kernels
    /// before 6.8 know that they are the context of a program. `None` if there is nothing to change.
    ///
    /// # Errors
    ///
    /// When the format has no room for what must be added.
    pub fn with_context(
        &mut self,
        function: TypeId,
        parameters: &[u32],
        context: &str,
    ) -> Result<Option<TypeId>, Error> {
        let record = |id: TypeId, kind| {
            let words = self.builder.record(id).filter(|_| self.kind(id) == Some(kind));
            words.map(<[u32]>::to_vec)
        };
        let Some(mut function) = record(function, Kind::FUNC) else {
            return Ok(None);
        };
        let Some(mut prototype) = function
            .get(2)
            .and_then(|id| record(TypeId(*id), Kind::FUNC_PROTO))
        else {
            return Ok(None);
        };
        let types: Vec<usize> = parameters
            .iter()
            // Behind the head there are a name and a type for each.
            .filter_map(|parameter| (*parameter as usize).checked_mul(2)?.checked_add(4))
            .filter(|at| prototype.get(*at).is_some_and(|ty| !self.points_to(TypeId(*ty), context)))
            .collect();
        if types.is_empty() {
            return Ok(None);
        }
        let structure = self.builder.structure(context, 0, &[])?;
        let pointer = self.builder.pointer(structure)?;
        for at in types {
            if let Some(ty) = prototype.get_mut(at) {
                *ty = pointer.0;
            }
        }
        let prototype = self.builder.push(&prototype)?;
        if let Some(target) = function.get_mut(2) {
            *target = prototype.0;
        }
        self.builder.push(&function).map(Some)
    }

    /// Whether a type is a pointer to a struct of this name.
    fn points_to(&self, pointer: TypeId, name: &str) -> bool {
        let target = self.head(pointer).map(|[_, _, target]| TypeId(target));
        let Some(target) = target.filter(|_| self.kind(pointer) == Some(Kind::PTR)) else {
            return false;
        };
        self.kind(target) == Some(Kind::STRUCT) && self.name(target) == Some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Builder, IntEncoding, Linkage};

    #[test]
    fn tagged_parameters_get_the_type() {
        let mut builder = Builder::new();
        let int = builder.int("int", 4, IntEncoding::SIGNED).unwrap();
        let pointer = builder.pointer(TypeId::VOID).unwrap();
        let prototype = builder
            .prototype(int, &[("n", int), ("context", pointer)])
            .unwrap();
        let function = builder.function("f", Linkage::GLOBAL, prototype).unwrap();
        builder.decl_tag("arg:ctx", function, Some(1)).unwrap();
        let mut draft = Draft::new(&builder.finish().unwrap()).unwrap();
        assert_eq!(draft.context_parameters(), [(function, Vec::from([1]))]);

        let copy = draft.with_context(function, &[1], "xdp_md").unwrap().unwrap();
        assert_eq!(draft.with_context(copy, &[1], "xdp_md").unwrap(), None);
        assert_eq!(draft.with_context(int, &[1], "xdp_md").unwrap(), None);
        assert_eq!(draft.with_context(function, &[u32::MAX], "xdp_md").unwrap(), None);
        let btf = draft.finish().unwrap();
        let copy = btf.ty(copy).unwrap();
        assert_eq!((copy.name(), copy.linkage()), (Ok("f"), Some(Linkage::GLOBAL)));
        let prototype = btf.ty(copy.target().unwrap()).unwrap();
        let parameters: Vec<_> = prototype.params().map(|p| p.type_id).collect();
        assert_eq!(parameters[0], int);
        let target = btf.ty(btf.ty(parameters[1]).unwrap().target().unwrap()).unwrap();
        assert_eq!((target.kind(), target.name()), (Kind::STRUCT, Ok("xdp_md")));
    }
}
