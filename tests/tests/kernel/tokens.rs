//! Tokens: rights in a user namespace, by the leave of somebody outside of it.
#![expect(
    unsafe_code,
    reason = "the process that makes the file system is another than the one that grants the rights, which no crate does"
)]

use std::{
    ffi::{CStr, c_long},
    fs::File,
    io::{BufRead as _, BufReader, Write as _},
    os::{
        fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
        unix::process::CommandExt as _,
    },
    process::{Command, Stdio},
};

use bpfld::{Errno, Loader, Object, Token};
use bpfld_tests::{Need, fixture, require};
use nix::sched::{CloneFlags, unshare};

/// Set in the process that is in the user namespace.
const INSIDE: &str = "BPFLD_TEST_IN_USER_NAMESPACE";
const THIS_TEST: &str = "tokens::a_token_allows_what_was_delegated";
/// What the process inside says, with a number, once it has begun to make a file system.
const READY: &str = "descriptor ";

const FSCONFIG_SET_STRING: c_long = 1;
const FSCONFIG_CMD_CREATE: c_long = 6;

#[test]
fn a_token_allows_what_was_delegated() {
    if std::env::var_os(INSIDE).is_some() {
        return inside();
    }
    require!(Need::Root, Need::Linux(6, 9), Need::Config("CONFIG_USER_NS"));
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", THIS_TEST, "--nocapture"])
        .env(INSIDE, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    // SAFETY: between fork and exec it makes system calls only.
    unsafe { command.pre_exec(enter_user_namespace) };
    let mut child = command.spawn().unwrap();
    let mut said = String::new();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for line in lines.by_ref() {
        let line = line.unwrap();
        if let Some((_, number)) = line.split_once(READY) {
            delegate(child.id(), number.parse().unwrap());
            writeln!(child.stdin.take().unwrap()).unwrap();
        }
        said += &line;
        said.push('\n');
    }
    assert!(child.wait().unwrap().success(), "{said}");
    assert!(said.contains("1 passed"), "{said}");
}

/// Root of a namespace, and nothing outside of it.
fn enter_user_namespace() -> std::io::Result<()> {
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS)?;
    for (file, text) in [
        (c"/proc/self/setgroups", "deny"),
        (c"/proc/self/uid_map", "0 0 1"),
        (c"/proc/self/gid_map", "0 0 1"),
    ] {
        // SAFETY: the name ends with a zero.
        let fd = owned(unsafe { libc::open(file.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC) }.into())?;
        // SAFETY: the text is as long as is said.
        let written = unsafe { libc::write(fd.as_raw_fd(), text.as_ptr().cast(), text.len()) };
        if written < 0 {
            return Err(std::io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Outside: allows all to the file system that the other process is about to make.
fn delegate(process: u32, descriptor: i32) {
    // SAFETY: numbers only.
    let pidfd = owned(unsafe { libc::syscall(libc::SYS_pidfd_open, process, 0) }).unwrap();
    // SAFETY: numbers only.
    let context = unsafe { libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_raw_fd(), descriptor, 0) };
    let context = owned(context).unwrap();
    for key in [
        c"delegate_cmds",
        c"delegate_maps",
        c"delegate_progs",
        c"delegate_attachs",
    ] {
        configure(&context, FSCONFIG_SET_STRING, Some((key, c"any")));
    }
    configure(&context, FSCONFIG_CMD_CREATE, None);
}

#[track_caller]
fn configure(context: &OwnedFd, command: c_long, option: Option<(&CStr, &CStr)>) {
    let [key, value] = match option {
        Some((key, value)) => [key.as_ptr(), value.as_ptr()],
        None => [std::ptr::null(); 2],
    };
    // SAFETY: key and value end with a zero, or the command takes none.
    let result = unsafe { libc::syscall(libc::SYS_fsconfig, context.as_raw_fd(), command, key, value, 0) };
    assert!(result >= 0, "{option:?}: {}", std::io::Error::last_os_error());
}

/// Inside: nothing without a token, everything with one.
fn inside() {
    let object = Object::open(fixture("network")).unwrap();
    let load = |loader: &mut Loader| loader.only(["xdp_count"]).keep_memlock().load(&object);
    let error = load(&mut Loader::new()).unwrap_err();
    assert_eq!(error.errno(), Some(Errno::EPERM), "{error:#}");

    // SAFETY: the name ends with a zero.
    let context = owned(unsafe { libc::syscall(libc::SYS_fsopen, c"bpf".as_ptr(), 1) }).unwrap();
    let mut output = std::io::stdout();
    writeln!(output, "{READY}{}", context.as_raw_fd()).unwrap();
    std::io::stdin().read_line(&mut String::new()).unwrap();
    // SAFETY: numbers only.
    let place = owned(unsafe { libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), 1, 0) }).unwrap();
    let error = Token::of_directory(&place).unwrap_err();
    assert_eq!(error.hint(), Some("the directory must be open for reading"));

    let root = File::open(format!("/proc/thread-self/fd/{}", place.as_raw_fd())).unwrap();
    let token = Token::of_directory(&root).unwrap_or_else(|error| panic!("{error:#}"));
    let loaded = load(Loader::new().token(&token)).unwrap_or_else(|error| panic!("{error:#}"));
    let program = loaded.program("xdp_count").unwrap();
    assert_eq!(program.info().unwrap().name(), "xdp_count");
    // A token that was handed over is as good.
    let same = Token::from_fd(token.try_clone_to_owned().unwrap());
    load(Loader::new().token(&same)).unwrap_or_else(|error| panic!("{error:#}"));
    if crate::counter::since(6, 17) {
        let info = token.info().unwrap();
        assert_ne!(info.allowed_cmds, 0, "{info:?}");
    }
}

fn owned(result: c_long) -> std::io::Result<OwnedFd> {
    match i32::try_from(result) {
        // SAFETY: the kernel has just made it for us.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(std::io::Error::last_os_error()),
    }
}
