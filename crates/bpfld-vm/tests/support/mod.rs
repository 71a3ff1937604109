//! Machines from texts.

use bpfld_insn::Endian;
use bpfld_object::ObjectAssembler;
use bpfld_vm::{Object, Vm};

/// A machine with the object that a text describes; of one order of bytes on all hosts, as the numbers in the texts are.
pub(crate) fn assembled(text: &str) -> Vm {
    let text = format!(".license \"GPL\"\n{text}");
    let assembler = ObjectAssembler::new().endian(Endian::Little);
    let object = Object::parse(assembler.assemble(&text).unwrap().bytes).unwrap();
    Vm::load(&object).unwrap()
}
