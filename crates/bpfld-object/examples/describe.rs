//! Describes object files: their programs, maps, externs and variables.
//!
//! `cargo run -p bpfld-object --example describe FILE…`

#![expect(clippy::print_stdout, reason = "a program for the terminal")]

use std::process::ExitCode;

use bpfld_object::{Error, Object};

fn main() -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for path in std::env::args_os().skip(1) {
        println!("{}", path.display());
        if let Err(error) = Object::open(&path).and_then(|object| describe(&object)) {
            println!("  error: {error}");
            code = ExitCode::FAILURE;
        }
    }
    code
}

fn describe(object: &Object) -> Result<(), Error> {
    for program in object.programs() {
        let kind = program
            .spec
            .as_ref()
            .map_or("of no known type".into(), |spec| spec.program_type.to_string());
        match object.link(program) {
            Ok(linked) => println!(
                "  program {} in {}: {kind}, {} functions, {} instructions, {} references, {} source lines",
                program.name,
                program.section,
                linked.functions.len(),
                linked.insns.len(),
                linked.relocations.len(),
                linked.line_info.len()
            ),
            Err(error) => println!("  program {}: error: {error}", program.name),
        }
    }
    for map in object.maps() {
        println!(
            "  map {} ({}): {}, key {}, value {}, entries {}, flags {}",
            map.name, map.kernel_name, map.map_type, map.key_size, map.value_size, map.max_entries, map.flags
        );
    }
    for item in object.externs() {
        println!("  {item}{}", if item.weak { ", weak" } else { "" });
    }
    for variable in object.variables() {
        let map = object
            .maps()
            .get(variable.map.index())
            .map_or("?", |map| &map.name);
        println!(
            "  variable {} at {map}+{}, {} bytes",
            variable.name, variable.offset, variable.size
        );
    }
    Ok(())
}
