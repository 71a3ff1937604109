//! One program that is ready: bound to its maps, then loaded; and what it means if the kernel refuses it.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use bpfld_features::{Feature, why_not_permitted};
use bpfld_object::poison::Missing;
use bpfld_object::{ExternIndex, MapIndex, MapKind, ProgramIndex};
use bpfld_sys::{self as sys, AttachType, Errno, ProgramType};
use zerocopy::IntoBytes;

use super::bind::{Names, bind};
use super::form::{Form, is_about_form};
use super::made::Made;
use super::prepare::Prepared;
use super::ready::Ready;
use super::target::AttachTarget;
use super::verifier::{self, Refusal};
use crate::adaptation::Measure;
use crate::error::{Error, ErrorKind};
use crate::externs::Resolution;
use crate::log::{Poison, VerifierLog};
use crate::map::Map;
use crate::program::{Program, ProgramMeta};

/// A program in the kernel, with what the verifier said if it was asked to say something.
#[derive(Debug)]
pub(crate) struct LoadedProgram {
    pub(crate) index: ProgramIndex,
    pub(crate) is_copy: bool,
    pub(crate) program: Program,
    pub(crate) log: Option<VerifierLog>,
}

impl Ready<'_> {
    /// Loads the program, which must refer to none but these maps.
    pub(crate) fn load(mut self, prepared: &Prepared<'_>, made: &Made<'_>) -> Result<LoadedProgram, Error> {
        let jump_tables = super::jump_table::create(&self.linked, prepared.token())
            .map_err(|error| Error::kernel(self.subject(), "make its tables of jump targets", error))?;
        let names = ProgramNames {
            prepared,
            made,
            jump_tables: &jump_tables,
        };
        let modules = bind(&mut self.linked, &names)?;
        let mut form = Form::default();
        let result = self.attempt(prepared, &modules, &mut form);
        let (fd, log) = match result {
            Err(Attempt::Refused(refusal)) => {
                return Err(prepared.with_btf_fault(self.explain(prepared, refusal)));
            }
            Err(Attempt::Other(error)) => return Err(error),
            Ok(loaded) => loaded,
        };
        self.note(prepared, form);
        let meta = ProgramMeta {
            name: self.wanted.name.to_owned(),
            program_type: self.program_type,
            attach_type: Some(self.attach_type),
            section: Some(self.program.section.to_string()),
            usdt: made.usdt().cloned(),
            module: match &self.target {
                Some(AttachTarget::Module(module)) => Some(Arc::clone(module)),
                _ => None,
            },
        };
        let program = Program::from_parts(fd, meta);
        self.bind_constants(&program, prepared, made);
        Ok(LoadedProgram {
            index: self.wanted.index,
            is_copy: self.wanted.is_copy,
            program,
            log,
        })
    }

    /// Ties the object's constants to the program also where it does not refer to them: in them it may say things of itself, to those who look at
    /// it (`bpftool prog` prints what is named `bpf_metadata_…`).
    fn bind_constants(&self, program: &Program, prepared: &Prepared<'_>, made: &Made<'_>) {
        for (index, plan) in prepared.maps.iter().enumerate() {
            let index = MapIndex(index as u32);
            if plan.def.kind != MapKind::Rodata || self.maps().any(|used| used == index) {
                continue;
            }
            if let Some(map) = made.map(index) {
                // The program runs without it, and kernels before 5.10 do not know this.
                let _ = program.bind_map(map);
            }
        }
    }

    /// Loads with everything; if the kernel refuses the form of the request, without what it does not know.
    fn attempt(
        &mut self,
        prepared: &Prepared<'_>,
        modules: &[i32],
        form: &mut Form,
    ) -> Result<(OwnedFd, Option<VerifierLog>), Attempt> {
        if !prepared.probes.is_live() {
            self.simplify(prepared, form);
        }
        match self.request(prepared, modules, *form) {
            Err(Attempt::Refused(refusal)) if is_about_form(&refusal) => {
                if !self.simplify(prepared, form) {
                    return Err(Attempt::Refused(refusal));
                }
                self.request(prepared, modules, *form)
            }
            result => result,
        }
    }

    fn request(
        &self,
        prepared: &Prepared<'_>,
        modules: &[i32],
        form: Form,
    ) -> Result<(OwnedFd, Option<VerifierLog>), Attempt> {
        let btf = match form.info {
            true => Some(prepared.object_btf()?),
            false => None,
        };
        let func_info: Vec<u32> = self
            .linked
            .func_info
            .iter()
            .flat_map(|info| {
                let function = btf.map_or(info.type_id, |btf| btf.function(self.program_type, info.type_id));
                [info.slot, function.0]
            })
            .collect();
        let line_info: Vec<u32> = self
            .linked
            .line_info
            .iter()
            .flat_map(|line| [line.slot, line.file, line.text, line.line_column])
            .collect();
        let mut request =
            sys::ProgLoad::new(self.program_type, self.linked.insns.as_bytes(), &prepared.license);
        request.flags = self.flags;
        request.ifindex = self.ifindex;
        request.kernel_version = kernel_version(self.program_type);
        if form.name {
            request.name = self.wanted.name;
        }
        if form.attach_type {
            request.expected_attach_type = self.attach_type;
        }
        if let Some(fd) = btf.and_then(|btf| btf.fd.as_ref()) {
            request.btf = Some(fd.as_fd());
            request.func_info = sys::Records {
                record_size: 8,
                bytes: func_info.as_bytes(),
            };
            request.line_info = sys::Records {
                record_size: 16,
                bytes: line_info.as_bytes(),
            };
        }
        let target = self
            .member
            .as_ref()
            .map(|member| &member.table)
            .or(self.target.as_ref());
        if let Some(target) = target {
            request.attach_btf_id = target.btf_id();
            request.attach_to = target.fd()?;
        }
        request.fd_array = modules;
        request.token = prepared.token();
        verifier::load_program(&request, self.log_level, prepared.options.memlock).map_err(Attempt::Refused)
    }

    /// Puts down what was done for this kernel.
    fn note(&self, prepared: &Prepared<'_>, form: Form) {
        let note = |measure| prepared.adaptations.note(self.subject(), measure);
        form.measures(prepared.object.btf().is_some()).for_each(note);
        let is_copy = |btf: &super::object_btf::ObjectBtf| {
            let mut functions = self.linked.func_info.iter();
            functions.any(|info| btf.is_copy(self.program_type, info.type_id))
        };
        if form.info && prepared.object_btf().is_ok_and(is_copy) {
            note(Measure::ContextByType);
        }
        let usdt = self.program.spec.as_ref().is_some_and(|spec| spec.flags.usdt);
        if usdt
            && self.attach_type != AttachType::TRACE_UPROBE_MULTI
            && !prepared.probes.has(Feature::UprobeMulti)
        {
            note(Measure::SingleUprobes);
        }
    }

    /// Leaves out what the kernel does not know. Returns whether anything changed.
    fn simplify(&mut self, prepared: &Prepared<'_>, form: &mut Form) -> bool {
        let spec = self.program.spec.as_ref();
        form.simplify(&prepared.probes, spec, self.attach_type, &mut self.linked.insns)
    }

    /// From what the kernel answered to what it means.
    fn explain(&self, prepared: &Prepared<'_>, refusal: Refusal) -> Error {
        let Refusal { error, mut log } = refusal;
        let errno = error.errno();
        if log.is_empty() {
            return self.without_log(prepared, error);
        }
        log.explain(
            |at, helper| match Missing::from_helper(i32::try_from(helper).ok()?)? {
                Missing::Core => Some(Poison {
                    short: "CO-RE relocation without an answer",
                    long: format!(
                        "CO-RE relocation without an answer: {}",
                        self.unanswered.get(&at)?
                    ),
                }),
                Missing::Map(map) => Some(Poison {
                    short: "reference to a map that was not made",
                    long: format!("map '{}' is used but was not made", prepared.map(map)?.spec.name),
                }),
                Missing::Kfunc(index) => {
                    let name = &prepared.object.extern_at(index)?.name;
                    Some(Poison {
                        short: "call of a kernel function that was not found",
                        long: format!("kernel function '{name}' is called, but this kernel does not have it"),
                    })
                }
                _ => None,
            },
        );
        Error::new(self.subject(), ErrorKind::Rejected { errno, log })
    }

    /// A refusal before the verifier had a look.
    fn without_log(&self, prepared: &Prepared<'_>, error: sys::Error) -> Error {
        let errno = error.errno();
        let failed = Error::kernel(self.subject(), format!("load it as {}", self.program_type), error);
        let feature = Feature::for_program(self.program_type, self.attach_type);
        let unsupported = |since| {
            let what = format!("programs of type {}", self.program_type);
            let kind = ErrorKind::Unsupported {
                feature: what.into(),
                since,
                errno: Some(errno),
            };
            Error::new(self.subject(), kind)
        };
        match errno {
            Errno::EPERM | Errno::EACCES => match why_not_permitted(Some(self.program_type)) {
                Some(reason) => failed.with_hint(reason),
                None if prepared.probes.probe(feature).is_no() => {
                    unsupported(None).with_hint("it refuses those that attach there to everybody")
                }
                None => failed,
            },
            Errno::EINVAL | Errno::E2BIG | Errno::ENOTSUPP | Errno::EOPNOTSUPP
                if prepared.probes.probe(feature).is_no() =>
            {
                unsupported(feature.since().map(|release| release.to_string().into()))
            }
            _ => failed,
        }
    }
}

/// How an attempt to load a program can end.
enum Attempt {
    Refused(Refusal),
    Other(Error),
}

impl From<Error> for Attempt {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

/// Kernels before 5.0 load probes only for their own release.
fn kernel_version(program_type: ProgramType) -> u32 {
    match program_type {
        ProgramType::KPROBE => {
            bpfld_features::Release::current().map_or(0, bpfld_features::Release::version_code)
        }
        _ => 0,
    }
}

/// Where a program's names lead.
struct ProgramNames<'a> {
    prepared: &'a Prepared<'a>,
    made: &'a Made<'a>,
    jump_tables: &'a [Map],
}

impl Names for ProgramNames<'_> {
    fn map(&self, map: MapIndex) -> Option<&Map> {
        self.made.map(map)
    }

    fn resolution(&self, index: ExternIndex) -> Option<Resolution> {
        self.prepared.resolution(index)
    }

    fn jump_table(&self, table: u32) -> Option<&Map> {
        self.jump_tables.get(table as usize)
    }
}
