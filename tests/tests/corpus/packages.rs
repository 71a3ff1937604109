//! Each crate is a package by itself: who has only that must find what it is for, and the licences.

use std::fs;
use std::path::Path;

#[test]
fn each_package_has_a_readme_and_the_licences() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text =
        |path: &Path| fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut count = 0;
    for package in fs::read_dir(root.join("crates")).unwrap() {
        let package = package.unwrap();
        let name = package.file_name().into_string().unwrap();
        let folder = package.path();
        let readme = text(&folder.join("README.md"));
        assert!(readme.starts_with(&format!("# {name}\n")), "{name}: {readme}");
        // links within the repository lead nowhere from a page of a registry
        for link in readme.split("](").skip(1) {
            assert!(link.starts_with("https://"), "{name}: {link}");
        }
        for licence in ["LICENSE-MIT", "LICENSE-APACHE"] {
            assert_eq!(text(&folder.join(licence)), text(&root.join(licence)), "{name}");
        }
        assert!(
            text(&folder.join("Cargo.toml")).contains("\ndescription = \""),
            "{name}"
        );
        count += 1;
    }
    assert!(count > 10, "{count}");
}
