//! Keys and values by what the BTF of a map says of them.

use bpfld::btf::Style;
use bpfld::{ElemFlags, Loader, Object};
use bpfld_tests::{Need, require};

#[test]
fn elements_are_read_and_written_as_text() {
    require!(Need::Root, Need::Linux(4, 18));
    let text = ".map typed hash key=i32 value=u64 max_entries=4\n.map bare hash key=4 value=8 max_entries=4\n\
                .section socket\nmain: r0 = 0\nexit\n";
    let object = Object::parse(text.as_bytes()).unwrap();
    let loaded = Loader::new().load(&object).unwrap();
    let map = loaded.map("typed").unwrap();
    let types = map.types().unwrap().unwrap();
    let (key, value) = (
        types.encode_key("-7").unwrap(),
        types.encode_value("0x10").unwrap(),
    );
    assert_eq!(key, (-7i32).to_ne_bytes());
    assert_eq!(value, 16u64.to_ne_bytes());
    map.update(&key, &value, ElemFlags::empty()).unwrap();
    let (key, value) = map.entries().next().unwrap().unwrap();
    assert_eq!(types.render_key(&key, &Style::text()).unwrap(), "-7");
    assert_eq!(types.render_value(&value, &Style::text()).unwrap(), "16");
    types.encode_key("seven").unwrap_err();
    types.render_key(&key[..3], &Style::text()).unwrap_err();

    if let Some(types) = loaded.map("bare").unwrap().types().unwrap() {
        assert_eq!((types.key(), types.value()), (None, None));
        types.encode_value("1").unwrap_err();
        types.render_key(&key, &Style::text()).unwrap_err();
    }
}
