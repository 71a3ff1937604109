//! Contexts of the userspace machine, held against the types of the running kernel.

use std::collections::BTreeMap;

use bpfld::KernelBtf;
use bpfld_btf::{Btf, Kind, TypeId};
use bpfld_tests::{Need, require};
use bpfld_vm::{ProgramType, Structure};

/// Offset and size of all members in bytes, those of unions without a name among them.
fn members(btf: &Btf, id: TypeId, base: u32, out: &mut BTreeMap<String, (usize, usize)>) {
    for member in btf.resolve(id).unwrap().members() {
        let at = base + member.bit_offset / 8;
        match member.name().unwrap() {
            "" => members(btf, member.type_id, at, out),
            name => {
                let size = btf.resolve_size(member.type_id).unwrap();
                out.insert(name.to_owned(), (at as usize, size as usize));
            }
        }
    }
}

#[test]
fn fields_are_where_the_kernel_has_them() {
    // the last field of them all, `skb_hwtstamp`
    require!(Need::Linux(6, 2), Need::Config("CONFIG_DEBUG_INFO_BTF"));
    let kernel = KernelBtf::shared().unwrap();
    let btf = kernel.vmlinux();
    let kinds = [
        ProgramType::CGROUP_SOCK_ADDR,
        ProgramType::CGROUP_SOCK,
        ProgramType::CGROUP_SOCKOPT,
        ProgramType::CGROUP_SYSCTL,
        ProgramType::CGROUP_DEVICE,
        ProgramType::SK_MSG,
        ProgramType::SK_LOOKUP,
        ProgramType::SK_REUSEPORT,
        ProgramType::SOCK_OPS,
    ];
    for kind in kinds {
        let ours = Structure::new(kind).unwrap();
        let id = btf.find(ours.name(), Kind::STRUCT).unwrap();
        let mut theirs = BTreeMap::new();
        members(btf, id, 0, &mut theirs);
        for (name, offset, size) in ours.fields() {
            assert_eq!(
                theirs.get(name),
                Some(&(offset, size)),
                "{name} of {}",
                ours.name()
            );
        }
    }
}
