//! Fields of map values that belong to the kernel: locks, timers, pointers to objects and what links them.

use alloc::vec::Vec;
use core::ops::Range;

use bpfld_btf::{Btf, Kind, TypeId};

/// The lock that an update can take.
const LOCK: &str = "bpf_spin_lock";
/// Structures that no update writes to.
const STRUCTURES: &[&str] = &[
    LOCK,
    "bpf_res_spin_lock",
    "bpf_timer",
    "bpf_wq",
    "bpf_task_work",
    "bpf_list_head",
    "bpf_list_node",
    "bpf_rb_root",
    "bpf_rb_node",
    "bpf_refcount",
];
/// What marks pointers that no update writes to.
const TAGS: &[&str] = &["kptr", "kptr_untrusted", "percpu_kptr", "uptr"];
/// The most types that are looked at.
const MOST: usize = 1 << 12;

/// The special fields of a type.
#[derive(Clone, Debug, Default)]
pub(crate) struct Special {
    /// Bytes that no update writes to: what they hold is gone with the value that was there.
    pub(super) fields: Vec<Range<usize>>,
    /// Whether one of them is a lock that an update can take.
    pub(super) has_lock: bool,
}

impl Special {
    pub(crate) fn of(btf: &Btf, value: TypeId) -> Self {
        let (mut special, mut left) = (Self::default(), MOST);
        find(btf, value, 0, &mut left, &mut special);
        special
    }
}

fn find(btf: &Btf, id: TypeId, at: usize, left: &mut usize, out: &mut Special) {
    let (Some(rest), Ok(ty)) = (left.checked_sub(1), btf.resolve(id)) else {
        return;
    };
    *left = rest;
    let name = ty.name().unwrap_or_default();
    let is_special = match ty.kind() {
        Kind::STRUCT => STRUCTURES.contains(&name),
        Kind::PTR => ty.target().is_some_and(|to| is_tagged(btf, to)),
        _ => false,
    };
    if is_special {
        let size = btf
            .resolve_size(id)
            .ok()
            .and_then(|size| usize::try_from(size).ok());
        out.has_lock |= name == LOCK;
        out.fields
            .extend(size.and_then(|size| Some(at..at.checked_add(size)?)));
        return;
    }
    for member in ty.members() {
        let inner = at.saturating_add((member.bit_offset / 8) as usize);
        find(btf, member.type_id, inner, left, out);
    }
    if let Some(array) = ty.array() {
        let size = btf
            .resolve_size(array.element)
            .ok()
            .and_then(|size| usize::try_from(size).ok());
        let before = out.fields.len();
        for number in 0..array.len as usize {
            let inner = size.and_then(|size| number.checked_mul(size)?.checked_add(at));
            find(btf, array.element, inner.unwrap_or(usize::MAX), left, out);
            // elements are all alike
            if out.fields.len() == before || *left == 0 {
                break;
            }
        }
    }
}

fn is_tagged(btf: &Btf, id: TypeId) -> bool {
    btf.ty(id)
        .is_ok_and(|ty| ty.kind() == Kind::TYPE_TAG && ty.name().is_ok_and(|name| TAGS.contains(&name)))
}
