//! Loading BTF, and reading it back.

use bpfld_btf::{
    Btf, BtfFeature, BtfFeatures, Builder, Draft, Endian, Field, IntEncoding, Kind, Linkage, SectionEntry,
    Sign,
};
use bpfld_sys::{
    BTF_NAME_ROOM, BtfLoad, Errno, Log, MapType, ProgramType, btf_data, btf_get_fd_by_id, btf_get_next_id,
    btf_info, btf_load, btf_name,
};
use bpfld_tests::{Need, require};

use super::{map, program};

/// One integer type.
fn int() -> Vec<u8> {
    let mut builder = Builder::new();
    builder.int("int", 4, IntEncoding::SIGNED).unwrap();
    builder.to_bytes_in(Endian::NATIVE)
}

#[test]
fn loads_and_comes_back() {
    require!(Need::Root, Need::Linux(5, 11));
    let bytes = int();
    let btf = btf_load(&BtfLoad::new(&bytes), None).unwrap();
    let info = btf_info(&btf).unwrap();
    assert_eq!((info.btf_size as usize, info.kernel_btf), (bytes.len(), 0));
    let mut back = vec![0xff; bytes.len() + 8];
    assert_eq!(btf_data(&btf, &mut back).unwrap() as usize, bytes.len());
    assert_eq!(back[..bytes.len()], bytes);
    assert_eq!(back[bytes.len()..], [0xff; 8]);
    let mut room = [0; BTF_NAME_ROOM];
    assert_eq!(btf_name(&btf, &mut room).unwrap(), c"");
    assert_eq!(
        btf_info(btf_get_fd_by_id(info.id, None).unwrap()).unwrap().id,
        info.id
    );
}

/// Types of all kinds, as compilers combine them.
fn every_kind() -> Result<Builder, bpfld_btf::Error> {
    let mut b = Builder::new();
    let int = b.int("int", 4, IntEncoding::SIGNED)?;
    let size = b.int("unsigned long", 8, IntEncoding::UNSIGNED)?;
    let double = b.float("double", 8)?;
    let array = b.array(int, size, 4)?;
    let hidden = b.forward("hidden", Kind::STRUCT)?;
    let constant = b.constant(hidden)?;
    let volatile = b.volatile(constant)?;
    let tag = b.type_tag("user", volatile)?;
    let pointer = b.pointer(tag)?;
    let restrict = b.restrict(pointer)?;
    let union = b.union(
        "either",
        8,
        &[Field::new("d", double, 0), Field::new("n", size, 0)],
    )?;
    let color = b.enumeration("color", 4, Sign::Signed, &[("RED", -1), ("GREEN", 2)])?;
    let wide = b.enumeration64("wide", 8, Sign::Unsigned, &[("BIG", u64::MAX.into())])?;
    let fields = [
        Field::new("a", array, 0),
        Field::new("p", restrict, 16),
        Field::new("u", union, 24),
        Field::new("w", wide, 32),
        Field::bits("low", int, 320, 3),
        Field::bits("high", int, 323, 29),
        Field::new("c", color, 44),
    ];
    let whole = b.structure("whole", 48, &fields)?;
    let whole = b.typedef("whole_t", whole)?;
    let to_whole = b.pointer(whole)?;
    let prototype = b.prototype(int, &[("it", to_whole), ("n", size)])?;
    let function = b.function("count", Linkage::STATIC, prototype)?;
    let state = b.variable("state", whole, Linkage::GLOBAL)?;
    let entry = SectionEntry {
        type_id: state,
        offset: 0,
        size: 48,
    };
    b.section(".data", 48, &[entry])?;
    b.decl_tag("of_argument", function, Some(1))?;
    b.decl_tag("of_function", function, None)?;
    Ok(b)
}

#[test]
fn every_kind_that_is_built_is_accepted() {
    require!(Need::Root, Need::Linux(6, 0));
    let builder = every_kind().unwrap();
    let btf = builder.finish().unwrap();
    for kind in Kind::ALL.iter().filter(|kind| **kind != Kind::VOID) {
        assert!(btf.types().any(|ty| ty.kind() == *kind), "no {kind}");
    }
    // As it is, merged, in the order of names, and twice.
    let sorted = builder.permute(&builder.ids_by_name()).unwrap();
    let mut twice = builder.clone();
    twice.append(&btf).unwrap();
    let merged = twice.dedup().unwrap().builder;
    for built in [builder, sorted, twice, merged] {
        let bytes = built.to_bytes_in(Endian::NATIVE);
        let mut buffer = [0; 8192];
        let mut log = Log::new(1, &mut buffer);
        if let Err(error) = btf_load(&BtfLoad::new(&bytes), Some(&mut log)) {
            panic!("{error}: {}", String::from_utf8_lossy(log.text()));
        }
    }
}

#[test]
fn what_is_rewritten_for_old_kernels_is_accepted() {
    require!(Need::Root, Need::Linux(6, 0));
    let btf: Btf = every_kind().unwrap().finish().unwrap();
    // From a kernel that has nothing to one of 6.0: they came one after the other.
    for known in 0..=7 {
        let features: BtfFeatures = BtfFeature::ALL.into_iter().take(known).collect();
        let mut draft = Draft::new(&btf).unwrap();
        draft.downgrade(features).unwrap();
        let bytes = draft.to_bytes_in(Endian::NATIVE);
        let mut buffer = [0; 8192];
        let mut log = Log::new(1, &mut buffer);
        if let Err(error) = btf_load(&BtfLoad::new(&bytes), Some(&mut log)) {
            panic!("{features:?}: {error}: {}", String::from_utf8_lossy(log.text()));
        }
    }
}

#[test]
fn a_log_of_why_it_is_refused() {
    require!(Need::Root, Need::Linux(4, 18));
    let mut bytes = int();
    // The integer's encoding.
    *bytes.get_mut(24 + 15).unwrap() = 0xff;
    let mut buffer = [0; 4096];
    let mut log = Log::new(1, &mut buffer);
    assert_eq!(
        btf_load(&BtfLoad::new(&bytes), Some(&mut log))
            .unwrap_err()
            .errno(),
        Errno::EINVAL
    );
    assert!(!log.text().is_empty());
}

#[test]
fn the_kernel_has_a_name() {
    require!(
        Need::Root,
        Need::Linux(5, 11),
        Need::Config("CONFIG_DEBUG_INFO_BTF")
    );
    let first = btf_get_next_id(0).unwrap().unwrap();
    let btf = btf_get_fd_by_id(first, None).unwrap();
    let mut room = [0; BTF_NAME_ROOM];
    assert_eq!(btf_name(&btf, &mut room).unwrap(), c"vmlinux");
    assert_eq!(btf_info(&btf).unwrap().kernel_btf, 1);
}

#[test]
fn other_objects_do_no_harm() {
    require!(Need::Root, Need::Linux(5, 11));
    let (map, program) = (map(MapType::ARRAY, 4, 4, 1), program(ProgramType::XDP, 2));
    let (mut room, mut data) = ([0; BTF_NAME_ROOM], [0xff; 256]);
    let _ = btf_name(&map, &mut room);
    let _ = btf_name(&program, &mut room);
    let _ = btf_data(&map, &mut data);
    let _ = btf_data(&program, &mut data);
    assert_eq!(data, [0xff; 256]);
}
