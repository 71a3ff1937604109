//! CO-RE relocations against the types of a made-up kernel.

use std::{fmt::Write as _, sync::Arc};

use bpfld_btf::{Btf, BtfExt, Resolver, Targets};
use bpfld_tests::{expect_file, fixture_of};
use goblin::elf::Elf;

fn section(name: &str, big_endian: bool, wanted: &str) -> Vec<u8> {
    let bytes = std::fs::read(fixture_of(name, big_endian)).unwrap();
    let elf = Elf::parse(&bytes).unwrap();
    let found = elf
        .section_headers
        .iter()
        .find(|header| elf.shdr_strtab.get_at(header.sh_name) == Some(wanted));
    bytes[found.unwrap().file_range().unwrap()].to_vec()
}

/// One line for each relocation: where, what, and what to put there.
fn resolve(name: &str, big_endian: bool) -> String {
    let kernel = Btf::parse(section("made_up_kernel", big_endian, ".BTF")).unwrap();
    let targets = Targets::new(Arc::new(kernel));
    let btf = Btf::parse(section(name, big_endian, ".BTF")).unwrap();
    let ext = BtfExt::parse(section(name, big_endian, ".BTF.ext")).unwrap();
    let (mut text, mut resolver) = (String::new(), Resolver::new(&btf, &targets));
    for section in ext.core_relos().sections() {
        writeln!(text, "{}", section.name(&btf).unwrap()).unwrap();
        for relocation in section.records() {
            write!(text, "  {:4} ", relocation.insn_offset / 8).unwrap();
            match resolver.resolve(&relocation) {
                Ok(resolution) => writeln!(text, "{resolution}").unwrap(),
                Err(error) => writeln!(text, "error: {error}").unwrap(),
            }
        }
    }
    text
}

#[track_caller]
fn check(name: &str) {
    expect_file(&format!("{name}.core.txt"), &resolve(name, false));
    expect_file(&format!("{name}.eb.core.txt"), &resolve(name, true));
}

#[test]
fn fields() {
    check("core_fields");
}

#[test]
fn types_and_enumerators() {
    check("core_types");
}

#[test]
fn fields_that_no_kernel_has() {
    check("core_impossible");
}
