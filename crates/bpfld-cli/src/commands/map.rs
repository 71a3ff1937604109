//! `bpfld map`: the maps of the running kernel, and what is in them.

mod create;
mod elements;
mod list;
mod watch;

use std::path::PathBuf;

use anyhow::Result;
use clap::Subcommand;

use crate::exit::ExitStatus;
use crate::output::{Format, Output};
use crate::select::{HELP, Selector};

/// List, read, change, make and watch maps of the running kernel
///
/// Keys and values are read and shown by their types where the map has them: `{port: 53, address: [127, 0, 0, 1]}`. Without
/// types they are shown as bytes, `hex:3500`, and taken so again; up to 16 bytes may be given as one number instead. Digits without
/// `hex:` are bytes only if they are no number.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// All maps of the system, with the processes that hold them
    List {
        /// A table, or one JSON object a map
        #[arg(long, value_enum, default_value_t)]
        output: Format,
    },
    /// One map
    Show {
        #[arg(help = HELP)]
        map: Selector,
        /// A table, or a JSON object
        #[arg(long, value_enum, default_value_t)]
        output: Format,
    },
    /// All elements of a map
    Dump {
        #[arg(help = HELP)]
        map: Selector,
        /// One line, or one JSON object an element
        #[arg(long, value_enum, default_value_t)]
        output: Format,
    },
    /// The value of a key, exit status 1 if there is no such key; of a queue or stack the next value, which stays
    Get {
        #[arg(help = HELP)]
        map: Selector,
        /// By its type, a number, or hexadecimal digits; `-` of queues and stacks, which have no keys
        #[arg(allow_negative_numbers = true)]
        key: String,
        /// A line, or a JSON object
        #[arg(long, value_enum, default_value_t)]
        output: Format,
    },
    /// Set the value of a key, of per-CPU maps for all CPUs alike
    Set(elements::Set),
    /// Remove a key; exit status 1 if there is no such key
    Delete {
        #[arg(help = HELP)]
        map: Selector,
        /// By its type, a number, or hexadecimal digits
        #[arg(allow_negative_numbers = true)]
        key: String,
    },
    /// Make a map and pin it
    Create(create::Create),
    /// Pin a map
    Pin {
        #[arg(help = HELP)]
        map: Selector,
        /// Where, in a BPF file system
        path: PathBuf,
    },
    /// Show records of a ring buffer or perf event array as they come, of other maps the elements that change
    Watch(watch::Watch),
}

/// Do what was asked for.
pub(crate) fn run(args: &Args, output: &mut Output) -> Result<ExitStatus> {
    match &args.action {
        Action::List { output: format } => list::all(*format, output),
        Action::Show { map, output: format } => list::one(&map.map()?, *format, output),
        Action::Dump { map, output: format } => elements::dump(map.map()?, *format, output),
        Action::Get {
            map,
            key,
            output: format,
        } => elements::get(map.map()?, key, *format, output),
        Action::Set(set) => elements::set(set),
        Action::Delete { map, key } => elements::delete(map.map()?, key),
        Action::Create(create) => create::create(create),
        Action::Pin { map, path } => {
            map.map()?.pin(path)?;
            Ok(ExitStatus::Ok)
        }
        Action::Watch(watch) => watch::watch(watch, output),
    }
}
