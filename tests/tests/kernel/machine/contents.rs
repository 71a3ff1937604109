//! Maps of both engines, compared.

use bpfld::{Loaded, MapType, RingBuf};
use bpfld_object::Object;
use bpfld_vm::Vm;

/// Whether programs of an object make objects of their own, which are linked by addresses.
pub(super) fn keeps_objects(object: &Object) -> bool {
    let makes = |name: &str| name.starts_with("bpf_obj_new") || name.starts_with("bpf_refcount_acquire");
    object.externs().iter().any(|item| makes(item.essential_name()))
}

/// Whether two values are the same but for words that are addresses of the kernel's in one, and of the machine's in the
/// other. Those that the kernel keeps to itself, and links of what was never used, are zero.
fn only_addresses_differ(here: &[u8], there: &[u8]) -> bool {
    let words = |bytes: &[u8]| -> Vec<u64> { bytes.chunks(8).map(word).collect() };
    here.len() == there.len()
        && words(here).into_iter().zip(words(there)).all(|(here, there)| {
            let (ours, theirs) = (here >> 40 != 0 && here >> 56 == 0, there >> 47 == 0x1_ffff);
            here == there || (ours || here == 0) && (theirs || there == 0)
        })
}

/// Up to eight bytes as a number of this machine.
fn word(bytes: &[u8]) -> u64 {
    let mut wide = [0; 8];
    let start = if cfg!(target_endian = "big") {
        8 - bytes.len()
    } else {
        0
    };
    wide[start..start + bytes.len()].copy_from_slice(bytes);
    u64::from_ne_bytes(wide)
}

/// The first difference between the maps of both, in words.
///
/// Of objects that hold addresses of other objects, those may differ.
pub(super) fn maps_differ(loaded: &Loaded, vm: &mut Vm, objects: bool) -> Option<String> {
    for theirs in loaded.maps() {
        let name = theirs.name();
        let Ok(mut ours) = vm.map(name) else {
            return Some(format!("map {name} is not there"));
        };
        match theirs.map_type() {
            MapType::ARRAY
            | MapType::PERCPU_ARRAY
            | MapType::HASH
            | MapType::PERCPU_HASH
            | MapType::LRU_HASH
            | MapType::LRU_PERCPU_HASH
            | MapType::LPM_TRIE => {
                let mut seen = 0;
                let mut entries = theirs.entries();
                while let Ok(Some((key, value))) = entries.lend() {
                    seen += 1;
                    let here = ours.get_bytes(key).unwrap();
                    let stride = value.len() / here.len().max(1);
                    let size = ours.spec().value_size as usize;
                    let there: Vec<&[u8]> = value
                        .chunks(stride.max(1))
                        .map(|value| &value[..size.min(value.len())])
                        .collect();
                    let same = |(here, there): (&Vec<u8>, &&[u8])| {
                        here == there || (objects && only_addresses_differ(here, there))
                    };
                    if here.len() != there.len() || !here.iter().zip(&there).all(same) {
                        return Some(format!(
                            "map {name}, key {key:02x?}: kernel {there:02x?}\nours   {here:02x?}"
                        ));
                    }
                }
                if !matches!(theirs.map_type(), MapType::ARRAY | MapType::PERCPU_ARRAY) && seen != ours.len()
                {
                    return Some(format!(
                        "map {name} has {seen} keys in the kernel, {} here",
                        ours.len()
                    ));
                }
            }
            MapType::RINGBUF => {
                let mut ring = RingBuf::try_from(theirs).unwrap();
                let mut there: Vec<Vec<u8>> = Vec::new();
                while let Ok(Some(record)) = ring.read() {
                    there.push(record.to_vec());
                }
                let here = ours.take_records();
                if here != there {
                    return Some(format!(
                        "ring buffer {name}: kernel {there:02x?}\nours   {here:02x?}"
                    ));
                }
            }
            _ => {}
        }
    }
    None
}
