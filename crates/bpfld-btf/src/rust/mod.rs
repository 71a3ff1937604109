//! Types as Rust declarations that a compiler takes and lays out as the BTF says.

mod accessors;
mod bits;
mod declare;
mod enumeration;
mod names;
mod plan;
mod printer;

use core::fmt::Write;

use self::printer::Printer;
use crate::{Btf, DeclareError, Kind, TypeId};

impl Btf {
    /// Prints Rust declarations of the given types and of all that they contain, each after what it contains: to read and
    /// write values that programs share through maps, ring buffers and global variables.
    ///
    /// - Structs are `#[repr(C)]`, or packed where members lie closer than their types allow. Gaps are fields of their
    ///   own, so that all derive zerocopy's `FromBytes`, `IntoBytes`, `Immutable` and `KnownLayout`, for which the crate
    ///   `zerocopy` must be at hand. `Default` is all zeros.
    /// - Bit fields share bytes and have methods that read and write them; so have the members of unions.
    /// - Enumerations are numbers in a struct of their own, with a constant for each value: any number is valid.
    /// - Pointers are numbers as wide as in the program; `_Bool` is `u8`, since any byte may be there; `char` is `u8`,
    ///   other integers keep their sign.
    /// - Names are those of C. Keywords get `r#`; where two things share a name, the later gets a suffix: `___2`.
    ///   Structs without a name are called after the member they are in.
    ///
    /// Sizes and offsets are held against those of the BTF when the declarations are compiled. Values have the byte order
    /// of the BTF.
    ///
    /// ```
    /// use bpfld_btf::{Builder, Field, IntEncoding};
    ///
    /// let mut builder = Builder::new();
    /// let int = builder.int("int", 4, IntEncoding::SIGNED)?;
    /// let pair = builder.structure("pair", 12, &[Field::new("a", int, 0), Field::new("type", int, 8)])?;
    /// let mut text = String::new();
    /// builder.finish()?.write_rust(&[pair], &mut text)?;
    /// assert!(text.contains("pub struct pair {\n    pub a: i32,\n    pub _padding_0: [u8; 4],\n    pub r#type: i32,\n}"));
    /// assert!(text.contains("::core::mem::offset_of!(pair, r#type) == 8"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When types refer to what does not exist or has no values, or the writer fails.
    pub fn write_rust(&self, roots: &[TypeId], out: &mut impl Write) -> Result<(), DeclareError> {
        let mut printer = Printer::new(self);
        for root in roots {
            printer.root(*root)?;
        }
        Ok(out.write_str(&printer.finish())?)
    }

    /// Prints Rust declarations of all types that have a name and values; see [`Btf::write_rust`]. For those that cannot be said in
    /// Rust, as their members overlap or they are nested more than 48 deep, there is a remark with the reason.
    ///
    /// # Errors
    ///
    /// When types refer to what does not exist, or the writer fails.
    pub fn write_rust_all(&self, out: &mut impl Write) -> Result<(), DeclareError> {
        let has_values = |kind: Kind| kind.is_composite() || kind.is_enumeration() || kind == Kind::TYPEDEF;
        let mut printer = Printer::new(self);
        for ty in self.types() {
            if has_values(ty.kind()) && !ty.is_anonymous() {
                printer.any_root(ty.id())?;
            }
        }
        Ok(out.write_str(&printer.finish())?)
    }
}
