//! Guests as users of the library have them. They run static programs, of which this file is one; so these tests do something
//! only when it is linked so: `cargo xtask vm-test --guests`.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "these are tests")]

use std::{fs, path::Path, time::Duration};

use bpfld_guest::{Accel, Arch, Cache, Ending, Guest, Kernel, MODULES, Outcome, Program, Status};

/// What this file shall do when it is a program in a guest.
const DO: &str = "BPFLD_GUEST_TEST_DO";
const INIT: &str = env!("CARGO_BIN_EXE_bpfld-guest");
const HERE: &str = "/tests";

/// A kernel, or nothing if this cannot be a program in a guest.
fn kernel() -> Option<(Cache, Kernel)> {
    if !cfg!(target_feature = "crt-static") {
        eprintln!("skipped: not linked statically");
        return None;
    }
    let cache = Cache::of_user().unwrap();
    let kernel = cache
        .fetch("6.12".parse().unwrap(), Arch::host().unwrap(), MODULES)
        .unwrap_or_else(|error| panic!("{error}"));
    Some((cache, kernel))
}

fn guest(kernel: &Kernel) -> Guest {
    let mut guest = Guest::new(kernel, INIT).unwrap();
    guest
        .files()
        .copy(std::env::current_exe().unwrap(), HERE)
        .unwrap();
    guest.accel(Accel::Emulation).boot_limit(Duration::from_secs(300));
    guest
}

fn program(what: &str) -> Program {
    Program::new(HERE)
        .args(["--exact", "in_the_guest", "--nocapture"])
        .env(DO, what)
}

fn statuses(outcome: &Outcome) -> Vec<Status> {
    outcome.programs.iter().map(|run| run.status.clone()).collect()
}

/// No test of the host's: what programs in guests do.
#[test]
fn in_the_guest() {
    match std::env::var(DO).as_deref() {
        Ok("abort") => std::process::abort(),
        Ok("exit") => std::process::exit(3),
        Ok("hang") => std::thread::sleep(Duration::from_secs(3600)),
        Ok("panic") => fs::write("/proc/sysrq-trigger", "c").unwrap(),
        Ok("leave") => fs::write("/tmp/left", fs::read("/proc/modules").unwrap()).unwrap(),
        _ => {}
    }
}

/// A program that kills itself or takes too long keeps none of the others from running.
#[test]
fn programs_end_in_every_way() {
    let Some((_, kernel)) = kernel() else { return };
    let plan = [
        program("abort"),
        program("exit"),
        program("hang").limit(Duration::from_secs(5)),
        program("leave").bring_back("/tmp/left"),
        Program::new("/no/such/program"),
    ];
    let outcome = guest(&kernel).run_programs(&plan, |_| {}).unwrap();
    let expected = [
        Status::Signaled(6),
        Status::Exited(3),
        Status::TimedOut,
        Status::Exited(0),
        Status::Unfinished,
    ];
    assert_eq!(statuses(&outcome), expected, "{}", outcome.console_tail(20));
    assert_eq!(outcome.ending, Ending::PoweredOff);
    let (path, contents) = &outcome.programs[3].files[0];
    assert_eq!(path, Path::new("/tmp/left"));
    assert!(String::from_utf8_lossy(contents).contains("veth"));
}

/// A kernel of one's own, with its modules; and one that panics is an outcome like others.
#[test]
fn a_kernel_from_files_that_panics() {
    let Some((_, kernel)) = kernel() else { return };
    let modules = kernel.modules.first().and_then(|module| module.parent());
    let own = Kernel::from_files(kernel.arch, &kernel.image, modules).unwrap();
    let plan = [
        program("leave").bring_back("/tmp/left"),
        program("panic"),
        program("exit"),
    ];
    let outcome = guest(&own).run_programs(&plan, |_| {}).unwrap();
    let expected = [Status::Exited(0), Status::Unfinished, Status::Unfinished];
    assert_eq!(statuses(&outcome), expected, "{}", outcome.console_tail(20));
    assert_eq!(outcome.ending, Ending::Died);
    assert!(String::from_utf8_lossy(&outcome.programs[0].files[0].1).contains("veth"));
    assert!(
        outcome.console.contains("Kernel panic"),
        "{}",
        outcome.console_tail(20)
    );
}
