//! Pinned maps: using one that is there already, if it is what the object declares.

use std::os::fd::AsFd;
use std::path::Path;

use bpfld_features::{Feature, Probes};
use bpfld_sys::{MapFd, MapFlags, MapType};

use super::maps::MapPlan;
use crate::error::{Difference, Error, ErrorKind};
use crate::map::{Map, MapInfo, MapSpec};

/// Opens the map that is pinned where this one should be; `None` if there is nothing yet.
///
/// # Errors
///
/// It cannot be opened, is no map, or is another one: then each parameter that differs is named.
pub(crate) fn open_pinned(plan: &MapPlan<'_>, path: &Path, probes: &Probes) -> Result<Option<Map>, Error> {
    let fd = match crate::pin::open(path) {
        Ok(fd) => fd,
        Err(error) if error.errno() == Some(bpfld_sys::Errno::ENOENT) => return Ok(None),
        Err(error) => return Err(error),
    };
    let asking = |error| {
        let doing = format!("use what is pinned at {} as a map", path.display());
        Error::kernel(plan.subject(), doing, error)
    };
    let fd = MapFd::from_fd(fd).map_err(asking)?;
    let pinned = MapInfo::of(fd.as_fd()).map_err(asking)?.spec();
    let mut declared = plan.spec.clone();
    let is_unmapped = plan.def.is_global_data() && !pinned.flags.contains(MapFlags::MMAPABLE);
    // So it was made for this kernel.
    if is_unmapped && declared.flags.contains(MapFlags::MMAPABLE) && probes.probe(Feature::ArrayMmap).is_no()
    {
        declared.flags -= MapFlags::MMAPABLE;
    }
    let differences = compare(&declared, &pinned);
    if differences.is_empty() {
        return Ok(Some(Map::from_parts(fd, declared)));
    }
    let kind = ErrorKind::Differs {
        path: path.to_owned(),
        differences,
    };
    Err(Error::new(plan.subject(), kind).with_hint("remove the pin, or pin this one elsewhere"))
}

/// Every parameter in which a pinned map is not what is declared.
fn compare(declared: &MapSpec, pinned: &MapSpec) -> Vec<Difference> {
    let MapSpec {
        name: _,
        map_type,
        key_size,
        value_size,
        max_entries,
        flags,
        map_extra,
    } = pinned;
    // The kernel sets this flag for device maps by itself.
    let by_itself = match *map_type {
        MapType::DEVMAP | MapType::DEVMAP_HASH => MapFlags::RDONLY_PROG,
        _ => MapFlags::empty(),
    };
    let mut differences = Vec::new();
    let mut check = |parameter, declared: String, pinned: String| {
        if declared != pinned {
            differences.push(Difference {
                parameter,
                declared,
                pinned,
            });
        }
    };
    check("type", declared.map_type.to_string(), map_type.to_string());
    check("key size", declared.key_size.to_string(), key_size.to_string());
    check(
        "value size",
        declared.value_size.to_string(),
        value_size.to_string(),
    );
    check(
        "number of entries",
        declared.max_entries.to_string(),
        max_entries.to_string(),
    );
    check(
        "flags",
        (declared.flags - by_itself).to_string(),
        (*flags - by_itself).to_string(),
    );
    check("map_extra", declared.map_extra.to_string(), map_extra.to_string());
    differences
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(map_type: MapType, max_entries: u32, flags: MapFlags) -> MapSpec {
        MapSpec {
            name: "m".into(),
            map_type,
            key_size: 4,
            value_size: 8,
            max_entries,
            flags,
            map_extra: 0,
        }
    }

    #[test]
    fn every_difference_is_named() {
        let declared = spec(MapType::HASH, 16, MapFlags::NO_PREALLOC);
        assert_eq!(compare(&declared, &declared), []);
        let pinned = spec(MapType::ARRAY, 32, MapFlags::NO_PREALLOC);
        let names: Vec<_> = compare(&declared, &pinned)
            .iter()
            .map(|difference| difference.parameter)
            .collect();
        assert_eq!(names, ["type", "number of entries"]);
    }

    #[test]
    fn flags_that_the_kernel_adds_are_no_difference() {
        let declared = spec(MapType::DEVMAP, 16, MapFlags::empty());
        let pinned = spec(MapType::DEVMAP, 16, MapFlags::RDONLY_PROG);
        assert_eq!(compare(&declared, &pinned), []);
    }
}
