//! Runs one program of the plan, passes on what it prints, and tells how it ended.

use std::{
    io::{self, Read},
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    process::{Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

use super::Host;
use crate::{frame::Kind, plan::Program};

/// How long what a program left behind may keep its output open.
const LEFTOVERS: Duration = Duration::from_secs(2);

/// Runs a program to its end: `exit N`, `signal N`, `timeout`, or why it could not be started.
pub(super) fn run(program: &Program, index: usize, host: &Host) -> String {
    match run_to_end(program, index, host) {
        Ok(Some(status)) => match (status.code(), status.signal()) {
            (Some(code), _) => format!("exit {code}"),
            (_, Some(signal)) => format!("signal {signal}"),
            _ => format!("lost {status}"),
        },
        Ok(None) => "timeout".to_owned(),
        Err(error) => format!("lost it cannot be run: {error}"),
    }
}

/// How it ended; none if it was killed because it took too long.
fn run_to_end(program: &Program, index: usize, host: &Host) -> io::Result<Option<ExitStatus>> {
    let mut child = Command::new(&program.path)
        .args(&program.arguments)
        .env_clear()
        .env("PATH", "/bin:/sbin:/usr/bin")
        .env("HOME", "/tmp")
        .envs(program.environment.iter().map(|(name, value)| (name, value)))
        .current_dir(program.directory.as_deref().unwrap_or("/".as_ref()))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()?;
    let group = Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?);
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    thread::scope(|scope| {
        let (ended, wait) = mpsc::channel();
        let (open, drained) = mpsc::channel::<()>();
        scope.spawn({
            let open = open.clone();
            move || pass_on(stdout, Kind::Output, index, host, open)
        });
        scope.spawn(move || pass_on(stderr, Kind::Complaint, index, host, open));
        scope.spawn(move || {
            // Whoever waits for it is still there.
            let _ = ended.send(child.wait());
        });
        let status = wait.recv_timeout(program.limit).ok();
        if status.is_some() {
            let _ = drained.recv_timeout(LEFTOVERS);
        }
        // What is left of it; usually nothing.
        let _ = killpg(group, Signal::SIGKILL);
        status.transpose()
    })
}

/// Passes a stream on to the host; `open` is dropped at its end.
fn pass_on(stream: Option<impl Read>, kind: Kind, index: usize, host: &Host, open: mpsc::Sender<()>) {
    let mut buffer = [0; 1 << 14];
    if let Some(mut stream) = stream {
        while let Ok(length @ 1..) = stream.read(&mut buffer) {
            if host.tell(kind, index, &buffer[..length]).is_err() {
                break;
            }
        }
    }
    drop(open);
}
