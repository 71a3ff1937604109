//! Functions of modules: called by the descriptor of the module's types.

use std::path::Path;

use bpfld::{Loader, Object};
use bpfld_features::{Config, ConfigValue};
use bpfld_tests::{Need, require, skip};

/// Looks for a connection that nobody has; returns the error that the function leaves.
const LOOKUP: &str = r#"
    .license "GPL"
    .kfunc bpf_xdp_ct_lookup, "struct nf_conn *(struct xdp_md *, struct bpf_sock_tuple *, u32, struct bpf_ct_opts *, u32)"
    .kfunc bpf_ct_release, "void (struct nf_conn *)"
    .section xdp
lookup:
    *(u64 *)(r10 - 16) = 0
    *(u64 *)(r10 - 8) = 0
    *(u64 *)(r10 - 32) = 0
    *(u64 *)(r10 - 24) = 0
    *(u32 *)(r10 - 32) = -1
    *(u8 *)(r10 - 24) = 17
    r2 = r10
    r2 += -16
    r3 = 12
    r4 = r10
    r4 += -32
    r5 = 12
    call bpf_xdp_ct_lookup
    if r0 == 0 goto none
    r1 = r0
    call bpf_ct_release
    r0 = 0
    exit
none:
    r0 = *(u32 *)(r10 - 28)
    exit
"#;

#[test]
fn functions_of_modules_are_found_and_let_go() {
    require!(
        Need::Root,
        Need::Linux(5, 18),
        Need::Config("CONFIG_BPF_JIT"),
        Need::Config("CONFIG_NF_CONNTRACK"),
        Need::Config("CONFIG_DEBUG_INFO_BTF")
    );
    let is_module = Config::current().and_then(|config| config.get("CONFIG_NF_CONNTRACK"));
    if is_module == Some(ConfigValue::Module) && !Path::new("/sys/kernel/btf/nf_conntrack").exists() {
        return skip(
            "kernel::kfuncs::functions_of_modules_are_found_and_let_go",
            "the module is not inserted, or has no types",
        );
    }
    let object = Object::parse(LOOKUP.as_bytes()).unwrap_or_else(|error| panic!("{error:#}"));
    for _ in 0..2 {
        let loaded = Loader::new()
            .load(&object)
            .unwrap_or_else(|error| panic!("{error:#}"));
        let outcome = loaded
            .program("lookup")
            .unwrap()
            .test_run()
            .data(&[0; 64])
            .run()
            .unwrap();
        assert_eq!(outcome.return_value as i32, -2, "no such connection");
    }
}
