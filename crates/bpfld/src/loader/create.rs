//! Making a map: with all that is known about it, or else without what this kernel does not take.

use std::borrow::Cow;
use std::os::fd::BorrowedFd;

use bpfld_btf::TypeId;
use bpfld_features::{Feature, Probes, why_not_permitted};
use bpfld_sys::{self as sys, Errno, MapFd, MapFlags, MapType};

use super::maps::MapPlan;
use super::struct_ops::StructOps;
use crate::adaptation::{Adaptations, Measure};
use crate::error::{Error, ErrorKind};
use crate::map::{Map, MapSpec, contradiction};
use crate::memlock::{self, Memlock};

/// What making a map needs from elsewhere.
#[derive(Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    pub(crate) probes: &'a Probes,
    pub(crate) adaptations: &'a Adaptations,
    pub(crate) token: Option<BorrowedFd<'a>>,
    pub(crate) memlock: Memlock,
    /// The object's type information in the kernel.
    pub(crate) btf: Option<BorrowedFd<'a>>,
    /// For maps of maps, a map like those that will be in it.
    pub(crate) inner: Option<BorrowedFd<'a>>,
    pub(crate) struct_ops: Option<&'a StructOps>,
    /// The module whose types that one is of.
    pub(crate) value_btf: Option<BorrowedFd<'a>>,
}

/// What is told about a map beside its type and sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Form {
    name: bool,
    types: bool,
    mappable: bool,
}

/// Makes a map. `None`: it holds global variables, which this kernel does not know (Linux 5.2).
pub(crate) fn create(plan: &MapPlan<'_>, around: Surroundings<'_>) -> Result<Option<Map>, Error> {
    let maker = Maker { plan, around };
    let lacks = |feature| around.probes.probe(feature).is_no();
    // A kernel that is played by a record is not asked.
    let is_played = !around.probes.is_live();
    let mut form = Form {
        name: true,
        types: maker.takes_types(),
        mappable: true,
    };
    if is_played {
        if plan.def.is_global_data() && lacks(Feature::GlobalData) {
            return Ok(maker.not_made());
        }
        form = maker.without_unknown(form);
    }
    let mut result = maker.attempt(form);
    if result.is_err() && form.types && around.struct_ops.is_none() {
        let without = Form { types: false, ..form };
        if let Ok(fd) = maker.attempt(without) {
            return Ok(Some(maker.finish(fd, without)));
        }
    }
    if matches!(&result, Err(error) if matches!(error.errno(), Errno::EINVAL | Errno::E2BIG)) {
        let known = maker.without_unknown(form);
        if known != form {
            form = known;
            result = maker.attempt(form);
        }
        if result.is_err() && plan.def.is_global_data() && lacks(Feature::GlobalData) {
            return Ok(maker.not_made());
        }
    }
    match result {
        Ok(fd) => Ok(Some(maker.finish(fd, form))),
        Err(error) => Err(maker.explain(error)),
    }
}

/// Puts down what is left out of a map for a kernel. Returns whether the map is made at all.
pub(crate) fn foresee(plan: &MapPlan<'_>, around: Surroundings<'_>) -> bool {
    let maker = Maker { plan, around };
    if plan.def.is_global_data() && around.probes.probe(Feature::GlobalData).is_no() {
        maker.note(Measure::GlobalDataOmitted);
        return false;
    }
    maker.tell(maker.without_unknown(Form {
        name: true,
        types: maker.takes_types(),
        mappable: true,
    }));
    true
}

struct Maker<'a> {
    plan: &'a MapPlan<'a>,
    around: Surroundings<'a>,
}

impl Maker<'_> {
    /// Leaves out what the kernel does not know.
    fn without_unknown(&self, form: Form) -> Form {
        let has = |feature| !self.around.probes.probe(feature).is_no();
        let is_mappable = self.plan.def.is_global_data() && self.plan.spec.flags.contains(MapFlags::MMAPABLE);
        Form {
            name: form.name && has(Feature::Names),
            types: form.types && has(Feature::Btf),
            mappable: form.mappable && (!is_mappable || has(Feature::ArrayMmap)),
        }
    }

    fn note(&self, measure: Measure) {
        self.around.adaptations.note(self.plan.subject(), measure);
    }

    fn not_made(&self) -> Option<Map> {
        self.note(Measure::GlobalDataOmitted);
        None
    }

    fn tell(&self, form: Form) {
        if !form.name && !self.plan.def.kernel_name.is_empty() {
            self.note(Measure::NameOmitted);
        }
        if !form.types && self.takes_types() {
            self.note(Measure::MapTypesOmitted);
        }
        if !form.mappable {
            self.note(Measure::NotMapped);
        }
    }

    fn finish(&self, fd: MapFd, form: Form) -> Map {
        self.tell(form);
        let flags = self.flags(form);
        Map::from_parts(
            fd,
            MapSpec {
                flags,
                ..self.plan.spec.clone()
            },
        )
    }

    fn flags(&self, form: Form) -> MapFlags {
        let flags = self.plan.spec.flags;
        if form.mappable {
            flags
        } else {
            flags - MapFlags::MMAPABLE
        }
    }

    /// Whether the kernel wants the types of keys and values, and there are any.
    fn takes_types(&self) -> bool {
        let def = self.plan.def;
        let has = def.key_type.is_some() || def.value_type.is_some();
        let wants = !matches!(
            self.plan.spec.map_type,
            MapType::PERF_EVENT_ARRAY
                | MapType::CGROUP_ARRAY
                | MapType::STACK_TRACE
                | MapType::ARRAY_OF_MAPS
                | MapType::HASH_OF_MAPS
                | MapType::DEVMAP
                | MapType::DEVMAP_HASH
                | MapType::CPUMAP
                | MapType::XSKMAP
                | MapType::SOCKMAP
                | MapType::SOCKHASH
                | MapType::QUEUE
                | MapType::STACK
                | MapType::ARENA
        );
        has && wants && self.around.btf.is_some()
    }

    fn attempt(&self, form: Form) -> Result<MapFd, sys::Error> {
        let Self { plan, around } = self;
        let MapSpec {
            name: _,
            map_type,
            key_size,
            value_size,
            max_entries,
            flags: _,
            map_extra,
        } = plan.spec;
        let mut request = sys::MapCreate::new(map_type, key_size, value_size, max_entries);
        if form.name {
            request.name = &plan.def.kernel_name;
        }
        request.flags = self.flags(form);
        request.numa_node = plan.numa_node;
        request.map_extra = map_extra;
        request.inner_map = around.inner;
        if form.types {
            request.btf = around.btf;
        }
        if let Some(table) = around.struct_ops {
            // Keys and values are of the kernel's types here.
            request.value_size = table.value.len() as u32;
            request.btf_vmlinux_value_type_id = table.value_type.id.0;
            request.value_type_btf = around.value_btf;
        } else if form.types {
            let number = |ty: Option<TypeId>| ty.map_or(0, |ty| ty.0);
            request.btf_key_type_id = number(plan.def.key_type);
            request.btf_value_type_id = number(plan.def.value_type);
        }
        request.token = around.token;
        memlock::within(around.memlock, || sys::map_create(&request))
    }

    /// What the kernel's refusal may mean.
    fn explain(&self, error: sys::Error) -> Error {
        let subject = self.plan.subject();
        let MapSpec {
            map_type,
            key_size,
            value_size,
            max_entries,
            ..
        } = self.plan.spec;
        let errno = error.errno();
        let feature = Feature::MapType(map_type);
        let is_form = matches!(
            errno,
            Errno::EINVAL | Errno::E2BIG | Errno::ENOTSUPP | Errno::EOPNOTSUPP
        );
        if is_form && self.around.probes.probe(feature).is_no() {
            let since = feature.since().map(|release| release.to_string().into());
            let feature = format!("maps of type {map_type}").into();
            return Error::new(
                subject,
                ErrorKind::Unsupported {
                    feature,
                    since,
                    errno: Some(errno),
                },
            );
        }
        let doing = format!(
            "create it as {map_type} of {max_entries} entries, keys of {key_size} and values of {value_size} bytes"
        );
        let failed = Error::kernel(subject, doing, error);
        let hint: Option<Cow<'static, str>> = match errno {
            Errno::EINVAL => contradiction(&self.plan.spec).map(Cow::from),
            Errno::EPERM => why_not_permitted(None).map(Cow::from),
            Errno::ENOMEM | Errno::E2BIG => Some("fewer entries may do".into()),
            _ => None,
        };
        failed.with_optional_hint(hint)
    }
}
