//! Maps: types, flags and what is in them from the start.

use std::collections::BTreeMap;

use bpfld_features::{Config, Feature};
use bpfld_insn::Endian;
use bpfld_object::{ExternKind, MapIndex, MapKind};
use bpfld_sys::MapFlags;

use super::{Checked, Checker, OtherKernel, Stage};
use crate::externs::kconfig;
use crate::loader::create::{self, Surroundings};
use crate::loader::maps::MapPlan;
use crate::loader::prepare::Prepared;

/// Bytes that programs find in memory and that never change; `None` where they are not known.
pub(super) struct Constants {
    maps: BTreeMap<MapIndex, Vec<Option<u8>>>,
    /// Names of configuration values that are not known, or why a known one does not fit.
    gaps: Vec<Gap>,
}

/// A configuration value that programs may not get.
enum Gap {
    Unknown(String),
    Unfit(String),
}

impl Constants {
    pub(super) fn new(prepared: &Prepared<'_>, kernel: &OtherKernel) -> Self {
        let mut constants = Self {
            maps: BTreeMap::new(),
            gaps: Vec::new(),
        };
        for (number, plan) in prepared.maps.iter().enumerate() {
            let index = MapIndex(number as u32);
            let bytes = match plan.def.kind {
                MapKind::Rodata => prepared.initial_value(index).iter().copied().map(Some).collect(),
                MapKind::Kconfig => constants.kconfig(prepared, plan, kernel),
                _ => continue,
            };
            constants.maps.insert(index, bytes);
        }
        constants
    }

    /// A number in a map.
    pub(super) fn number(&self, map: MapIndex, offset: u32, size: usize) -> Option<u64> {
        let bytes = self.maps.get(&map)?.get(offset as usize..)?.get(..size)?;
        let bytes: Vec<u8> = bytes.iter().copied().collect::<Option<_>>()?;
        let mut number = [0; 8];
        // The numbers of a program are those of its machine.
        let place = match Endian::NATIVE {
            Endian::Little => number.get_mut(..size)?,
            Endian::Big => number.get_mut(8 - size..)?,
        };
        place.copy_from_slice(&bytes);
        Some(u64::from_ne_bytes(number))
    }

    fn kconfig(
        &mut self,
        prepared: &Prepared<'_>,
        plan: &MapPlan<'_>,
        kernel: &OtherKernel,
    ) -> Vec<Option<u8>> {
        let mut bytes = vec![None; plan.spec.value_size as usize];
        let own = prepared.options.kconfig.as_deref().map(Config::parse);
        for item in prepared.object.externs() {
            let ExternKind::Kconfig {
                value: shape,
                offset,
                size,
                ..
            } = item.kind
            else {
                continue;
            };
            let mut value = vec![0; size as usize];
            let name = &*item.name;
            let number = match name {
                "LINUX_KERNEL_VERSION" => kernel.release.map(|release| release.version_code().into()),
                "LINUX_HAS_BPF_COOKIE" => Some(kernel.probes.has(Feature::AttachCookie).into()),
                "LINUX_HAS_SYSCALL_WRAPPER" => Some(kernel.probes.has(Feature::SyscallWrapper).into()),
                _ => None,
            };
            let found = [&own, &kernel.config]
                .into_iter()
                .find_map(|config| config.as_ref()?.get(name));
            let written = match (number, found) {
                (Some(number), _) => shape.write_number(number, &mut value, Endian::NATIVE),
                (None, Some(found)) => kconfig::write(shape, found, &mut value),
                (None, None) if item.weak => continue,
                (None, None) => {
                    self.gaps.push(Gap::Unknown(name.to_owned()));
                    continue;
                }
            };
            let place = bytes
                .get_mut(offset as usize..)
                .and_then(|rest| rest.get_mut(..value.len()));
            match (written, place) {
                (Ok(()), Some(place)) => place
                    .iter_mut()
                    .zip(value)
                    .for_each(|(to, from)| *to = Some(from)),
                (Err(message), _) => self.gaps.push(Gap::Unfit(format!("{name}: {message}"))),
                (Ok(()), None) => self
                    .gaps
                    .push(Gap::Unfit(format!("{name} lies outside of its map"))),
            }
        }
        bytes
    }
}

impl Checker<'_> {
    pub(super) fn maps(&self) -> Vec<Checked> {
        let maps = self.prepared.maps.iter().enumerate();
        maps.map(|(number, plan)| self.map(MapIndex(number as u32), plan))
            .collect()
    }

    fn map(&self, index: MapIndex, plan: &MapPlan<'_>) -> Checked {
        let prepared = &self.prepared;
        let mut checked = Checked {
            subject: plan.subject(),
            selected: plan.create && plan.reuse.is_none(),
            findings: Vec::new(),
        };
        if !checked.selected {
            return checked;
        }
        let is_made = create::foresee(
            plan,
            Surroundings {
                probes: &prepared.probes,
                adaptations: &prepared.adaptations,
                token: None,
                memlock: prepared.options.memlock,
                btf: None,
                inner: None,
                struct_ops: None,
                value_btf: None,
            },
        );
        if !is_made {
            return checked;
        }
        self.parameters(&mut checked, plan);
        if let Some(Ok(inner)) = plan.def.inner.as_ref().map(|def| MapPlan::new(def, None, None)) {
            self.parameters(&mut checked, &inner);
        }
        match plan.def.kind {
            MapKind::Kconfig => {
                for gap in &self.constants.gaps {
                    match gap {
                        Gap::Unknown(name) => checked.doubt(format!("the value of {name} is not known")),
                        Gap::Unfit(message) => checked.refuse(message.clone()),
                    }
                }
            }
            MapKind::StructOps if self.kernel.btf.is_none() => {
                checked.doubt("the kernel's types would tell whether it has such a table of functions");
            }
            MapKind::StructOps => {
                if let Err(error) = prepared.struct_ops(index) {
                    checked.refuse(error.kind().to_string());
                }
            }
            _ => {}
        }
        checked
    }

    /// Type and flags.
    fn parameters(&self, checked: &mut Checked, plan: &MapPlan<'_>) {
        let probe = |feature| self.prepared.probes.probe(feature);
        let feature = Feature::MapType(plan.spec.map_type);
        let what = format_args!("maps of type {}", plan.spec.map_type);
        checked.need(Stage::Load, feature, &probe(feature), what);
        for flag in plan.spec.flags.iter() {
            // The loader does without it.
            let is_left_out =
                flag == MapFlags::MMAPABLE && plan.def.is_global_data() && probe(Feature::ArrayMmap).is_no();
            let feature = Feature::MapFlag(flag);
            if feature.since().is_some() && !is_left_out {
                let what = format_args!("flag {flag} for maps");
                checked.need(Stage::Load, feature, &probe(feature), what);
            }
        }
    }
}
