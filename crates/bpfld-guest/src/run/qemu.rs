//! The process that is the machine.

use std::{
    path::Path,
    process::{Child, ChildStdout, Command},
    thread,
    time::{Duration, Instant},
};

use super::Accel;
use crate::{
    Kernel, Result,
    error::{Doing as _, show},
};

/// The command for a kernel, as far as it is the same for every run.
pub(super) fn command(kernel: &Kernel, accel: Accel, scratch: &Path) -> Command {
    let machine = kernel.arch.machine();
    // If this process is killed, the machine must not live on.
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", machine.qemu]);
    match accel {
        Accel::Emulation => command.args(machine.machine).args(["-accel", machine.emulation]),
        Accel::Kvm => command
            .args(&machine.machine[..2])
            .args(["-cpu", "host", "-accel", "kvm"]),
    };
    command
        .args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"])
        .arg("-kernel")
        .arg(&kernel.image)
        .arg("-initrd")
        .arg(scratch.join("initramfs"));
    command
}

/// A machine that runs; killed with the value.
pub(super) struct Running {
    child: Child,
    shown: String,
}

impl Running {
    pub(super) fn start(command: &mut Command) -> Result<Running> {
        let shown = show(command);
        let child = command.spawn().doing(|| format!("start {shown}"))?;
        Ok(Running { child, shown })
    }

    pub(super) fn stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// Waits for its end, however long.
    pub(super) fn wait(&mut self) -> Result<()> {
        self.child
            .wait()
            .map(drop)
            .doing(|| format!("wait for {}", self.shown))
    }

    /// Waits for its end, and kills it if that does not come.
    pub(super) fn end(&mut self, limit: Duration) -> Result<()> {
        let start = Instant::now();
        while start.elapsed() < limit {
            let ended = self
                .child
                .try_wait()
                .doing(|| format!("wait for {}", self.shown))?;
            if ended.is_some() {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(10));
        }
        self.kill()
    }

    pub(super) fn kill(&mut self) -> Result<()> {
        self.child.kill().doing(|| format!("kill {}", self.shown))?;
        self.wait()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has usually ended long ago.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
