//! The machine code of a program.

use bpfld_sys as sys;

use super::Program;
use crate::{Error, Result};

/// A function of a program as the processor runs it. From [`Program::machine_code`].
#[derive(Clone, Debug)]
pub struct MachineFunction {
    name: String,
    address: u64,
    code: Vec<u8>,
}

impl MachineFunction {
    /// Its name, where the program has type information; else that of the program, for the first one.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it lies in the kernel's memory; 0 where the kernel hides that.
    #[must_use]
    pub fn address(&self) -> u64 {
        self.address
    }

    /// The bytes.
    #[must_use]
    pub fn code(&self) -> &[u8] {
        &self.code
    }
}

impl Program {
    /// The machine code of the program's functions (4.13; of subprograms 4.18), in the order of its instructions.
    ///
    /// ```no_run
    /// for function in bpfld::Program::from_id(42)?.machine_code()? {
    ///     println!("{}: {} bytes", function.name(), function.code().len());
    /// }
    /// # Ok::<(), bpfld::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When this process may not see it, which needs CAP_SYS_ADMIN and that the kernel does not hide its addresses, or the program is
    /// interpreted.
    pub fn machine_code(&self) -> Result<Vec<MachineFunction>> {
        let failed = |source| self.failed("read its machine code", source);
        let info = sys::prog_info(self).map_err(failed)?;
        let mut code = vec![0; info.jited_prog_len as usize];
        let mut addresses = vec![0; info.nr_jited_ksyms as usize];
        let mut lens = vec![0; info.nr_jited_func_lens as usize];
        let mut buffers = sys::ProgBuffers::default();
        buffers.jited = &mut code;
        buffers.jited_ksyms = &mut addresses;
        buffers.jited_func_lens = &mut lens;
        let told = sys::prog_info_with(self, &mut buffers).map_err(failed)?;
        if told.jited_prog_len == 0 || code.is_empty() {
            let message = "the kernel has no machine code of it, or does not show it to this process";
            return Err(Error::invalid(self.subject(), message).with_hint(
                "this needs CAP_SYS_ADMIN, kernel.kptr_restrict below 2, and net.core.bpf_jit_enable",
            ));
        }
        // Kernels that do not tell of functions show one.
        if lens.is_empty() {
            lens.push(told.jited_prog_len);
        }
        let translated = self.translated()?;
        let mut names = translated.functions().map(|(_, name)| name);
        let mut rest = code.as_slice();
        let mut functions = Vec::with_capacity(lens.len());
        for (at, len) in lens.into_iter().enumerate() {
            let (code, after) = rest.split_at(rest.len().min(len as usize));
            rest = after;
            let unnamed = || match at {
                0 => self.name().to_owned(),
                _ => format!("function {at}"),
            };
            functions.push(MachineFunction {
                name: names.next().map_or_else(unnamed, str::to_owned),
                address: addresses.get(at).copied().unwrap_or(0),
                code: code.to_vec(),
            });
        }
        Ok(functions)
    }
}
