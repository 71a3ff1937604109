//! What small files may not ask for: memory and time without end.

#![cfg(feature = "asm")]
#![expect(clippy::unwrap_used, reason = "a failed assumption is a failed test")]

use bpfld_object::{ErrorKind, Object};
use object::write::{Object as File, SectionId, Symbol, SymbolSection};
use object::{Architecture, BinaryFormat, Endianness, SectionKind, SymbolFlags, SymbolKind, SymbolScope};

const EXIT: [u8; 8] = [0x95, 0, 0, 0, 0, 0, 0, 0];

#[track_caller]
fn check_refused(bytes: Vec<u8>, expected: &str) {
    let error = Object::parse(bytes).unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (ErrorKind::Limit, expected)
    );
}

fn file() -> File<'static> {
    File::new(BinaryFormat::Elf, Architecture::Bpf, Endianness::Little)
}

fn symbol(name: &str, section: SectionId, at: usize, size: usize, kind: SymbolKind) -> Symbol {
    Symbol {
        name: name.into(),
        value: at as u64,
        size: size as u64,
        kind,
        scope: SymbolScope::Compilation,
        weak: false,
        section: SymbolSection::Section(section),
        flags: SymbolFlags::None,
    }
}

/// So many maps, defined as before BTF.
fn legacy_maps(count: usize, bytes_of_each: usize) -> Vec<u8> {
    let mut file = file();
    let maps = file.add_section(Vec::new(), b"maps".to_vec(), SectionKind::Data);
    file.set_section_data(maps, vec![1; count * bytes_of_each], 4);
    for number in 0..count {
        let at = number * bytes_of_each;
        file.add_symbol(symbol("map", maps, at, bytes_of_each, SymbolKind::Data));
    }
    file.write().unwrap()
}

#[test]
fn configuration_values() {
    let text = |bytes: u32| {
        format!(".section xdp\nmain: r0 = 2\nexit\n.kconfig CONFIG_TEXT, \"char[{bytes}]\"").into_bytes()
    };
    Object::parse(text(1 << 20)).unwrap();
    for bytes in [(1 << 20) + 1, u32::MAX] {
        check_refused(
            text(bytes),
            "symbol \"CONFIG_TEXT\": configuration values exceed 1 MiB",
        );
    }
}

#[test]
fn maps_from_before_btf() {
    assert_eq!(
        Object::parse(legacy_maps(1 << 16, 16)).unwrap().maps().len(),
        1 << 16
    );
    check_refused(legacy_maps((1 << 16) + 1, 16), "section \"maps\": too many maps");
    Object::parse(legacy_maps(2, 512)).unwrap();
    let error = Object::parse(legacy_maps(2, 516)).unwrap_err();
    assert!(error.to_string().ends_with("longer than any loader's"), "{error}");
}

#[test]
fn functions_of_one_name() {
    const COUNT: usize = 50_000;
    let mut file = file();
    let text = file.add_section(Vec::new(), b".text".to_vec(), SectionKind::Text);
    file.set_section_data(text, EXIT.repeat(COUNT), 8);
    for number in 0..COUNT {
        file.add_symbol(symbol("same", text, number * 8, 8, SymbolKind::Text));
    }
    let object = Object::parse(file.write().unwrap()).unwrap();
    let printed = object.to_assembly().to_string();
    assert!(printed.contains("\nsame:") && printed.contains(&format!("\nsame.{}:", COUNT - 1)));
}
