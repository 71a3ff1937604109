//! Types as C declarations that a compiler takes and lays out as the BTF says.

mod declare;
mod layout;
mod names;
mod order;
mod spelling;

use alloc::{string::String, vec::Vec};
use core::fmt::{self, Write};

pub(crate) use self::names::identifier;
use self::{declare::Printer, order::Step};
use crate::{Btf, Error, Kind, TypeId};

/// Why declarations cannot be printed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeclareError {
    /// The BTF is broken where it was looked at, or has no meaning in C.
    Btf(Error),
    /// The types contain each other so many times over that printing would not end in reasonable time.
    TooLarge,
    /// The writer refused.
    Write,
}

impl fmt::Display for DeclareError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Btf(error) => fmt::Display::fmt(error, f),
            Self::TooLarge => write!(f, "types are too large to print"),
            Self::Write => write!(f, "cannot write"),
        }
    }
}

impl core::error::Error for DeclareError {}

impl From<Error> for DeclareError {
    fn from(error: Error) -> Self {
        Self::Btf(error)
    }
}

impl From<fmt::Error> for DeclareError {
    fn from(_: fmt::Error) -> Self {
        Self::Write
    }
}

impl Btf {
    /// Prints C definitions of the given types and of all they need, each after what it needs: structs and unions with
    /// explicit padding where the compiler would not leave the same gaps, and packed where it would leave gaps that are
    /// not there; bit fields; types that are only pointed to as forward declarations. Where several types share a name,
    /// all but the first get a suffix: `___2` and so on. Names that are not C's (Rust kernels have some) are made so; C's own
    /// words get an underscore at the end. A member that has no name, though its type has one (kernels are built with
    /// `-fms-extensions` since 6.19), is spelled out, so that compilers need no option for it.
    ///
    /// ```
    /// use bpfld_btf::{Builder, Field, IntEncoding};
    ///
    /// let mut builder = Builder::new();
    /// let int = builder.int("int", 4, IntEncoding::SIGNED)?;
    /// let pair = builder.structure("pair", 12, &[Field::new("a", int, 0), Field::new("b", int, 8)])?;
    /// let mut text = String::new();
    /// builder.finish()?.write_c(&[pair], &mut text)?;
    /// assert_eq!(text, "struct pair {\n\tint a;\n\tint: 32;\n\tint b;\n};\n\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When types refer to what does not exist or makes no sense in C, or the writer fails.
    pub fn write_c(&self, roots: &[TypeId], out: &mut impl Write) -> Result<(), DeclareError> {
        write_steps(
            self,
            order::order(self, roots.iter().copied())?,
            &mut Printer::new(self),
            out,
        )
    }

    /// Prints the C definition of one struct, union, enumeration or typedef, without what it needs.
    ///
    /// ```
    /// use bpfld_btf::{Builder, IntEncoding};
    ///
    /// let mut builder = Builder::new();
    /// let int = builder.int("int", 4, IntEncoding::SIGNED)?;
    /// let pid = builder.typedef("pid_t", int)?;
    /// let mut text = String::new();
    /// builder.finish()?.write_c_definition(pid, &mut text)?;
    /// assert_eq!(text, "typedef int pid_t;\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`Btf::write_c`].
    pub fn write_c_definition(&self, id: TypeId, out: &mut impl Write) -> Result<(), DeclareError> {
        let mut text = String::new();
        Printer::new(self).define(&mut text, id)?;
        Ok(writeln!(out, "{}", text.trim_end())?)
    }

    /// Prints a C declaration of `name` as something of this type, without a semicolon: `int (*handler)(void *)`.
    ///
    /// # Errors
    ///
    /// As for [`Btf::write_c`].
    pub fn write_c_declaration(
        &self,
        id: TypeId,
        name: &str,
        out: &mut impl Write,
    ) -> Result<(), DeclareError> {
        let mut text = String::new();
        Printer::new(self).declare(&mut text, id, name)?;
        Ok(out.write_str(&text)?)
    }

    /// Prints C definitions of all types, as `bpftool btf dump … format c` does: what is usually called `vmlinux.h`.
    /// Structs are marked so that clang records CO-RE relocations for accesses to them. Kernel functions that programs
    /// may call are declared at the end.
    ///
    /// # Errors
    ///
    /// As for [`Btf::write_c`].
    pub fn write_vmlinux_h(&self, out: &mut impl Write) -> Result<(), DeclareError> {
        out.write_str(PROLOGUE)?;
        let mut printer = Printer::new(self);
        let all = (1..self.len()).map(TypeId);
        write_steps(self, order::order(self, all)?, &mut printer, out)?;
        out.write_str("#ifndef BPF_NO_KFUNC_PROTOTYPES\n")?;
        out.write_str("#ifndef __ksym\n#define __ksym __attribute__((section(\".ksyms\")))\n#endif\n\n")?;
        out.write_str("#ifndef __weak\n#define __weak __attribute__((weak))\n#endif\n\n")?;
        for function in kernel_functions(self) {
            let ty = self.ty(function)?;
            let mut text = String::from("extern ");
            printer.declare(&mut text, ty.target().unwrap_or(TypeId::VOID), ty.name()?)?;
            writeln!(out, "{text} __weak __ksym;")?;
        }
        out.write_str(EPILOGUE)?;
        Ok(())
    }
}

const PROLOGUE: &str = "\
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute push (__attribute__((preserve_access_index)), apply_to = record)
#endif

";

const EPILOGUE: &str = "\
#endif

#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute pop
#endif

#endif /* __VMLINUX_H__ */
";

fn write_steps<'a>(
    btf: &'a Btf,
    steps: Vec<Step>,
    printer: &mut Printer<'a>,
    out: &mut impl Write,
) -> Result<(), DeclareError> {
    let mut text = String::new();
    for step in steps {
        text.clear();
        match step {
            Step::Forward(id) => {
                printer.tag(&mut text, btf.ty(id)?)?;
                text.push_str(";\n\n");
            }
            Step::Define(id) => printer.define(&mut text, id)?,
        }
        out.write_str(&text)?;
    }
    Ok(())
}

/// The functions that are tagged as callable by programs, without repetition, by name.
fn kernel_functions(btf: &Btf) -> Vec<TypeId> {
    let is_tag = |ty: &crate::Type<'_>| ty.kind() == Kind::DECL_TAG && ty.name() == Ok("bpf_kfunc");
    let tagged = btf.types().filter(is_tag).filter_map(|ty| ty.target());
    let functions = tagged.filter_map(|id| btf.ty(id).ok().filter(|ty| ty.kind() == Kind::FUNC));
    let mut functions: Vec<_> = functions
        .map(|ty| (ty.name_bytes().unwrap_or_default(), ty.id()))
        .collect();
    functions.sort();
    functions.dedup_by_key(|(name, _)| *name);
    functions.into_iter().map(|(_, id)| id).collect()
}
