//! Whether the machine's own virtualization is of use: only a trial tells.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use super::{Ending, Guest};
use crate::{
    Arch, Cache, Kernel, Result,
    error::{Doing as _, at},
};

/// What runs a guest's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Accel {
    /// Software: works everywhere.
    Emulation,
    /// The processor, by `/dev/kvm`.
    Kvm,
}

/// How long a guest may take to boot in the trial. With working virtualization it takes a second or two.
const TRIAL: Duration = Duration::from_secs(8);

impl Accel {
    /// The fastest way that works for a kernel. There may be a `/dev/kvm` in which guests hang, so one is booted; what came of
    /// it is remembered in the cache until this machine is started anew.
    ///
    /// # Errors
    ///
    /// The trial could not be prepared, or its outcome not be written down. That a guest did not boot is no error.
    pub fn best(cache: &Cache, kernel: &Kernel, init: impl AsRef<Path>) -> Result<Accel> {
        if Arch::host() != Some(kernel.arch) || !usable(Path::new("/dev/kvm")) {
            return Ok(Accel::Emulation);
        }
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let memory = cache.directory().join("kvm");
        let known = fs::read_to_string(&memory).unwrap_or_default();
        if let Some(answer) = known.strip_prefix(boot.trim())
            && !boot.is_empty()
        {
            return Ok(if answer.trim() == "works" {
                Accel::Kvm
            } else {
                Accel::Emulation
            });
        }
        let start = Instant::now();
        let mut guest = Guest::new(kernel, init)?;
        guest.accel(Accel::Kvm).boot_limit(TRIAL).memory(512);
        let outcome = guest.run_programs(&[], |_| {})?;
        let works = outcome.ending == Ending::PoweredOff && start.elapsed() < TRIAL * 2;
        let answer = if works { "works" } else { "does not work" };
        fs::write(&memory, format!("{} {answer}\n", boot.trim())).doing(at("write", &memory))?;
        Ok(if works { Accel::Kvm } else { Accel::Emulation })
    }
}

fn usable(device: &Path) -> bool {
    fs::OpenOptions::new().read(true).write(true).open(device).is_ok()
}
