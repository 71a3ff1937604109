//! What others can tell of a program that is printed.

/// A symbol an instruction refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbol<'a> {
    /// Its name.
    pub name: &'a str,
    /// Bytes from its start.
    pub offset: i64,
}

/// A place in the source of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceLine<'a> {
    /// The file; empty if not known.
    pub file: &'a str,
    /// The number of the line, from 1.
    pub line: u32,
    /// The text of the line; may be empty.
    pub text: &'a str,
}

/// What a listing can say beyond what the instructions hold. All methods have the index of a slot in the printed slice
/// as argument, and answer `None` unless implemented.
pub trait Annotate {
    /// The name of the function that begins here.
    fn function(&self, at: usize) -> Option<&str> {
        let _ = at;
        None
    }

    /// The symbol that a relocation makes this instruction refer to: a map, variable, or function elsewhere.
    fn symbol(&self, at: usize) -> Option<Symbol<'_>> {
        let _ = at;
        None
    }

    /// The source line that begins here.
    fn source(&self, at: usize) -> Option<SourceLine<'_>> {
        let _ = at;
        None
    }

    /// The name of a kernel function; see [`Insn::CallKfunc`](crate::Insn::CallKfunc).
    fn kernel_function(&self, btf_id: u32, module: i16) -> Option<&str> {
        let _ = (btf_id, module);
        None
    }

    /// Something to be said behind the instruction, on one line.
    fn comment(&self, at: usize) -> Option<&str> {
        let _ = at;
        None
    }
}
