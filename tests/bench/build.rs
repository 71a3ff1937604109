//! Compiles what uses libxdp, which has half of its functions in a header.

fn main() {
    println!("cargo:rerun-if-changed=src/xsk.c");
    cc::Build::new()
        .file("src/xsk.c")
        .opt_level(3)
        .warnings(false)
        .compile("xsk_peer");
    println!("cargo:rustc-link-lib=dylib=xdp");
}
