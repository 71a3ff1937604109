//! Programs: type, flags, place, instructions and calls.

use std::collections::BTreeSet;

use bpfld_features::{Answer, Evidence, Feature, Release};
use bpfld_insn::{Helper, Insn, decode, flow::Flow};
use bpfld_object::poison::Missing;
use bpfld_object::{AutoAttach, LinkedProgram, ProgramIndex, ProgramSpec};
use bpfld_sys::{AttachType, Command, LinkType, ProgramType};

use super::reach::{Facts, reachable};
use super::references::References;
use super::{Checked, Checker, Fit, Stage};
use crate::adaptation::Measure;
use crate::error::Subject;
use crate::loader::form::Form;
use crate::loader::object_btf::ObjectBtf;
use crate::loader::program_options::ProgramOptions;
use crate::loader::selection::Wanted;

/// Instructions in a program of kernels that have no larger limit.
const SMALL: usize = 4096;

impl Checker<'_> {
    pub(super) fn program(
        &self,
        wanted: Wanted<'_>,
        selected: bool,
        maps: &[Checked],
        types: &ObjectBtf,
    ) -> Checked {
        let prepared = &self.prepared;
        let mut checked = Checked {
            subject: Subject::Program(wanted.name.to_owned()),
            selected,
            findings: Vec::new(),
        };
        let index = wanted.index;
        let Some(program) = prepared.object.programs().get(index.index()) else {
            checked.refuse("the object has no such program");
            return checked;
        };
        let options = &prepared.options_of(program, wanted.name);
        let spec = program.spec.as_ref().filter(|_| options.program_type.is_none());
        let said = program.spec.as_ref().map(|spec| spec.program_type);
        let Some(kind) = options.program_type.or(said) else {
            checked.refuse(format!(
                "section name {:?} does not tell what kind of program it is",
                program.section
            ));
            return checked;
        };
        let (flags, attach_type) = prepared.flags(spec, options);
        self.kind(&mut checked, spec, kind, attach_type);
        for flag in (flags | options.flags).iter() {
            let feature = Feature::LoadFlag(flag);
            if feature.since().is_some() {
                self.need(
                    &mut checked,
                    Stage::Load,
                    feature,
                    format_args!("flag {flag} for programs"),
                );
            }
        }
        let mut linked = match prepared.object.link(program) {
            Ok(linked) => linked,
            Err(error) => {
                checked.refuse(error.to_string());
                return checked;
            }
        };
        self.target(&mut checked, index, spec, options, kind, attach_type);
        let mut references = References::default();
        self.core(&mut checked, &mut linked, &mut references);
        self.references(&mut checked, &mut linked, maps, &mut references);
        let mut form = Form::default();
        form.simplify(&prepared.probes, spec, attach_type, &mut linked.insns);
        self.instructions(&mut checked, (kind, attach_type), &linked, &references);
        if checked.selected && checked.fit() != Fit::Refused {
            self.adaptations(&checked, spec, (kind, attach_type), form, &linked, types);
        }
        checked
    }

    fn probe(&self, feature: Feature) -> Answer {
        self.prepared.probes.probe(feature)
    }

    pub(super) fn lacks(&self, feature: Feature) -> bool {
        self.probe(feature).is_no()
    }

    pub(super) fn need(
        &self,
        checked: &mut Checked,
        stage: Stage,
        feature: Feature,
        what: impl std::fmt::Display,
    ) {
        checked.need(stage, feature, &self.probe(feature), what);
    }

    /// Program type, attach type, and the way in which the program attaches itself.
    fn kind(
        &self,
        checked: &mut Checked,
        spec: Option<&ProgramSpec>,
        kind: ProgramType,
        attach_type: AttachType,
    ) {
        let feature = Feature::for_program(kind, attach_type);
        match feature {
            Feature::Fentry => self.need(checked, Stage::Load, feature, "programs that trace functions"),
            _ => self.need(
                checked,
                Stage::Load,
                feature,
                format_args!("programs of type {kind}"),
            ),
        }
        let is_left_out = spec.is_some_and(|spec| spec.flags.attach_type_optional)
            && self.lacks(Feature::ExpectedAttachType);
        if attach_type != AttachType(0) && !is_left_out {
            let feature = Feature::AttachType(attach_type);
            let stage = match kind {
                ProgramType::CGROUP_SOCK
                | ProgramType::CGROUP_SOCK_ADDR
                | ProgramType::CGROUP_SKB
                | ProgramType::CGROUP_SOCKOPT
                | ProgramType::TRACING
                | ProgramType::LSM
                | ProgramType::SK_LOOKUP
                | ProgramType::NETFILTER => Stage::Load,
                _ => Stage::Attach,
            };
            self.need(
                checked,
                stage,
                feature,
                format_args!("programs attached to {attach_type}"),
            );
        }
        let option = match spec.and_then(|spec| spec.auto_attach) {
            Some(AutoAttach::Kprobe | AutoAttach::Ksyscall) => "CONFIG_KPROBE_EVENTS",
            Some(AutoAttach::Uprobe | AutoAttach::Usdt) => "CONFIG_UPROBE_EVENTS",
            _ => return,
        };
        if self
            .kernel
            .config
            .as_ref()
            .is_some_and(|config| !config.is_on(option))
        {
            let how = format!("the kernel is built without {option}").into();
            let answer = Answer::No(Evidence { errno: None, how });
            checked.need(
                Stage::Attach,
                feature,
                &answer,
                format_args!("probes without {option}"),
            );
        }
    }

    /// What the kernel must know when the program is loaded.
    fn target(
        &self,
        checked: &mut Checked,
        index: ProgramIndex,
        spec: Option<&ProgramSpec>,
        options: &ProgramOptions,
        kind: ProgramType,
        attach_type: AttachType,
    ) {
        let needs = spec.is_some_and(|spec| spec.flags.btf_target) || options.target.is_some();
        let result = match kind {
            ProgramType::EXT => {
                checked.doubt("the program whose function it replaces is not known");
                return;
            }
            ProgramType::STRUCT_OPS if self.kernel.btf.is_some() => {
                self.prepared.member(&checked.subject, index).map(|_| ())
            }
            ProgramType::STRUCT_OPS => Ok(()), // told for its table
            _ if !needs => Ok(()),
            _ if self.kernel.btf.is_none() => {
                checked.doubt("the kernel's types would tell whether it has what the program attaches to");
                return;
            }
            _ => {
                let found = self
                    .prepared
                    .attach_target(&checked.subject, spec, options, attach_type);
                found.map(|_| ())
            }
        };
        if let Err(error) = result {
            checked.refuse(error.kind().to_string());
        }
    }

    /// Instructions that are there, and calls that can be reached.
    fn instructions(
        &self,
        checked: &mut Checked,
        (kind, attach_type): (ProgramType, AttachType),
        linked: &LinkedProgram,
        references: &References,
    ) {
        let insns = &linked.insns;
        if insns.len() > SMALL {
            let what = format_args!("programs of {} instructions", insns.len());
            self.need(checked, Stage::Load, Feature::LargeInstructionLimit, what);
        }
        let has_loops = || {
            let starts: Vec<usize> = linked
                .functions
                .iter()
                .map(|function| function.start as usize)
                .collect();
            Flow::with_functions(insns, &starts).has_loops()
        };
        if !self.probe(Feature::BoundedLoops).is_yes() && has_loops() {
            self.need(checked, Stage::Load, Feature::BoundedLoops, "loops");
        }
        let loaded = |at: usize| references.values.get(&at).copied();
        let constant = |map, offset, size| self.constants.number(map, offset, size);
        let reached = reachable(
            insns,
            &Facts {
                loaded: &loaded,
                constant: &constant,
            },
        );
        let mut seen = BTreeSet::new();
        for (at, insn) in decode(insns) {
            let Ok(insn) = insn else { continue };
            let is_reached = reached.get(at).copied().unwrap_or(false);
            match insn {
                Insn::CallHelper { helper }
                    if is_reached && (seen.insert(helper) || references.poison.contains_key(&at)) =>
                {
                    self.call(checked, kind, at, helper, references);
                }
                Insn::CallHelper { .. } => {}
                _ => {
                    // The kernel looks at all of them, reached or not.
                    let feature = Feature::Instruction(insn.op());
                    if feature.since().is_some_and(|since| since > Release::new(3, 18)) {
                        let name = feature.name();
                        let name = name.trim_start_matches("insn:");
                        self.need(checked, Stage::Load, feature, format_args!("instruction {name}"));
                    }
                }
            }
            if let Some(name) = references.kfuncs.get(&at).filter(|_| is_reached) {
                let may = self.kernel.kfuncs.as_ref().and_then(|kfuncs| {
                    kfuncs.callers(name)?;
                    kfuncs.may_call(kind, name)
                });
                let reason = || format!("programs of type {kind} may not call kernel function {name}");
                match may {
                    Some(false) if attach_type == AttachType(0) => checked.refuse(reason()),
                    // They were asked without an attach type.
                    Some(false) => checked.doubt(format!("{}, unless for {attach_type}", reason())),
                    _ => {}
                }
            }
        }
    }

    /// A helper, or what stands for something that is missing.
    fn call(
        &self,
        checked: &mut Checked,
        kind: ProgramType,
        at: usize,
        helper: Helper,
        references: &References,
    ) {
        if i32::try_from(helper.0)
            .ok()
            .and_then(Missing::from_helper)
            .is_some()
        {
            let reason = references.poison.get(&at).cloned();
            checked.refuse(reason.unwrap_or_else(|| "something that the kernel lacks is reached".to_owned()));
            return;
        }
        let feature = Feature::Helper(kind, helper);
        let what = format_args!("call of bpf_{helper} from programs of type {kind}");
        let answer = self.probe(feature);
        // Who may call what depends in these types on more than the type, which the record does not tell. A helper that others
        // may call is there.
        let depends = match kind {
            ProgramType::TRACING | ProgramType::LSM | ProgramType::EXT | ProgramType::STRUCT_OPS => {
                matches!(answer, Answer::Unknown(_))
            }
            ProgramType::CGROUP_SKB
            | ProgramType::CGROUP_SOCK
            | ProgramType::CGROUP_SOCK_ADDR
            | ProgramType::CGROUP_SOCKOPT
            | ProgramType::CGROUP_SYSCTL
            | ProgramType::CGROUP_DEVICE => answer.is_no(),
            _ => false,
        };
        if !depends {
            checked.need(Stage::Load, feature, &answer, what);
            return;
        }
        let is_there = ProgramType::ALL
            .iter()
            .any(|other| self.prepared.probes.has(Feature::Helper(*other, helper)));
        let is_younger = self
            .kernel
            .release
            .is_some_and(|release| feature.since().is_some_and(|since| since > release));
        if is_younger && !is_there {
            checked.need(Stage::Load, feature, &answer, what);
        } else if answer.is_no() {
            checked.doubt(format!("{what}: allowed at some places to attach to at most"));
        }
    }

    /// What the loader would do for this kernel.
    fn adaptations(
        &self,
        checked: &Checked,
        spec: Option<&ProgramSpec>,
        (kind, attach_type): (ProgramType, AttachType),
        form: Form,
        linked: &LinkedProgram,
        types: &ObjectBtf,
    ) {
        let prepared = &self.prepared;
        let note = |measure| prepared.adaptations.note(checked.subject.clone(), measure);
        form.measures(prepared.object.btf().is_some()).for_each(note);
        let mut functions = linked.func_info.iter();
        if form.info && functions.any(|info| types.is_copy(kind, info.type_id)) {
            note(Measure::ContextByType);
        }
        let usdt = spec.is_some_and(|spec| spec.flags.usdt) && attach_type != AttachType::TRACE_UPROBE_MULTI;
        if usdt && !prepared.probes.has(Feature::UprobeMulti) {
            note(Measure::SingleUprobes);
        }
        let at_perf_event = match spec.and_then(|spec| spec.auto_attach) {
            Some(AutoAttach::Kprobe | AutoAttach::Uprobe | AutoAttach::Ksyscall | AutoAttach::Tracepoint) => {
                true
            }
            Some(AutoAttach::Usdt) => usdt,
            _ => kind == ProgramType::PERF_EVENT,
        };
        if at_perf_event && self.lacks(Feature::PerfLink) {
            note(Measure::PerfEventByIoctl);
        }
        let by_command = match kind {
            ProgramType::SK_SKB | ProgramType::SK_MSG => self.lacks(Feature::LinkType(LinkType::SOCKMAP)),
            ProgramType::CGROUP_SKB
            | ProgramType::CGROUP_SOCK
            | ProgramType::CGROUP_SOCK_ADDR
            | ProgramType::CGROUP_SOCKOPT
            | ProgramType::CGROUP_SYSCTL
            | ProgramType::CGROUP_DEVICE
            | ProgramType::SOCK_OPS => self.lacks(Feature::Command(Command::LINK_CREATE)),
            _ => false,
        };
        if by_command {
            note(Measure::AttachedByCommand);
        }
    }
}
