//! Without rights the command says which are missing. Run by a user that has none.

use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Output};

use bpfld_tests::{Need, require};

use crate::{fixture, fixtures};

/// The user `nobody`.
const NOBODY: u32 = 65534;

/// A copy of the command and of a fixture where everybody can read them.
fn copy(folder: &tempfile::TempDir, fixture: &str) -> (PathBuf, PathBuf) {
    let (command, object) = (folder.path().join("bpfld"), folder.path().join(fixture));
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::copy(env!("CARGO_BIN_EXE_bpfld"), &command).unwrap();
    std::fs::copy(fixtures().join(fixture), &object).unwrap();
    std::fs::set_permissions(&object, PermissionsExt::from_mode(0o644)).unwrap();
    (command, object)
}

/// Runs a copy of the command. Another test that starts a process at this moment may still have the copy open for writing.
fn output(command: &mut Command) -> Output {
    loop {
        match command.output() {
            Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => std::thread::yield_now(),
            result => return result.unwrap(),
        }
    }
}

#[track_caller]
fn check(args: &[&str], expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    let (command, object) = copy(&folder, &fixture("network"));
    let mut run = Command::new(command);
    run.arg(args[0]).arg(object).args(&args[1..]);
    let output = output(run.uid(NOBODY).gid(NOBODY));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{stderr}");
    assert!(stderr.contains(expected), "{stderr}");
}

#[test]
fn the_missing_capability_is_named() {
    require!(Need::Root);
    check(
        &["run", "xdp_drop", "--on", "kernel"],
        "this process lacks CAP_BPF",
    );
    check(&["verify"], "this process lacks CAP_BPF");
}

#[test]
fn without_rights_programs_run_in_the_userspace_machine() {
    require!(Need::Root);
    let folder = tempfile::tempdir().unwrap();
    let (command, object) = copy(&folder, &fixture("network"));
    let mut run = Command::new(command);
    run.arg("run").arg(object).arg("xdp_drop");
    let output = output(run.uid(NOBODY).gid(NOBODY));
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        stdout.contains("userspace machine") && stdout.contains("return value  1"),
        "{stdout}"
    );
}

#[test]
fn what_the_kernel_has_is_shown_to_few() {
    require!(Need::Root, Need::Linux(5, 8));
    let folder = tempfile::tempdir().unwrap();
    let (command, _) = copy(&folder, &fixture("network"));
    for (args, missing) in [
        ("map show 1", "CAP_SYS_ADMIN"),
        ("prog show 1", "CAP_SYS_ADMIN"),
        ("link show 1", "CAP_SYS_ADMIN"),
        ("btf dump 1", "CAP_SYS_ADMIN"),
        ("map list", "CAP_SYS_ADMIN"),
        ("features --kfuncs", "CAP_BPF"),
    ] {
        let mut run = Command::new(&command);
        let output = output(run.args(args.split(' ')).uid(NOBODY).gid(NOBODY));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{args}: {stderr}");
        assert!(stderr.contains(missing), "{args}: {stderr}");
    }
}
