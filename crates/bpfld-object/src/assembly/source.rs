//! From a text to an object file, with all that is wrong in it.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use bpfld_insn::Endian;
use bpfld_insn::asm::{Assembler, Diagnostic, Errors};

use super::write;

/// Makes object files of assembly.
///
/// The text is what [`bpfld_insn::asm`] describes. In an object
///
/// - `.section xdp` begins a section of programs: any section name that says what a program is for. Functions declared by
///   `.globl` are programs; without one, the first function of the section is. Functions of `.text` are subprograms.
/// - `.section .data`, `.rodata` and `.bss` (and `.data.*` and so on) hold global variables, one for each label.
/// - `.license "GPL"` is the licence.
/// - `.map name type key=4 value=8 max_entries=16` declares a map. `type` is the kernel's name, such as `hash` or
///   `BPF_MAP_TYPE_HASH`. `key` and `value` are sizes in bytes or one of the types `u8` to `u64` and `i8` to `i64`. Further:
///   `flags=no_prealloc|mmapable`, `map_extra=…`, `numa_node=…`, `pinning=by_name`. Maps of maps have `inner=other`, a map
///   declared as `template` if it is to be no map itself; they and program arrays have `values="a - b"`: what the
///   elements hold from the start, with `-` for nothing.
/// - `.kfunc name, "int (struct sock *, u64)"` declares a function of the kernel, `.ksym name` or `.ksym name, "int"` a
///   variable, `.kconfig name, "bool"` a value of its configuration. With `.weak name` it may be missing.
///
/// The object has BTF: maps, variables, functions, and the lines of the text, so that the verifier's messages show them. Not
/// in reach of a text are CO-RE relocations, struct_ops, and maps whose values need types (locks, timers, kptrs).
///
/// ```
/// use bpfld_object::{Object, ObjectAssembler};
///
/// let text = r#"
///     .license "GPL"
///     .map counts array key=4 value=8 max_entries=1
///     .section xdp
/// count:
///     *(u32 *)(r10 - 4) = 0
///     r2 = r10
///     r2 += -4
///     r1 = counts ll
///     call bpf_map_lookup_elem
///     if r0 == 0 goto out
///     r1 = 1
///     lock *(u64 *)(r0 + 0) += r1
/// out:
///     r0 = XDP_PASS
///     exit
/// "#;
/// let file = ObjectAssembler::new().name("count.s").assemble(text)?;
/// let object = Object::parse(file.bytes)?;
/// assert_eq!(object.programs()[0].name.as_ref(), "count");
/// assert_eq!(object.maps()[0].max_entries, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ObjectAssembler {
    assembler: Assembler,
    name: String,
    endian: Endian,
}

/// An object file made of a text.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Assembled {
    /// The bytes of the file.
    pub bytes: Vec<u8>,
    /// What is allowed in the text, but perhaps not meant.
    pub warnings: Vec<Diagnostic>,
}

/// Everything that is wrong in a text.
///
/// Prints in one line: the first mistake and its place, and how many more there are; `{:#}` shows all of them with the
/// lines they are about, as compilers do; so does `{:?}`, which is what is seen of an error that leaves `main` or is unwrapped.
#[derive(Clone)]
pub struct TextError(Box<Inner>);

#[derive(Clone)]
struct Inner {
    errors: Errors,
    text: String,
    name: String,
}

impl Default for ObjectAssembler {
    fn default() -> Self {
        Self::new()
    }
}

impl ObjectAssembler {
    /// For this host's byte order.
    pub fn new() -> Self {
        Self {
            assembler: Assembler::new(),
            name: String::from("text"),
            endian: Endian::NATIVE,
        }
    }

    /// What the text is called, in messages and in the object's line information: the path of its file.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Defines a constant.
    pub fn define(mut self, name: impl Into<String>, value: i64) -> Self {
        self.assembler.define(name, value);
        self
    }

    /// Makes an object for machines of this byte order.
    pub fn endian(mut self, endian: Endian) -> Self {
        self.endian = endian;
        self.assembler.endian(endian);
        self
    }

    /// Makes an object file of a text.
    ///
    /// # Errors
    ///
    /// Everything that is wrong in the text, each with its place.
    pub fn assemble(&self, text: &str) -> Result<Assembled, TextError> {
        let (assembly, errors) = self.assembler.assemble_partly(text);
        let before = errors.map_or_else(Vec::new, |errors| errors.diagnostics().to_vec());
        let mut object = write::Object::new(&assembly, text, &self.name, self.endian);
        let bytes = object.write(before.is_empty());
        let errors = before.into_iter().chain(object.into_errors()).collect();
        self.outcome(text, errors, bytes, assembly.warnings)
    }

    /// Makes a flat file of a text: its instructions and nothing else. They must all be in one section, and refer to
    /// nothing outside of it.
    ///
    /// ```
    /// use bpfld_insn::Endian;
    /// use bpfld_object::ObjectAssembler;
    ///
    /// let file = ObjectAssembler::new().endian(Endian::Little).assemble_flat("r0 = XDP_PASS\nexit")?;
    /// assert_eq!(file.bytes, [0xb7, 0, 0, 0, 2, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0]);
    /// # Ok::<(), bpfld_object::TextError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Everything that is wrong in the text, each with its place.
    pub fn assemble_flat(&self, text: &str) -> Result<Assembled, TextError> {
        let (assembly, errors) = self.assembler.assemble_partly(text);
        let mut errors = errors.map_or_else(Vec::new, |errors| errors.diagnostics().to_vec());
        let mut bytes = Vec::new();
        for section in assembly
            .sections
            .iter()
            .filter(|section| !section.slots.is_empty())
        {
            let span = |at: usize| section.spans.get(at).copied().unwrap_or_default();
            if !bytes.is_empty() {
                let error = Diagnostic::new(span(0), "a flat file has one section of instructions only");
                errors.push(*error);
            }
            for relocation in &section.relocations {
                let symbol = assembly.symbols.get(relocation.symbol);
                let name = symbol.map_or("", |symbol| &symbol.name);
                let error = Diagnostic::new(
                    span(relocation.at),
                    format!("a flat file cannot refer to `{name}`"),
                );
                errors.push(*error.help("make an object file instead"));
            }
            bytes.extend(section.slots.iter().flat_map(|slot| slot.to_bytes(self.endian)));
        }
        self.outcome(text, errors, bytes, assembly.warnings)
    }

    fn outcome(
        &self,
        text: &str,
        errors: Vec<Diagnostic>,
        bytes: Vec<u8>,
        warnings: Vec<Diagnostic>,
    ) -> Result<Assembled, TextError> {
        match Errors::from_list(errors, text) {
            None => Ok(Assembled { bytes, warnings }),
            Some(errors) => Err(TextError(Box::new(Inner {
                errors,
                text: text.into(),
                name: self.name.clone(),
            }))),
        }
    }
}

impl TextError {
    /// The mistakes as data.
    #[must_use]
    pub fn errors(&self) -> &Errors {
        &self.0.errors
    }
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { errors, text, name } = &*self.0;
        if f.alternate() {
            errors.render(text, name).fmt(f)
        } else {
            errors.fmt(f)
        }
    }
}

impl fmt::Debug for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:#}")
    }
}

impl core::error::Error for TextError {}

/// Whether bytes are to be read as assembly: text of which a line begins with one of the directives that objects need.
pub(crate) fn is_assembly(bytes: &[u8]) -> bool {
    const DIRECTIVES: [&str; 6] = [".section", ".text", ".map", ".license", ".globl", ".type"];
    let is_elf = bytes.starts_with(goblin::elf::header::ELFMAG);
    let Some(text) = core::str::from_utf8(bytes).ok().filter(|_| !is_elf) else {
        return false;
    };
    text.lines().any(|line| {
        let line = line.trim_ascii_start();
        let end = line
            .find(|char: char| char.is_ascii_whitespace() || char == '"')
            .unwrap_or(line.len());
        let (word, rest) = line.split_at(end);
        // C has `.map = …` in initialisers
        DIRECTIVES.contains(&word) && !rest.trim_ascii_start().starts_with('=')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_text_is_said_to_lack_directives() {
        let error = crate::Object::parse(b"r0 = 0\nexit\n".to_vec()).unwrap_err();
        assert!(
            std::format!("{error}").starts_with("neither an ELF file nor assembly"),
            "{error}"
        );
        let error = crate::Object::parse(b"r0 = 0\n\x01".to_vec()).unwrap_err();
        assert_eq!(std::format!("{error}"), "not an ELF file");
    }

    #[test]
    fn unwrapped_it_tells_all_mistakes() {
        let error = ObjectAssembler::new()
            .name("x.s")
            .assemble("eixt\nmvo r0, 1")
            .unwrap_err();
        let text = std::format!("{error:?}");
        assert!(
            text.contains("--> x.s:1:1") && text.contains("--> x.s:2:1"),
            "{text}"
        );
    }

    #[test]
    fn assembly_is_told_by_its_directives() {
        for text in [
            ".section xdp\n",
            "r0 = 0\n\t.section\t\"tc\"\n",
            "# x\n.license \"GPL\"",
            ".text",
        ] {
            assert!(is_assembly(text.as_bytes()), "{text:?}");
        }
        for text in [
            "",
            "r0 = 0\nexit\n",
            "struct x y = {\n\t.map = 3,\n\t.type=4,\n};\n",
            "\x7fELF\n.section",
            "a .section xdp",
        ] {
            assert!(!is_assembly(text.as_bytes()), "{text:?}");
        }
        assert!(!is_assembly(b".section xdp\n\xff"));
    }
}
