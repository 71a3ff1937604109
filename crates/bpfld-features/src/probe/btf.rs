//! Which BTF the kernel takes. Each question is the smallest BTF that has the thing in it.

use bpfld_btf::{Builder, Error, Field, IntEncoding, Linkage, SectionEntry, Sign, TypeId};

use super::kernel;
use super::verdict::{judge, refused};
use crate::Answer;

/// Whether the kernel takes what `build` adds to an empty BTF.
fn takes(how: &'static str, build: impl FnOnce(&mut Builder) -> Result<TypeId, Error>) -> Answer {
    match bytes(build) {
        Ok(bytes) => judge(kernel::load_btf(&bytes), how),
        Err(error) => Answer::unknown(error.to_string()),
    }
}

fn bytes(build: impl FnOnce(&mut Builder) -> Result<TypeId, Error>) -> Result<Vec<u8>, Error> {
    let mut builder = Builder::new();
    build(&mut builder)?;
    Ok(builder.to_bytes())
}

fn int(btf: &mut Builder) -> Result<TypeId, Error> {
    btf.int("int", 4, IntEncoding::SIGNED)
}

/// `static int x;`
fn variable(btf: &mut Builder) -> Result<TypeId, Error> {
    let int = int(btf)?;
    btf.variable("x", int, Linkage::STATIC)
}

/// `static int x;` in a section.
fn section(btf: &mut Builder, name: &str) -> Result<TypeId, Error> {
    let variable = variable(btf)?;
    btf.section(
        name,
        4,
        &[SectionEntry {
            type_id: variable,
            offset: 0,
            size: 4,
        }],
    )
}

/// `void x(int a)`
fn function(btf: &mut Builder, linkage: Linkage) -> Result<TypeId, Error> {
    let int = int(btf)?;
    let prototype = btf.prototype(TypeId::VOID, &[("a", int)])?;
    btf.function("x", linkage, prototype)
}

pub(crate) fn plain() -> Answer {
    takes("loading BTF with an integer type", int)
}

pub(crate) fn func() -> Answer {
    takes("loading BTF with a function", |btf| {
        function(btf, Linkage::STATIC)
    })
}

pub(crate) fn global_func() -> Answer {
    takes("loading BTF with a global function", |btf| {
        function(btf, Linkage::GLOBAL)
    })
}

pub(crate) fn datasec() -> Answer {
    takes("loading BTF with a data section", |btf| section(btf, ".data"))
}

pub(crate) fn optional_datasec() -> Answer {
    takes("loading BTF with a data section named ?.data", |btf| {
        section(btf, "?.data")
    })
}

pub(crate) fn float() -> Answer {
    takes("loading BTF with a floating-point type", |btf| {
        btf.float("float", 4)
    })
}

pub(crate) fn decl_tag() -> Answer {
    takes("loading BTF with a tag on a variable", |btf| {
        let variable = variable(btf)?;
        btf.decl_tag("tag", variable, None)
    })
}

pub(crate) fn type_tag() -> Answer {
    takes("loading BTF with a tag on a type", |btf| {
        let int = int(btf)?;
        let tag = btf.type_tag("tag", int)?;
        btf.pointer(tag)
    })
}

pub(crate) fn enum64() -> Answer {
    takes("loading BTF with a 64-bit enumeration", |btf| {
        btf.enumeration64("enum64", 8, Sign::Unsigned, &[("a", 1)])
    })
}

pub(crate) fn attribute() -> Answer {
    takes("loading BTF with an attribute of a type", |btf| {
        let int = int(btf)?;
        let attribute = btf.type_attribute("attribute", int)?;
        btf.pointer(attribute)
    })
}

pub(crate) fn layout() -> Answer {
    let mut btf = Builder::new().with_layout();
    match int(&mut btf) {
        Ok(_) => judge(
            kernel::load_btf(&btf.to_bytes()),
            "loading BTF with a layout section",
        ),
        Err(error) => Answer::unknown(error.to_string()),
    }
}

/// The names came with the modules.
pub(crate) fn module() -> Answer {
    const HOW: &str = "loading BTF with an integer type";
    match bytes(int).map(|bytes| kernel::load_btf(&bytes)) {
        Ok(Ok(fd)) => judge(kernel::btf_name(&fd), "asking for the name of a BTF object"),
        Ok(Err(errno)) => refused(errno, HOW),
        Err(error) => Answer::unknown(error.to_string()),
    }
}

/// `int a(void *a)` (type 4) and `int b(void *b __arg_ctx)` (type 6).
pub(crate) fn context_argument() -> Result<Vec<u8>, Error> {
    bytes(|btf| {
        let int = int(btf)?;
        let pointer = btf.pointer(TypeId::VOID)?;
        let prototype = btf.prototype(int, &[("a", pointer)])?;
        btf.function("a", Linkage::GLOBAL, prototype)?;
        let prototype = btf.prototype(int, &[("b", pointer)])?;
        let function = btf.function("b", Linkage::GLOBAL, prototype)?;
        btf.decl_tag("arg:ctx", function, Some(0))
    })
}

/// `struct value { int n; struct bpf_spin_lock lock; }` (type 3): what the value of a local storage may be.
pub(crate) fn storage_value() -> Result<Vec<u8>, Error> {
    bytes(|btf| {
        let int = int(btf)?;
        let lock = btf.structure("bpf_spin_lock", 4, &[Field::new("val", int, 0)])?;
        btf.structure(
            "value",
            8,
            &[Field::new("n", int, 0), Field::new("lock", lock, 4)],
        )
    })
}

#[cfg(test)]
mod tests {
    use bpfld_btf::{Btf, Kind};

    use super::*;

    #[test]
    fn types_that_programs_and_maps_refer_to_have_their_numbers() {
        let btf = Btf::parse(context_argument().unwrap()).unwrap();
        assert_eq!(btf.find("a", Kind::FUNC), Some(TypeId(4)));
        assert_eq!(btf.find("b", Kind::FUNC), Some(TypeId(6)));
        let btf = Btf::parse(storage_value().unwrap()).unwrap();
        assert_eq!(btf.find("value", Kind::STRUCT), Some(TypeId(3)));
    }
}
