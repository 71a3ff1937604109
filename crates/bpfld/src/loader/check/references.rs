//! What a program refers to: facts about types, maps, functions and variables of the kernel.

use std::collections::BTreeMap;

use bpfld_features::{Feature, Kfuncs};
use bpfld_insn::{AddressKind, Op};
use bpfld_object::poison::Missing;
use bpfld_object::{ExternIndex, ExternKind, LinkedProgram, MapIndex, Target as Reference};
use bpfld_sys::MapType;

use super::reach::Value;
use super::{Checked, Checker, Fit, Stage};
use crate::externs::{self, Resolution};

/// What references of a program came to.
#[derive(Default)]
pub(super) struct References {
    /// What 64-bit loads load, and moves move, that does not stand in the instruction.
    pub(super) values: BTreeMap<usize, Value>,
    /// Why an instruction is poisoned.
    pub(super) poison: BTreeMap<usize, String>,
    /// Kernel functions that are called, by instruction.
    pub(super) kfuncs: BTreeMap<usize, String>,
}

impl Checker<'_> {
    /// CO-RE relocations.
    pub(super) fn core(
        &self,
        checked: &mut Checked,
        linked: &mut LinkedProgram,
        references: &mut References,
    ) {
        let is_core = |reference: &Reference| matches!(reference, Reference::Core(_));
        let places: Vec<usize> = linked
            .relocations
            .iter()
            .filter(|relocation| is_core(&relocation.target))
            .map(|relocation| relocation.at as usize)
            .collect();
        if places.is_empty() {
            return;
        }
        if self.kernel.btf.is_none() {
            let count = places.len();
            checked.doubt(format!(
                "the kernel's types would tell what its {count} CO-RE relocations come to"
            ));
            references
                .values
                .extend(places.iter().map(|at| (*at, Value::Unknown)));
            return;
        }
        match self.prepared.relocate(&checked.subject, linked) {
            Ok(unanswered) => references.poison.extend(unanswered),
            Err(error) => checked.refuse(error.kind().to_string()),
        }
    }

    /// Maps and externs.
    pub(super) fn references(
        &self,
        checked: &mut Checked,
        linked: &mut LinkedProgram,
        maps: &[Checked],
        references: &mut References,
    ) {
        for relocation in linked.relocations.clone() {
            let at = relocation.at as usize;
            match relocation.target {
                Reference::Map(map) | Reference::MapValue { map, .. } => {
                    let value = match relocation.target {
                        Reference::MapValue { map, offset } => Value::Place(map, offset),
                        _ => Value::Unknown,
                    };
                    references.values.insert(at, value);
                    if let Some(reason) = self.not_made(map, maps) {
                        linked.poison(relocation.at, Missing::Map(map));
                        references.poison.insert(at, reason);
                    }
                }
                Reference::Kfunc(index) => {
                    self.need(
                        checked,
                        Stage::Load,
                        Feature::Instruction(Op::CallKfunc),
                        "calls of kernel functions",
                    );
                    let name = self.extern_name(index);
                    match self.resolve(checked, index) {
                        Some(Resolution::Missing) => {
                            linked.poison(relocation.at, Missing::Kfunc(index));
                            references.poison.insert(at, format!("no kernel function {name}"));
                        }
                        _ => {
                            references.kfuncs.insert(at, name);
                        }
                    }
                }
                Reference::Ksym(index) | Reference::KfuncAddress(index) => {
                    let is_typed = self
                        .prepared
                        .object
                        .extern_at(index)
                        .is_some_and(|item| !matches!(item.kind, ExternKind::Ksym { ty: None }));
                    if is_typed {
                        let feature = Feature::Instruction(Op::LoadAddr(AddressKind::Variable));
                        self.need(checked, Stage::Load, feature, "references to kernel variables");
                    }
                    let value = match (self.resolve(checked, index), &relocation.target) {
                        (Some(Resolution::Missing), _) => Value::Number(0),
                        (Some(_), Reference::KfuncAddress(_)) => Value::Address,
                        _ => Value::Unknown,
                    };
                    references.values.insert(at, value);
                }
                Reference::JumpTable(_) => {
                    let feature = Feature::MapType(MapType::INSN_ARRAY);
                    self.need(checked, Stage::Load, feature, "tables of jump targets");
                    references.values.insert(at, Value::Unknown);
                }
                _ => {}
            }
        }
    }

    /// Why a map is not there.
    fn not_made(&self, map: MapIndex, maps: &[Checked]) -> Option<String> {
        let plan = self.prepared.map(map)?;
        let name = &plan.spec.name;
        if !plan.create {
            return Some(format!("map '{name}' is used but not made"));
        }
        if plan.def.is_global_data() && self.lacks(Feature::GlobalData) {
            let since = Feature::GlobalData.since()?;
            return Some(format!(
                "no global variables (since Linux {since}), but '{name}' is used"
            ));
        }
        let refused = maps.get(map.index())?.fit() == Fit::Refused;
        refused.then(|| format!("map '{name}' is used, which the kernel refuses"))
    }

    fn extern_name(&self, index: ExternIndex) -> String {
        let item = self.prepared.object.extern_at(index);
        item.map(|item| item.essential_name().to_owned())
            .unwrap_or_default()
    }

    /// The kernel's side of an extern; nothing where that is not known or it was refused.
    fn resolve(&self, checked: &mut Checked, index: ExternIndex) -> Option<Resolution> {
        let object = self.prepared.object;
        let item = object.extern_at(index)?;
        let name = &item.name;
        match item.kind {
            ExternKind::Ksym { ty: None } => {
                if !item.weak {
                    checked.doubt(format!(
                        "the addresses of the kernel's symbols are not known: {name}"
                    ));
                }
                None
            }
            _ if self.kernel.btf.is_some() => {
                let found = self
                    .prepared
                    .kernel()
                    .and_then(|kernel| externs::resolve(object, item, kernel));
                match found {
                    Ok(resolution) => Some(resolution),
                    Err(error) => {
                        checked.refuse(format!("{}: {}", error.subject(), error.kind()));
                        None
                    }
                }
            }
            _ => {
                let function = item.essential_name();
                let is_recorded = |kfuncs: &Kfuncs| kfuncs.callers(function).is_some();
                if !item.weak && !self.kernel.kfuncs.as_ref().is_some_and(is_recorded) {
                    checked.doubt(format!("the kernel's types would tell whether it has {name}"));
                }
                None
            }
        }
    }
}
