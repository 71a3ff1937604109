//! Instructions: from bytes to typed ones and back, to text and back. All figures are for a thousand instructions.

use std::hint::black_box;

use anyhow::{Context as _, Result, bail, ensure};
use bpfld_insn::{Endian, Insn, Slot, assemble, decode, encode, print, slots_from_bytes};

use crate::report;

/// Instructions of the object that are taken.
const COUNT: usize = 1000;

pub fn run(case: &str, implementation: &str, object: &[u8]) -> Result<()> {
    let bytes = code(object)?;
    let slots: Vec<Slot> = slots_from_bytes(&bytes, Endian::Little).0.collect();
    let insns: Vec<Insn> = decode(&slots).map(|(_, insn)| insn).collect::<Result<_, _>>()?;
    let text = print(&slots).to_string();
    match (case, implementation) {
        ("decode", "bpfld") => report(|| {
            for (_, insn) in decode(&slots) {
                let _ = black_box(insn);
            }
            Ok(())
        }),
        ("encode", "bpfld") => report(|| Ok(encode(insns.iter().copied()))),
        ("decode" | "encode", "copy") => report(|| {
            let mut copy = Vec::with_capacity(slots.len());
            for slot in &slots {
                copy.push(*black_box(slot));
            }
            Ok(copy)
        }),
        ("print", "bpfld") => report(|| Ok(print(&slots).to_string())),
        ("print", "rbpf") => report(|| Ok(rbpf::disassembler::to_insn_vec(&bytes))),
        ("assemble", "bpfld") => report(|| Ok(assemble(&text)?)),
        (_, other) => bail!("{other} does not {case}"),
    }
}

/// The bytes of so many instructions: the executable sections of the object, one behind the other.
fn code(object: &[u8]) -> Result<Vec<u8>> {
    let object = bpfld::Object::parse(object.to_vec())?;
    let mut slots: Vec<Slot> = Vec::new();
    for function in object.functions() {
        slots.extend(object.insns(function));
    }
    let end = decode(&slots).nth(COUNT).context("the object is too small")?.0;
    slots.truncate(end);
    ensure!(
        decode(&slots).all(|(_, insn)| insn.is_ok()),
        "the object does not decode"
    );
    Ok(slots
        .iter()
        .flat_map(|slot| slot.to_bytes(Endian::Little))
        .collect())
}
