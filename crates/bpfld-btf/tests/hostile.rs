//! Damaged BTF: whatever the bytes, an answer or an error.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::sync::Arc;

use bpfld_btf::{Btf, Builder, Endian};
use proptest::prelude::*;

/// Reads and asks for everything there is.
fn poke(bytes: Vec<u8>) {
    let Ok(btf) = Btf::parse(bytes) else { return };
    common::exercise(&btf);
    let _ = Builder::new().append(&btf);
    let btf = Arc::new(btf);
    let mut split = Builder::split(btf.clone());
    split.typedef("outer", btf.first_id()).unwrap();
    if let Ok(split) = split.finish() {
        common::exercise(&split);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn bytes_changed(
        big in any::<bool>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let endian = if big { Endian::Big } else { Endian::Little };
        let mut bytes = common::every_kind().with_layout().to_bytes_in(endian);
        for (at, value) in edits {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        poke(bytes);
    }

    #[test]
    fn words_changed(
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0u32..40), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = common::every_kind().to_bytes();
        let words = bytes.len() / 4;
        for (at, value) in edits {
            let at = at.index(words) * 4;
            bytes[at..at + 4].copy_from_slice(&value.to_ne_bytes());
        }
        poke(bytes.clone());
        bytes.truncate(cut.index(bytes.len()));
        poke(bytes);
    }

    #[test]
    fn noise(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        let mut headed = common::every_kind().to_bytes();
        headed.truncate(24);
        headed.extend(bytes);
        poke(headed);
    }
}
