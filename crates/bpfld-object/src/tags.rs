//! Declaration tags: exception callbacks, and arguments that are contexts.

use alloc::vec::Vec;

use bpfld_btf::{Btf, Kind, Linkage as BtfLinkage, Type, TypeId};

use crate::{Error, ErrorKind, FunctionIndex, Linkage, Object};

const CALLBACK: &str = "exception_callback:";
const CONTEXT: &str = "arg:ctx";

/// A parameter of a global function that is tagged as the program's context (`__arg_ctx`).
///
/// Kernels since 6.8 understand the tag. For older ones, the parameter's type must be made the context type of the
/// program before BTF is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContextArgument {
    /// The function in the object's BTF.
    pub function: TypeId,
    /// The number of the parameter, from 0.
    pub parameter: u32,
}

impl Object {
    /// The parameters that are tagged as contexts.
    #[must_use]
    pub fn context_arguments(&self) -> Vec<ContextArgument> {
        let Some(btf) = &self.btf else { return Vec::new() };
        let tags = self.tags(btf).filter(|(tag, _)| tag.name() == Ok(CONTEXT));
        tags.filter_map(|(tag, function)| {
            let is_global = function.kind() == Kind::FUNC && function.linkage() == Some(BtfLinkage::GLOBAL);
            let parameter = u32::try_from(tag.component()?).ok()?;
            is_global.then(|| ContextArgument {
                function: function.id(),
                parameter,
            })
        })
        .collect()
    }

    fn tags<'b>(&self, btf: &'b Btf) -> impl Iterator<Item = (Type<'b>, Type<'b>)> {
        self.tags.iter().filter_map(|id| {
            let tag = btf.ty(*id).ok()?;
            Some((tag, btf.ty(tag.target()?).ok()?))
        })
    }

    /// The function that handles exceptions of a program, named by a declaration tag on it. Several are for the
    /// verifier to complain about.
    pub(crate) fn exception_callback(&self, program: FunctionIndex) -> Result<Option<FunctionIndex>, Error> {
        let (Some(btf), Some(main)) = (&self.btf, self.function(program)) else {
            return Ok(None);
        };
        let mut found = None;
        for (tag, function) in self.tags(btf) {
            let Some(name) = tag.name().ok().and_then(|name| name.strip_prefix(CALLBACK)) else {
                continue;
            };
            let is_program = function.kind() == Kind::FUNC && function.name() == Ok(&*main.name);
            if tag.component() != Some(-1) || !is_program {
                continue;
            }
            if found.is_some() {
                return Ok(None);
            }
            found = Some(self.callback(name)?);
        }
        Ok(found)
    }

    fn callback(&self, name: &str) -> Result<FunctionIndex, Error> {
        let error = |detail: &'static str| Error::new(ErrorKind::Program, detail).symbol(name);
        let position = self.functions.iter().position(|function| &*function.name == name);
        let index =
            FunctionIndex::new(position.ok_or_else(|| error("the exception callback does not exist"))?);
        match self.function(index) {
            Some(function) if function.linkage != Linkage::Static && !function.hidden => Ok(index),
            _ => Err(error(
                "an exception callback must be a global function that is not hidden",
            )),
        }
    }
}
