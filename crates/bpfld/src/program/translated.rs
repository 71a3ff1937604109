//! The instructions of a program as the kernel runs them.

use std::sync::Arc;

use bpfld_btf::Btf;
use bpfld_insn::{Annotate, Endian, Slot, SourceLine, slots_from_bytes};
use bpfld_sys as sys;

use super::Program;
use crate::{Error, KernelBtf, Result};

/// The instructions of a loaded program after the verifier's changes, with what the kernel knows about them. From
/// [`Program::translated`].
///
/// It gives names and source lines to [`print`](bpfld_insn::print()):
///
/// ```no_run
/// use bpfld::Program;
/// use bpfld_insn::{Dialect, print};
///
/// let translated = Program::from_id(42)?.translated()?;
/// let text = print(translated.insns()).dialect(Dialect::Kernel).dump().annotate(&translated);
/// println!("{text}");
/// # Ok::<(), bpfld::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Translated {
    insns: Vec<Slot>,
    /// By slot: names.
    functions: Vec<(u32, String)>,
    lines: Vec<Line>,
    kernel: Option<Arc<KernelBtf>>,
}

#[derive(Clone, Debug)]
struct Line {
    slot: u32,
    file: String,
    text: String,
    line: u32,
}

impl Translated {
    pub(super) fn of(program: &Program) -> Result<Self> {
        let failed = |source| program.failed("read its instructions", source);
        let info = sys::prog_info(program).map_err(failed)?;
        let mut bytes = vec![0; info.xlated_prog_len as usize];
        let mut func_info = vec![[0; 2]; info.nr_func_info as usize];
        let mut line_info = vec![[0; 4]; info.nr_line_info as usize];
        let mut buffers = sys::ProgBuffers::default();
        buffers.xlated = &mut bytes;
        buffers.func_info = &mut func_info;
        buffers.line_info = &mut line_info;
        let told = sys::prog_info_with(program, &mut buffers).map_err(failed)?;
        if told.xlated_prog_len == 0 {
            let message = "the kernel does not show its instructions to this process";
            return Err(Error::invalid(program.subject(), message)
                .with_hint("this needs CAP_SYS_ADMIN, and kernel.kptr_restrict below 2"));
        }
        let insns = slots_from_bytes(&bytes, Endian::NATIVE).0.collect();
        let mut translated = Self {
            insns,
            functions: Vec::new(),
            lines: Vec::new(),
            kernel: KernelBtf::shared().ok(),
        };
        if info.btf_id != 0 {
            let btf = KernelBtf::by_id(info.btf_id)?;
            translated.name(&btf, &func_info, &line_info);
        }
        Ok(translated)
    }

    /// Takes names and lines out of the program's BTF. What it does not know stays nameless.
    fn name(&mut self, btf: &Btf, functions: &[[u32; 2]], lines: &[[u32; 4]]) {
        for [slot, id] in functions {
            if let Ok(name) = btf.ty(bpfld_btf::TypeId(*id)).and_then(|ty| ty.name()) {
                self.functions.push((*slot, name.to_owned()));
            }
        }
        let string = |offset| btf.string(offset).unwrap_or_default().to_owned();
        for [slot, file, text, place] in lines {
            self.lines.push(Line {
                slot: *slot,
                file: string(*file),
                text: string(*text),
                line: place >> 10,
            });
        }
    }

    /// The instructions.
    #[must_use]
    pub fn insns(&self) -> &[Slot] {
        &self.insns
    }

    /// The functions that have names: the slot where each begins, and its name.
    pub fn functions(&self) -> impl ExactSizeIterator<Item = (usize, &str)> {
        self.functions
            .iter()
            .map(|(slot, name)| (*slot as usize, &**name))
    }

    /// The source line that begins at a slot.
    #[must_use]
    pub fn line(&self, slot: usize) -> Option<SourceLine<'_>> {
        let slot = u32::try_from(slot).ok()?;
        let place = self.lines.binary_search_by_key(&slot, |line| line.slot).ok()?;
        let Line {
            slot: _,
            file,
            text,
            line,
        } = self.lines.get(place)?;
        Some(SourceLine {
            file,
            line: *line,
            text,
        })
    }
}

impl Annotate for Translated {
    fn function(&self, at: usize) -> Option<&str> {
        let at = u32::try_from(at).ok()?;
        let place = self.functions.binary_search_by_key(&at, |(slot, _)| *slot).ok()?;
        self.functions.get(place).map(|(_, name)| &**name)
    }

    fn source(&self, at: usize) -> Option<SourceLine<'_>> {
        self.line(at)
    }

    fn kernel_function(&self, btf_id: u32, module: i16) -> Option<&str> {
        let kernel = self.kernel.as_ref().filter(|_| module == 0)?;
        kernel.vmlinux().ty(bpfld_btf::TypeId(btf_id)).ok()?.name().ok()
    }
}
