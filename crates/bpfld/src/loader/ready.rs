//! One program, linked and relocated for this kernel: what it is, what it attaches to, and what it needs.

use std::collections::BTreeMap;

use bpfld_features::Feature;
use bpfld_object::{
    CoreOutcome, ExternIndex, LinkedProgram, MapIndex, MapKind, Program as ObjectProgram, ProgramIndex,
    ProgramSpec, Target as Reference,
};
use bpfld_sys::{AttachType, ProgFlags, ProgramType};

use super::log_level::LogLevel;
use super::prepare::Prepared;
use super::program_options::{ProgramOptions, Target};
use super::selection::Wanted;
use super::target::{self, AttachTarget};
use crate::error::{Error, Subject};

/// A program that is complete but for the descriptors of maps.
#[derive(Debug)]
pub(crate) struct Ready<'a> {
    pub(crate) wanted: Wanted<'a>,
    pub(super) program: &'a ObjectProgram,
    pub(super) linked: LinkedProgram,
    pub(super) program_type: ProgramType,
    pub(super) attach_type: AttachType,
    pub(super) flags: ProgFlags,
    pub(super) log_level: LogLevel,
    pub(super) ifindex: u32,
    pub(super) target: Option<AttachTarget>,
    /// For struct_ops programs: the type and member that they are for.
    pub(super) member: Option<Member>,
    /// What became of relocations that have no answer, by instruction.
    pub(super) unanswered: BTreeMap<usize, String>,
}

/// A struct_ops member.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) table: AttachTarget,
    number: u32,
}

impl<'a> Prepared<'a> {
    /// Links a program and finds all that it needs of the kernel, except maps.
    pub(crate) fn ready(&self, wanted: Wanted<'a>) -> Result<Ready<'a>, Error> {
        let program =
            self.object.programs().get(wanted.index.index()).ok_or_else(|| {
                Error::not_found(Subject::Object, format!("program number {}", wanted.index))
            })?;
        let subject = Subject::Program(wanted.name.to_owned());
        let options = &self.options_of(program, wanted.name);
        let spec = program.spec.as_ref().filter(|_| options.program_type.is_none());
        let said = program.spec.as_ref().map(|spec| spec.program_type);
        let Some(program_type) = options.program_type.or(said) else {
            let message = format!(
                "section name {:?} does not tell what kind of program it is",
                program.section
            );
            return Err(Error::invalid(subject, message).with_hint("give the loader a program_type for it"));
        };
        let mut linked = self
            .object
            .link(program)
            .map_err(|error| self.object_error(subject.clone(), error))?;
        let unanswered = self.relocate(&subject, &mut linked)?;

        let (flags, attach_type) = self.flags(spec, options);
        let member = match program_type {
            ProgramType::STRUCT_OPS => Some(self.member(&subject, wanted.index)?),
            _ => None,
        };
        let target = self.attach_target(&subject, spec, options, attach_type)?;
        Ok(Ready {
            wanted,
            program,
            linked,
            program_type,
            attach_type: member
                .as_ref()
                .map_or(attach_type, |member| AttachType(member.number)),
            flags: flags | options.flags,
            log_level: options.log_level.unwrap_or(self.options.log_level),
            ifindex: options.ifindex.unwrap_or(0),
            target,
            member,
            unanswered,
        })
    }

    /// CO-RE: offsets and sizes as this kernel has them.
    pub(super) fn relocate(
        &self,
        subject: &Subject,
        linked: &mut LinkedProgram,
    ) -> Result<BTreeMap<usize, String>, Error> {
        let has_core = linked
            .relocations
            .iter()
            .any(|relocation| matches!(relocation.target, Reference::Core(_)));
        if !has_core {
            return Ok(BTreeMap::new());
        }
        let mut unanswered = BTreeMap::new();
        for report in linked.apply_core(self.object, self.targets()?) {
            match &report.outcome {
                CoreOutcome::Patched { .. } => {}
                outcome if outcome.is_failure() => {
                    let message = format!("CO-RE relocation of {report}");
                    return Err(Error::invalid(subject.clone(), message));
                }
                _ => {
                    unanswered.insert(report.at as usize, report.to_string());
                }
            }
        }
        Ok(unanswered)
    }

    /// Flags and attach type that the section name says.
    pub(super) fn flags(
        &self,
        spec: Option<&ProgramSpec>,
        options: &ProgramOptions,
    ) -> (ProgFlags, AttachType) {
        let mut flags = ProgFlags::empty();
        let said = spec.and_then(|spec| spec.attach_type);
        let mut attach_type = options.attach_type.or(said).unwrap_or(AttachType(0));
        if let Some(spec) = spec {
            flags.set(ProgFlags::SLEEPABLE, spec.flags.sleepable);
            flags.set(ProgFlags::XDP_HAS_FRAGS, spec.flags.xdp_frags);
            if spec.flags.usdt && options.attach_type.is_none() && self.probes.has(Feature::UprobeMulti) {
                attach_type = AttachType::TRACE_UPROBE_MULTI;
            }
        }
        (flags, attach_type)
    }

    pub(super) fn attach_target(
        &self,
        subject: &Subject,
        spec: Option<&ProgramSpec>,
        options: &ProgramOptions,
        attach_type: AttachType,
    ) -> Result<Option<AttachTarget>, Error> {
        if let AttachType::TRACE_FENTRY_MULTI
        | AttachType::TRACE_FEXIT_MULTI
        | AttachType::TRACE_FSESSION_MULTI = attach_type
        {
            let said = spec.and_then(|spec| spec.target.clone());
            let pattern = match &options.target {
                Some(Target::Kernel(pattern)) => Some(pattern.clone()),
                Some(Target::Program { .. }) => {
                    let message = "programs for many functions are for those of the kernel only";
                    return Err(Error::invalid(subject.clone(), message));
                }
                None => said,
            };
            let pattern = pattern.unwrap_or_default();
            return target::module_of(subject, &pattern, || self.kernel().cloned());
        }
        let needs = spec.is_some_and(|spec| spec.flags.btf_target);
        let is_extension = spec.is_some_and(|spec| spec.program_type == ProgramType::EXT);
        let said = || spec.and_then(|spec| spec.target.clone()).filter(|_| needs);
        let target = match options.target.clone() {
            Some(Target::Program {
                program,
                function: None,
            }) => Some(Target::Program {
                program,
                function: said(),
            }),
            Some(target) => Some(target),
            None => said().map(Target::Kernel),
        };
        let Some(target) = target else {
            if !needs {
                return Ok(None);
            }
            let message = "its section name does not tell what to attach to";
            return Err(
                Error::invalid(subject.clone(), message).with_hint("give the loader an attach_target for it")
            );
        };
        if is_extension && matches!(target, Target::Kernel(_)) {
            let message = "it replaces a function of another program, which is not known";
            let hint = "give the loader the program with attach_into";
            return Err(Error::invalid(subject.clone(), message).with_hint(hint));
        }
        target::find(subject, attach_type, &target, || self.kernel().cloned()).map(Some)
    }

    /// The member that a struct_ops program is for; all maps that it is in must agree.
    pub(super) fn member(&self, subject: &Subject, index: ProgramIndex) -> Result<Member, Error> {
        let mut found: Option<Member> = None;
        for (number, plan) in self.maps.iter().enumerate() {
            let is_user = plan.def.members.iter().any(|member| member.program == index);
            if plan.def.kind != MapKind::StructOps || !is_user {
                continue;
            }
            let Some(table) = self.struct_ops(MapIndex(number as u32))? else {
                continue;
            };
            for member in table.programs.iter().filter(|member| member.program == index) {
                let new = Member {
                    table: AttachTarget::Kernel(crate::kernel_btf::KernelType {
                        module: table.value_type.module.clone(),
                        id: table.table,
                    }),
                    number: member.member,
                };
                let differs =
                    |old: &Member| old.number != new.number || old.table.btf_id() != new.table.btf_id();
                if found.as_ref().is_some_and(differs) {
                    let message = "it stands in two members that are not the same";
                    return Err(Error::invalid(subject.clone(), message));
                }
                found = Some(new);
            }
        }
        found.ok_or_else(|| {
            Error::invalid(
                subject.clone(),
                "no struct_ops variable refers to it, so its type is not known",
            )
        })
    }
}

impl Ready<'_> {
    pub(super) fn subject(&self) -> Subject {
        Subject::Program(self.wanted.name.to_owned())
    }

    /// The maps that instructions refer to.
    pub(crate) fn maps(&self) -> impl Iterator<Item = MapIndex> {
        self.linked
            .relocations
            .iter()
            .filter_map(|relocation| match relocation.target {
                Reference::Map(map) | Reference::MapValue { map, .. } => Some(map),
                _ => None,
            })
    }

    /// The externs that instructions refer to, without configuration values, which are in a map.
    pub(crate) fn externs(&self) -> impl Iterator<Item = ExternIndex> {
        self.linked
            .relocations
            .iter()
            .filter_map(|relocation| match relocation.target {
                Reference::Ksym(index) | Reference::KfuncAddress(index) | Reference::Kfunc(index) => {
                    Some(index)
                }
                _ => None,
            })
    }
}
