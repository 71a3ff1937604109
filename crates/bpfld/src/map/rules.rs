//! What a map of each type may be, to explain why the kernel refused one.
//!
//! The kernel decides; it says EINVAL for anything. The table is what the `map_alloc_check` functions of Linux 6.18 hold, and is asked only
//! after a refusal. Where newer kernels take more, nothing here stands in the way.

use bpfld_sys::{MapFlags, MapType};

use super::MapSpec;

/// How many bytes, or elements, there may be.
#[derive(Clone, Copy)]
enum Count {
    /// Exactly one of these.
    One(&'static [u32]),
    /// From this on.
    AtLeast(u32),
    /// Within these, both included.
    Within(u32, u32),
    /// A multiple of eight, but none.
    Words,
    /// A power of two, and whole pages.
    Ring,
}

struct Rule {
    key: Count,
    value: Count,
    entries: Count,
    required: MapFlags,
    allowed: MapFlags,
}

const NONE: Count = Count::One(&[0]);
const FOUR: Count = Count::One(&[4]);
const FOUR_OR_EIGHT: Count = Count::One(&[4, 8]);
const SOME: Count = Count::AtLeast(1);

const NUMA: MapFlags = MapFlags::NUMA_NODE;
/// What user space may do.
const USER: MapFlags = NUMA.union(MapFlags::RDONLY).union(MapFlags::WRONLY);
/// What user space and programs may do.
const ACCESS: MapFlags = USER.union(MapFlags::RDONLY_PROG).union(MapFlags::WRONLY_PROG);

const fn rule(key: Count, value: Count, entries: Count, allowed: MapFlags) -> Rule {
    Rule {
        key,
        value,
        entries,
        required: MapFlags::empty(),
        allowed,
    }
}

/// The rule of a type; nothing for types that this build does not know.
fn rule_of(map_type: MapType) -> Option<Rule> {
    let hash = ACCESS | MapFlags::NO_PREALLOC | MapFlags::ZERO_SEED;
    let with = |required, rule: Rule| Rule {
        required,
        allowed: rule.allowed | required,
        ..rule
    };
    Some(match map_type {
        MapType::HASH | MapType::PERCPU_HASH => rule(SOME, SOME, SOME, hash),
        MapType::LRU_HASH | MapType::LRU_PERCPU_HASH => rule(
            SOME,
            SOME,
            SOME,
            ACCESS | MapFlags::ZERO_SEED | MapFlags::NO_COMMON_LRU,
        ),
        MapType::HASH_OF_MAPS => rule(SOME, FOUR, SOME, hash),
        MapType::ARRAY => rule(
            FOUR,
            SOME,
            SOME,
            ACCESS | MapFlags::MMAPABLE | MapFlags::INNER_MAP,
        ),
        MapType::PERCPU_ARRAY => rule(FOUR, SOME, SOME, ACCESS),
        MapType::PROG_ARRAY | MapType::CGROUP_ARRAY | MapType::ARRAY_OF_MAPS => rule(FOUR, FOUR, SOME, USER),
        MapType::PERF_EVENT_ARRAY => rule(FOUR, FOUR, SOME, USER | MapFlags::PRESERVE_ELEMS),
        MapType::REUSEPORT_SOCKARRAY => rule(FOUR, FOUR_OR_EIGHT, SOME, ACCESS),
        MapType::STACK_TRACE => rule(FOUR, Count::Words, SOME, USER | MapFlags::STACK_BUILD_ID),
        MapType::LPM_TRIE => with(
            MapFlags::NO_PREALLOC,
            rule(Count::Within(5, 260), SOME, SOME, ACCESS),
        ),
        MapType::DEVMAP | MapType::DEVMAP_HASH => rule(FOUR, FOUR_OR_EIGHT, SOME, USER),
        MapType::CPUMAP => rule(FOUR, FOUR_OR_EIGHT, SOME, NUMA),
        MapType::XSKMAP => rule(FOUR, FOUR, SOME, USER),
        MapType::SOCKMAP => rule(FOUR, FOUR_OR_EIGHT, SOME, USER),
        MapType::SOCKHASH => rule(SOME, FOUR_OR_EIGHT, SOME, USER),
        MapType::QUEUE | MapType::STACK => rule(NONE, SOME, SOME, ACCESS),
        MapType::BLOOM_FILTER => rule(NONE, SOME, SOME, ACCESS | MapFlags::ZERO_SEED),
        MapType::CGROUP_STORAGE | MapType::PERCPU_CGROUP_STORAGE => {
            rule(Count::One(&[8, 16]), SOME, NONE, ACCESS)
        }
        MapType::SK_STORAGE | MapType::INODE_STORAGE | MapType::TASK_STORAGE | MapType::CGRP_STORAGE => {
            with(MapFlags::NO_PREALLOC, rule(FOUR, SOME, NONE, MapFlags::CLONE))
        }
        MapType::RINGBUF => rule(NONE, NONE, Count::Ring, NUMA | MapFlags::RB_OVERWRITE),
        MapType::USER_RINGBUF => rule(NONE, NONE, Count::Ring, NUMA),
        MapType::ARENA => with(
            MapFlags::MMAPABLE,
            rule(NONE, NONE, SOME, MapFlags::SEGV_ON_FAULT | MapFlags::NO_USER_CONV),
        ),
        _ => return None,
    })
}

impl Count {
    /// What it must be, if a number is not that.
    fn refuses(self, number: u32) -> Option<String> {
        let page = u32::try_from(bpfld_sys::mmap::page_size()).unwrap_or(4096);
        let fits = match self {
            Count::One(allowed) => allowed.contains(&number),
            Count::AtLeast(least) => number >= least,
            Count::Within(least, most) => (least..=most).contains(&number),
            Count::Words => number >= 8 && number.is_multiple_of(8),
            Count::Ring => number.is_power_of_two() && number.is_multiple_of(page),
        };
        if fits {
            return None;
        }
        Some(match self {
            Count::One(allowed) => {
                let allowed: Vec<String> = allowed.iter().map(ToString::to_string).collect();
                allowed.join(" or ")
            }
            Count::AtLeast(least) => format!("at least {least}"),
            Count::Within(least, most) => format!("{least} to {most}"),
            Count::Words => "a multiple of 8".into(),
            Count::Ring => format!("a power of two, and a multiple of the {page} bytes of a page"),
        })
    }
}

/// What kernels of Linux 6.18 do not take of a map, if there is such a thing.
pub(crate) fn contradiction(spec: &MapSpec) -> Option<String> {
    let MapSpec {
        name: _,
        map_type,
        key_size,
        value_size,
        max_entries,
        flags,
        map_extra: _,
    } = *spec;
    let rule = rule_of(map_type)?;
    let counts = [
        ("bytes of a key", rule.key, key_size),
        ("bytes of a value", rule.value, value_size),
        ("number of entries", rule.entries, max_entries),
    ];
    for (what, count, number) in counts {
        if let Some(wanted) = count.refuses(number) {
            return Some(format!(
                "for type {map_type}, the {what} must be {wanted}, not {number}"
            ));
        }
    }
    let (surplus, missing) = (flags - rule.allowed, rule.required - flags);
    if !surplus.is_empty() {
        return Some(format!(
            "for type {map_type}, there cannot be the flags {surplus}, but only {}",
            rule.allowed
        ));
    }
    if !missing.is_empty() {
        return Some(format!("for type {map_type}, there must be the flags {missing}"));
    }
    let both = |one, other| flags.contains(one) && flags.contains(other);
    if both(MapFlags::RDONLY, MapFlags::WRONLY) || both(MapFlags::RDONLY_PROG, MapFlags::WRONLY_PROG) {
        return Some("it can be for reading only, or for writing only, but not both".into());
    }
    None
}
