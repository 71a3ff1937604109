//! Iterators: programs that print what the kernel has, one after the other.

use std::io::Read as _;

use bpfld::{AttachType, Iter, IterTarget, LinkDetails, ProgFlags, Program, ProgramType, btf::Kind};
use bpfld_insn::Slot;
use bpfld_tests::{Need, require};

use crate::{
    counter::{call, exit, mov, mov_reg},
    probes::{kernel_btf, unsupported},
};

/// A program that prints the address of each object as eight bytes: the last call, without an object, prints nothing.
fn printer(target: &str, object: i16) -> Iter {
    const SEQ_WRITE: i32 = 127;
    let code = [
        Slot::new(0x79, 2, 1, object, 0), // r2 = context->object
        Slot::new(0x15, 2, 0, 9, 0),      // if r2 == 0 goto the end
        Slot::new(0x79, 1, 1, 0, 0),      // r1 = context->meta
        Slot::new(0x79, 1, 1, 0, 0),      // r1 = meta->seq
        Slot::new(0x7a, 10, 0, -8, 7),    // *(u64 *)(r10 - 8) = 7
        mov_reg(2, 10),
        Slot::new(0x07, 2, 0, 0, -8),
        mov(3, 8),
        call(SEQ_WRITE),
        mov(0, 0),
        exit(),
        mov(0, 0),
        exit(),
    ];
    let target = kernel_btf()
        .find(&format!("bpf_iter_{target}"), Kind::FUNC)
        .unwrap();
    let program = Program::builder(ProgramType::TRACING, "printer", &code)
        .attach_type(AttachType::TRACE_ITER)
        .attach_btf_id(target)
        .flags(ProgFlags::empty())
        .load();
    program
        .unwrap_or_else(|error| panic!("{error:#}"))
        .try_into()
        .unwrap()
}

#[test]
fn iterators() {
    require!(Need::Root);
    let tasks = printer("task", 8);
    let link = tasks.attach().unwrap();
    let mut all = Vec::new();
    link.reader().unwrap().read_to_end(&mut all).unwrap();
    assert!(all.len() > 8 && all.chunks(8).all(|number| number == 7u64.to_ne_bytes()));
    // Each reader starts anew, and the link alone does too.
    let mut again = Vec::new();
    link.into_link()
        .iter_reader()
        .unwrap()
        .read_to_end(&mut again)
        .unwrap();
    assert!(!again.is_empty());

    match tasks.attach_to(IterTarget::Thread(std::process::id())) {
        Ok(link) => {
            let mut one = Vec::new();
            link.reader().unwrap().read_to_end(&mut one).unwrap();
            assert_eq!(one.len(), 8);
            assert_eq!(link.link().info().unwrap().name(), Some("task"));
        }
        // Kernels that would go over all instead.
        Err(error) => unsupported(&error, "6.1"),
    }

    let elements = printer("bpf_map_elem", 16);
    elements.attach().unwrap_err();
    let map = bpfld::Hash::<u32, u32>::create("walked", 10).unwrap();
    map.insert(&1, &1).unwrap();
    map.insert(&2, &2).unwrap();
    let link = elements.attach_to(IterTarget::Map(map.map())).unwrap();
    let mut two = Vec::new();
    link.reader().unwrap().read_to_end(&mut two).unwrap();
    assert_eq!(two.len(), 16);
    let info = link.link().info().unwrap();
    let id = map.map().info().unwrap().id();
    assert!(
        matches!(info.details(), LinkDetails::Iter(walk, ..) if walk.map_id == id),
        "{info:?}"
    );
}
