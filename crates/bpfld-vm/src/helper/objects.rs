//! Objects of the program's own types: made, dropped, and kept in lists, trees and map values.

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

use bpfld_btf::TypeId;
use bpfld_sys::Errno;

use super::call::{Call, errno};
use crate::address::{GuestAddr, RegionId};
use crate::fault::Trap;
use crate::memory::{Region, RegionKind, Rights, Shape};

/// The most bytes of all objects together.
const MOST: usize = 1 << 24;

/// What an object counts for at least.
const SMALLEST: usize = 64;

/// The account of objects.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heap {
    /// How often each is referred to.
    references: BTreeMap<u32, u32>,
    /// Regions of objects that are gone.
    free: Vec<RegionId>,
    bytes: usize,
}

pub(crate) fn new(call: &mut Call<'_>) -> Result<u64, Trap> {
    let id = call.args[0];
    let code = call.run.image.programs.get(call.program);
    let btf = code.and_then(|code| code.btf.as_ref());
    let size = btf.and_then(|btf| {
        let id = TypeId(u32::try_from(id).ok()?);
        btf.resolve_size(id).ok()
    });
    let Some(size) = size.and_then(|size| usize::try_from(size).ok()) else {
        return Err(call.bad(1, "no type of the object"));
    };
    Ok(make(call, size, "object", Rights::ReadWrite))
}

/// An object of so many bytes; a null pointer, if there is no room.
pub(super) fn make(call: &mut Call<'_>, size: usize, name: &str, rights: Rights) -> u64 {
    call.charge(size / 64);
    let state = call.state();
    if state.heap.bytes.saturating_add(size) > MOST {
        return 0;
    }
    state.heap.bytes += size.max(SMALLEST);
    let made = Region::new(RegionKind::Host, name.into(), rights, Shape::Plain, vec![0; size]);
    let id = match state.heap.free.pop() {
        Some(id) => {
            if let Some(region) = state.memory.region_mut(id) {
                *region = made;
            }
            id
        }
        None => state.memory.add(made),
    };
    state.heap.references.insert(id.0, 1);
    GuestAddr::new(id, 0).0
}

/// The bytes of the object that begins at an address and is alive, whatever programs may do with them.
pub(super) fn bytes_mut<'c>(call: &'c mut Call<'_>, object: GuestAddr) -> Option<&'c mut [u8]> {
    let id = object.region();
    let state = call.state();
    let is_alive = object.offset() == 0 && state.heap.references.contains_key(&id.0);
    let region = state.memory.region_mut(id).filter(|_| is_alive)?;
    Some(&mut region.bytes)
}

pub(crate) fn drop(call: &mut Call<'_>) -> Result<u64, Trap> {
    release(call, call.args[0])?;
    Ok(0)
}

fn release(call: &mut Call<'_>, object: u64) -> Result<(), Trap> {
    let id = GuestAddr(object).region();
    let state = call.state();
    let Some(references) = state.heap.references.get_mut(&id.0) else {
        return Err(call.bad(1, "no object that is alive"));
    };
    *references -= 1;
    if *references > 0 {
        return Ok(());
    }
    state.heap.references.remove(&id.0);
    state.heap.free.push(id);
    if let Some(region) = state.memory.region_mut(id) {
        state.heap.bytes -= region.bytes.len().max(SMALLEST);
        *region = Region::new(
            RegionKind::Host,
            "object, which was dropped".into(),
            Rights::None,
            Shape::Plain,
            Vec::new(),
        );
    }
    Ok(())
}

pub(crate) fn acquire(call: &mut Call<'_>) -> Result<u64, Trap> {
    let object = call.args[0];
    let id = GuestAddr(object).region();
    match call.state().heap.references.get_mut(&id.0) {
        Some(references) => {
            *references = references.saturating_add(1);
            Ok(object)
        }
        None => Err(call.bad(1, "no object that is alive")),
    }
}

/// Puts a pointer into a map value, and hands out the one that was there.
pub(crate) fn exchange(call: &mut Call<'_>) -> Result<u64, Trap> {
    let [at, pointer, ..] = call.args;
    let old = call.read_u64(at)?;
    call.write_number(at, pointer, 8)?;
    Ok(old)
}

/// A doubly linked list in guest memory: a head, and nodes that say what they belong to.
struct Links {
    /// Where in a node its owner stands.
    owner: u64,
}

/// `struct bpf_list_node`: next, previous, owner.
const LIST: Links = Links { owner: 16 };
/// `struct bpf_rb_node` has a word more. A tree is kept as a list in order.
const TREE: Links = Links { owner: 24 };

impl Links {
    /// The nodes after and before; of a head that was never used, itself.
    fn ends(call: &Call<'_>, head: u64) -> Result<(u64, u64), Trap> {
        let (first, last) = (call.read_u64(head)?, call.read_u64(head.wrapping_add(8))?);
        Ok(if first == 0 { (head, head) } else { (first, last) })
    }

    fn is_free(&self, call: &Call<'_>, node: u64) -> Result<bool, Trap> {
        Ok(call.read_u64(node.wrapping_add(self.owner))? == 0)
    }

    fn insert(&self, call: &mut Call<'_>, head: u64, node: u64, before: u64) -> Result<(), Trap> {
        let (_, last) = Self::ends(call, head)?;
        let after = match before == head {
            true => last,
            false => call.read_u64(before.wrapping_add(8))?,
        };
        if call.read_u64(head)? == 0 {
            call.write_number(head, head, 8)?;
            call.write_number(head.wrapping_add(8), head, 8)?;
        }
        call.write_number(node, before, 8)?;
        call.write_number(node.wrapping_add(8), after, 8)?;
        call.write_number(node.wrapping_add(self.owner), head, 8)?;
        call.write_number(after, node, 8)?;
        call.write_number(before.wrapping_add(8), node, 8)
    }

    fn remove(&self, call: &mut Call<'_>, node: u64) -> Result<(), Trap> {
        let (next, previous) = (call.read_u64(node)?, call.read_u64(node.wrapping_add(8))?);
        call.write_number(previous, next, 8)?;
        call.write_number(next.wrapping_add(8), previous, 8)?;
        call.write_number(node, 0, 8)?;
        call.write_number(node.wrapping_add(8), 0, 8)?;
        call.write_number(node.wrapping_add(self.owner), 0, 8)
    }
}

pub(crate) fn push_front(call: &mut Call<'_>) -> Result<u64, Trap> {
    let first = Links::ends(call, call.args[0])?.0;
    push(call, first)
}

pub(crate) fn push_back(call: &mut Call<'_>) -> Result<u64, Trap> {
    let head = call.args[0];
    push(call, head)
}

fn push(call: &mut Call<'_>, before: u64) -> Result<u64, Trap> {
    let [head, node, ..] = call.args;
    if !LIST.is_free(call, node)? {
        release(call, node)?;
        return Ok(errno(Errno::EINVAL));
    }
    LIST.insert(call, head, node, before)?;
    Ok(0)
}

pub(crate) fn pop_front(call: &mut Call<'_>) -> Result<u64, Trap> {
    let (first, _) = Links::ends(call, call.args[0])?;
    pop(call, first)
}

pub(crate) fn pop_back(call: &mut Call<'_>) -> Result<u64, Trap> {
    let (_, last) = Links::ends(call, call.args[0])?;
    pop(call, last)
}

fn pop(call: &mut Call<'_>, node: u64) -> Result<u64, Trap> {
    if node == call.args[0] {
        return Ok(0);
    }
    LIST.remove(call, node)?;
    Ok(node)
}

pub(crate) fn front(call: &mut Call<'_>) -> Result<u64, Trap> {
    let head = call.args[0];
    let (first, _) = Links::ends(call, head)?;
    Ok(if first == head { 0 } else { first })
}

pub(crate) fn back(call: &mut Call<'_>) -> Result<u64, Trap> {
    let head = call.args[0];
    let (_, last) = Links::ends(call, head)?;
    Ok(if last == head { 0 } else { last })
}

pub(crate) fn tree_add(call: &mut Call<'_>) -> Result<u64, Trap> {
    let [root, node, less, ..] = call.args;
    if !TREE.is_free(call, node)? {
        release(call, node)?;
        return Ok(errno(Errno::EINVAL));
    }
    let (mut at, _) = Links::ends(call, root)?;
    while at != root && call.callback(less, [node, at, 0, 0, 0])? as u8 == 0 {
        at = call.read_u64(at)?;
    }
    TREE.insert(call, root, node, at)?;
    Ok(0)
}

pub(crate) fn tree_remove(call: &mut Call<'_>) -> Result<u64, Trap> {
    let [root, node, ..] = call.args;
    if call.read_u64(node.wrapping_add(TREE.owner))? != root {
        return Ok(0);
    }
    TREE.remove(call, node)?;
    Ok(node)
}

/// The object as it is: for casts, and for what the kernel only counts.
pub(crate) fn same(call: &mut Call<'_>) -> Result<u64, Trap> {
    Ok(call.args[0])
}
