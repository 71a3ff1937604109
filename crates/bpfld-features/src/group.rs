//! Groups of features: all members of each, and the names of features with a parameter.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use bpfld_insn::{AddressKind, Cpu, Helper, Op, Source};
use bpfld_sys::{AttachType, Command, ElemFlags, LinkType, MapFlags, MapType, ProgFlags, ProgramType};

use crate::Feature;
use crate::probe::insn;

/// What features belong to, for tables and for asking in bulk.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Group {
    /// The kernel as a whole.
    System,
    /// Type information.
    Btf,
    /// What programs may be and do.
    Programs,
    /// What the verifier tells.
    Logs,
    /// What can be done with maps.
    Maps,
    /// How programs are attached.
    Links,
    /// Commands of bpf(2).
    Commands,
    /// Types of maps.
    MapTypes,
    /// Flags for creating maps.
    MapFlags,
    /// Flags for reading and writing elements.
    ElemFlags,
    /// Types of programs.
    ProgramTypes,
    /// Flags for loading programs.
    LoadFlags,
    /// Where programs attach.
    AttachTypes,
    /// Types of links.
    LinkTypes,
    /// Levels of the instruction set, as compilers know them.
    InstructionSets,
    /// Instructions that came after the first release of eBPF.
    Instructions,
    /// Helper functions, for each type of program. By far the largest group.
    Helpers,
}

impl Group {
    /// All groups, in the order of tables.
    pub const ALL: &'static [Group] = &[
        Group::System,
        Group::Btf,
        Group::Programs,
        Group::Logs,
        Group::Maps,
        Group::Links,
        Group::Commands,
        Group::MapTypes,
        Group::MapFlags,
        Group::ElemFlags,
        Group::ProgramTypes,
        Group::LoadFlags,
        Group::AttachTypes,
        Group::LinkTypes,
        Group::InstructionSets,
        Group::Instructions,
        Group::Helpers,
    ];

    /// For headings: one or two words.
    pub const fn title(self) -> &'static str {
        match self {
            Group::System => "system",
            Group::Btf => "BTF",
            Group::Programs => "programs",
            Group::Logs => "logs",
            Group::Maps => "maps",
            Group::Links => "links",
            Group::Commands => "command",
            Group::MapTypes => "map type",
            Group::MapFlags => "map flag",
            Group::ElemFlags => "element flag",
            Group::ProgramTypes => "program type",
            Group::LoadFlags => "load flag",
            Group::AttachTypes => "attach type",
            Group::LinkTypes => "link type",
            Group::InstructionSets => "instruction set",
            Group::Instructions => "instruction",
            Group::Helpers => "helper",
        }
    }

    /// What the names of its features begin with, before a colon; nothing for plain features.
    pub const fn prefix(self) -> Option<&'static str> {
        match self {
            Group::System | Group::Btf | Group::Programs | Group::Logs | Group::Maps | Group::Links => None,
            Group::Commands => Some("command"),
            Group::MapTypes => Some("map_type"),
            Group::MapFlags => Some("map_flag"),
            Group::ElemFlags => Some("elem_flag"),
            Group::ProgramTypes => Some("program_type"),
            Group::LoadFlags => Some("load_flag"),
            Group::AttachTypes => Some("attach_type"),
            Group::LinkTypes => Some("link_type"),
            Group::InstructionSets => Some("isa"),
            Group::Instructions => Some("insn"),
            Group::Helpers => Some("helper"),
        }
    }

    /// All features of this group that this build knows, in the kernel's order.
    ///
    /// ```
    /// use bpfld_features::{Feature, Group};
    ///
    /// assert!(Group::Btf.features().contains(&Feature::BtfFloat));
    /// assert!(Group::Helpers.features().len() > 5000);
    /// ```
    pub fn features(self) -> Vec<Feature> {
        let programs = || ProgramType::ALL.iter().copied();
        match self {
            Group::System | Group::Btf | Group::Programs | Group::Logs | Group::Maps | Group::Links => {
                let plain = Feature::PLAIN.iter().copied();
                plain.filter(|feature| feature.group() == self).collect()
            }
            Group::Commands => Command::ALL.iter().copied().map(Feature::Command).collect(),
            Group::MapTypes => MapType::ALL.iter().copied().map(Feature::MapType).collect(),
            Group::MapFlags => MapFlags::all()
                .iter()
                .map(Feature::MapFlag)
                .filter(has_name)
                .collect(),
            Group::ElemFlags => ElemFlags::all()
                .iter()
                .map(Feature::ElemFlag)
                .filter(has_name)
                .collect(),
            Group::ProgramTypes => programs().map(Feature::ProgramType).collect(),
            Group::LoadFlags => ProgFlags::all()
                .iter()
                .map(Feature::LoadFlag)
                .filter(has_name)
                .collect(),
            Group::AttachTypes => AttachType::ALL.iter().copied().map(Feature::AttachType).collect(),
            Group::LinkTypes => LinkType::ALL.iter().copied().map(Feature::LinkType).collect(),
            Group::InstructionSets => LEVELS.map(Feature::InstructionSet).to_vec(),
            Group::Instructions => {
                let later = Op::ALL.iter().copied().filter(|op| insn::is_later(*op));
                later.map(Feature::Instruction).collect()
            }
            Group::Helpers => programs()
                .flat_map(|program| {
                    Helper::ALL
                        .iter()
                        .map(move |helper| Feature::Helper(program, *helper))
                })
                .collect(),
        }
    }
}

const LEVELS: [Cpu; 4] = [Cpu::V1, Cpu::V2, Cpu::V3, Cpu::V4];

/// Bits without a name are no features.
fn has_name(feature: &Feature) -> bool {
    feature.since().is_some()
}

impl Feature {
    /// A short name: letters, digits and underscores; for features with a parameter what they are comes first, before a
    /// colon: `map_type:hash`, `helper:xdp:map_lookup_elem`, `insn:jlt:imm`. Names are stable and can be parsed.
    pub fn name(self) -> String {
        if let Some(name) = self.plain_name() {
            return name.to_owned();
        }
        let prefix = self.group().prefix().unwrap_or_default();
        match self {
            Feature::Command(command) => format!("{prefix}:{command}"),
            Feature::MapType(map) => format!("{prefix}:{map}"),
            Feature::MapFlag(flag) => format!("{prefix}:{}", flag.to_string().to_lowercase()),
            Feature::ElemFlag(flag) => {
                let name = flag.to_string().to_lowercase();
                format!("{prefix}:{}", name.trim_start_matches("f_"))
            }
            Feature::ProgramType(program) => format!("{prefix}:{program}"),
            Feature::LoadFlag(flag) => format!("{prefix}:{}", flag.to_string().to_lowercase()),
            Feature::AttachType(attach) => format!("{prefix}:{attach}"),
            Feature::LinkType(link) => format!("{prefix}:{link}"),
            Feature::InstructionSet(level) => format!("{prefix}:{level}"),
            Feature::Instruction(op) => format!("{prefix}:{}", op_name(op)),
            Feature::Helper(program, helper) => format!("{prefix}:{program}:{helper}"),
            _ => String::new(),
        }
    }
}

/// The mnemonic, and what else tells operations with the same one apart.
fn op_name(op: Op) -> String {
    let (stem, suffix) = op.mnemonic();
    let source = |source| match source {
        Source::Imm => "imm",
        Source::Reg => "reg",
    };
    let more = match op {
        Op::Alu(_, _, from) | Op::JumpIf(_, _, from) => source(from).to_owned(),
        Op::Swap(_, size) | Op::MovSx(_, size) => size.bits().to_string(),
        Op::LoadAddr(kind) => match kind {
            AddressKind::Map => "map",
            AddressKind::MapValue => "map_value",
            AddressKind::Variable => "variable",
            AddressKind::Func => "func",
            AddressKind::MapIndex => "map_index",
            AddressKind::MapIndexValue => "map_index_value",
        }
        .to_owned(),
        Op::CallSubprog => "subprog".to_owned(),
        Op::CallKfunc => "kfunc".to_owned(),
        _ => return format!("{stem}{suffix}"),
    };
    format!("{stem}{suffix}:{more}")
}

/// A text that names no feature that this build knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownFeature {
    name: String,
}

impl fmt::Display for UnknownFeature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no feature is named {:?}", self.name)
    }
}

impl std::error::Error for UnknownFeature {}

/// Reads what [`Feature::name`] writes.
impl FromStr for Feature {
    type Err = UnknownFeature;

    fn from_str(name: &str) -> Result<Feature, UnknownFeature> {
        static NAMES: LazyLock<HashMap<String, Feature>> = LazyLock::new(|| {
            let groups = Group::ALL.iter().filter(|group| **group != Group::Helpers);
            let features = groups.flat_map(|group| group.features());
            features.map(|feature| (feature.name(), feature)).collect()
        });
        let helper = || {
            let (program, helper) = name.strip_prefix("helper:")?.split_once(':')?;
            let program: ProgramType = program.parse().ok()?;
            Some(Feature::Helper(program, Helper::from_name(helper)?))
        };
        NAMES
            .get(name)
            .copied()
            .or_else(helper)
            .ok_or_else(|| UnknownFeature {
                name: name.chars().take(80).collect(),
            })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_plain_and_can_be_read() {
        let mut seen = HashSet::new();
        for feature in Group::ALL.iter().flat_map(|group| group.features()) {
            let name = feature.name();
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == ':';
            assert!(name.chars().all(plain), "{name}");
            assert_eq!(name.parse(), Ok(feature));
            assert!(seen.insert(name), "{feature}");
        }
        for name in [
            "",
            "no_such",
            "helper:xdp",
            "helper:xdp:none",
            "map_type:",
            "insn:mov",
        ] {
            assert!(name.parse::<Feature>().is_err(), "{name}");
        }
    }

    #[test]
    fn groups_have_all_members() {
        assert_eq!(Group::Commands.features().len(), 39);
        assert_eq!(Group::MapFlags.features().len(), 20);
        assert_eq!(Group::LinkTypes.features().len(), LinkType::ALL.len());
        let plain: usize = Group::ALL
            .iter()
            .filter(|group| group.prefix().is_none())
            .map(|group| group.features().len())
            .sum();
        assert_eq!(plain, Feature::PLAIN.len());
    }
}
