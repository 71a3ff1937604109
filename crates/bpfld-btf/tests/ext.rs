//! BTF.ext: three tables, both byte orders, long records, damage.

#![allow(clippy::unwrap_used, reason = "tests")]

use bpfld_btf::{BtfExt, CoreKind, Endian, ErrorKind, FuncInfo, TypeId};
use proptest::prelude::*;

/// A header and three tables, of which func_info has records of 12 bytes.
fn sample(endian: Endian) -> Vec<u8> {
    let func: &[u32] = &[12, 1, 2, 0, 5, 0xaa, 8, 6, 0xbb];
    let line: &[u32] = &[16, 1, 1, 0, 3, 4, (7 << 10) | 9];
    let core: &[u32] = &[16, 1, 1, 16, 9, 33, 2];
    let mut words = vec![32, 0];
    words[1] = 0;
    let lens = [func, line, core].map(|table| table.len() as u32 * 4);
    words.extend([lens[0], lens[0], lens[1], lens[0] + lens[1], lens[2]]);
    words.extend([func, line, core].concat());
    let mut bytes = vec![0x9f, 0xeb, 1, 0];
    if endian == Endian::Big {
        bytes = vec![0xeb, 0x9f, 1, 0];
    }
    for word in words {
        match endian {
            Endian::Little => bytes.extend(word.to_le_bytes()),
            Endian::Big => bytes.extend(word.to_be_bytes()),
        }
    }
    bytes
}

#[test]
fn three_tables_in_both_byte_orders() {
    for endian in [Endian::Little, Endian::Big] {
        let ext = BtfExt::parse(sample(endian)).unwrap();
        assert_eq!(ext.endian(), endian);
        let funcs = ext.func_info();
        assert_eq!(funcs.record_size(), 12);
        let section = funcs.sections().next().unwrap();
        assert_eq!((section.len(), section.name_offset()), (2, 1));
        let records: Vec<FuncInfo> = section.records().collect();
        assert_eq!(
            records[1],
            FuncInfo {
                insn_offset: 8,
                type_id: TypeId(6)
            }
        );
        assert_eq!(section.words(1).collect::<Vec<_>>(), [8, 6, 0xbb]);
        assert_eq!(section.words(2).count(), 0);
        let line = ext
            .line_info()
            .sections()
            .next()
            .unwrap()
            .records()
            .next()
            .unwrap();
        assert_eq!((line.file, line.text, line.line(), line.column()), (3, 4, 7, 9));
        let core = ext
            .core_relos()
            .sections()
            .next()
            .unwrap()
            .records()
            .next()
            .unwrap();
        assert_eq!((core.insn_offset, core.type_id, core.access), (16, TypeId(9), 33));
        assert_eq!(core.kind, CoreKind::FIELD_EXISTS);
    }
}

#[test]
fn short_header_has_no_core_relocations() {
    let mut bytes = sample(Endian::Little);
    bytes.drain(24..32);
    bytes[4] = 24;
    let ext = BtfExt::parse(bytes).unwrap();
    assert!(ext.core_relos().is_empty());
    assert!(!ext.func_info().is_empty());
}

#[test]
fn record_sizes_are_checked() {
    for size in [0, 4, 7, 10, u32::MAX] {
        let mut bytes = sample(Endian::Little);
        bytes[32..36].copy_from_slice(&size.to_le_bytes());
        let error = BtfExt::parse(bytes).unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::RecordSize(_) | ErrorKind::Truncated(_)),
            "{error}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn damaged(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        len in any::<prop::sample::Index>(),
    ) {
        let mut bytes = sample(Endian::Little);
        for (at, value) in edits {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let cut = bytes[..len.index(bytes.len())].to_vec();
        for bytes in [bytes, cut] {
            let Ok(ext) = BtfExt::parse(bytes) else { continue };
            let _ = format!("{:?} {:?} {:?}", ext.func_info(), ext.line_info(), ext.core_relos());
        }
    }
}
