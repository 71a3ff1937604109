//! A guest: a kernel, files, programs to run.

use std::{
    fs,
    io::BufWriter,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        atomic::{AtomicU32, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    Accel, Ending, Event, Outcome, ProgramRun, Status,
    qemu::{self, Running},
};
use crate::{
    Initramfs, Kernel, Program, Result,
    error::{Doing as _, at},
    frame::{Frame, Frames, Kind},
    plan::{MODULES, PLAN, Plan},
};

/// A machine that boots a kernel, runs programs as root, and is gone.
///
/// ```no_run
/// use bpfld_guest::{Arch, Cache, Guest, MODULES, Program};
///
/// let kernel = Cache::of_user()?.fetch("6.12".parse()?, Arch::X86_64, MODULES)?;
/// // A static program whose `main` begins with `bpfld_guest::init()`.
/// let mut guest = Guest::new(&kernel, "target/x86_64-unknown-linux-gnu/debug/init")?;
/// guest.files().copy("target/x86_64-unknown-linux-gnu/debug/deps/tests-0123", "/tests")?;
/// let outcome = guest.run_programs(&[Program::new("/tests")], |_| {})?;
/// println!("{}", String::from_utf8_lossy(&outcome.programs[0].stdout));
/// assert!(outcome.is_success(), "{}", outcome.console_tail(20));
/// # Ok::<(), bpfld_guest::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Guest {
    kernel: Kernel,
    files: Initramfs,
    accel: Accel,
    memory: u32,
    cpus: u32,
    boot_limit: Duration,
    parameters: Vec<String>,
    shell: bool,
}

impl Guest {
    /// A guest with this kernel, its modules, and the program that is to be the first process: a static one that calls
    /// [`init`](crate::init()) at once, such as the command `bpfld-guest`.
    ///
    /// It has two processors, a gigabyte of memory and software emulation unless told otherwise.
    ///
    /// # Errors
    ///
    /// A file is missing.
    pub fn new(kernel: &Kernel, init: impl AsRef<Path>) -> Result<Guest> {
        let mut files = Initramfs::new();
        files.copy(init, "/init")?;
        for module in &kernel.modules {
            let name = module.file_name().unwrap_or_default();
            files.copy(module, Path::new(MODULES).join(name))?;
        }
        if let Some(config) = &kernel.config {
            // Where programs look for it that find no /proc/config.gz.
            files.copy(config, format!("/boot/config-{}", kernel.release))?;
        }
        Ok(Guest {
            kernel: kernel.clone(),
            files,
            accel: Accel::Emulation,
            memory: 1024,
            cpus: 2,
            boot_limit: Duration::from_secs(180),
            parameters: Vec::new(),
            shell: false,
        })
    }

    /// The files of the guest, to add to.
    pub fn files(&mut self) -> &mut Initramfs {
        &mut self.files
    }

    /// How to run it.
    pub fn accel(&mut self, accel: Accel) -> &mut Guest {
        self.accel = accel;
        self
    }

    /// Memory, in MiB.
    pub fn memory(&mut self, mib: u32) -> &mut Guest {
        self.memory = mib;
        self
    }

    /// Number of processors.
    pub fn cpus(&mut self, cpus: u32) -> &mut Guest {
        self.cpus = cpus;
        self
    }

    /// How long it may take until the first process runs; three minutes unless set.
    pub fn boot_limit(&mut self, limit: Duration) -> &mut Guest {
        self.boot_limit = limit;
        self
    }

    /// One more parameter on the kernel's command line.
    pub fn parameter(&mut self, parameter: impl Into<String>) -> &mut Guest {
        self.parameters.push(parameter.into());
        self
    }

    /// After the programs, a shell on this terminal: `busybox`, a static one for the guest's architecture, is copied in. All
    /// output comes at the end then, and no time limit holds.
    ///
    /// # Errors
    ///
    /// There is no such file.
    pub fn shell(&mut self, busybox: impl AsRef<Path>) -> Result<&mut Guest> {
        self.files.copy(busybox, "/bin/busybox")?;
        for name in [
            "sh", "ls", "cat", "ps", "mount", "ip", "dmesg", "grep", "find", "vi", "more", "kill", "top",
            "id", "uname", "free", "sleep", "hexdump", "head", "tail", "cp", "rm", "mkdir", "lsmod",
            "poweroff",
        ] {
            self.files.symlink(format!("/bin/{name}"), "busybox")?;
        }
        self.shell = true;
        Ok(self)
    }

    /// Boots, runs programs one after the other, powers off. Whatever happens inside, this returns: after the time to boot,
    /// the limits of all programs and half a minute more at the latest.
    ///
    /// # Errors
    ///
    /// The guest could not be prepared, or qemu not be started. What goes wrong inside is in the [`Outcome`].
    pub fn run_programs(&self, programs: &[Program], mut watch: impl FnMut(Event<'_>)) -> Result<Outcome> {
        let scratch = Scratch::new()?;
        let mut files = self.files.clone();
        let plan = Plan {
            results: self.kernel.arch.machine().results.to_owned(),
            programs: programs.to_vec(),
            shell: self.shell,
        };
        files.bytes(PLAN, plan.text()?)?;
        let initramfs = scratch.0.join("initramfs");
        let file = fs::File::create(&initramfs).doing(at("create", &initramfs))?;
        files.write(BufWriter::new(file))?;

        let mut command = qemu::command(&self.kernel, self.accel, &scratch.0);
        command
            .args(["-smp", &self.cpus.to_string()])
            .args(["-m", &self.memory.to_string()])
            .args(["-append", &self.command_line()]);
        let complaints = scratch.0.join("complaints");
        command.stderr(fs::File::create(&complaints).doing(at("create", &complaints))?);
        let start = Instant::now();
        let mut watcher = Watcher {
            start,
            boot: None,
            done: false,
            notes: Vec::new(),
            programs: vec![ProgramRun::default(); programs.len()],
        };
        let ended_in_time = if self.shell {
            let results = scratch.0.join("results");
            command.args(["-chardev", &format!("file,id=results,path={}", results.display())]);
            command
                .args(["-serial", "mon:stdio"])
                .args(self.kernel.arch.machine().channel);
            Running::start(&mut command)?.wait()?;
            let file = fs::File::open(&results).doing(at("read", &results))?;
            let mut frames = Frames::new(file);
            while let Some(frame) = frames.next().doing(at("read", &results))? {
                watcher.see(frame, &mut watch);
            }
            true
        } else {
            let console = format!("file:{}", scratch.0.join("console").display());
            // Always connected, unlike the standard streams of which one is at its end: some ports wait for that.
            command.args(["-chardev", "file,id=results,path=/dev/stdout"]);
            command
                .args(["-serial", &console])
                .args(self.kernel.arch.machine().channel);
            command.stdin(Stdio::null()).stdout(Stdio::piped());
            let limits: Duration = programs.iter().map(|program| program.limit).sum();
            let limit = self.boot_limit + limits + Duration::from_secs(30);
            self.follow(Running::start(&mut command)?, limit, &mut watcher, &mut watch)?
        };
        // There is no console where qemu did not come so far; then it has said why.
        let mut console = fs::read(scratch.0.join("console")).unwrap_or_default();
        console.extend(fs::read(&complaints).doing(at("read", &complaints))?);
        Ok(Outcome {
            ending: match (watcher.done, ended_in_time) {
                (true, _) => Ending::PoweredOff,
                (false, true) => Ending::Died,
                (false, false) => Ending::TimedOut,
            },
            boot: watcher.boot,
            wall: start.elapsed(),
            console: String::from_utf8_lossy(&console).replace('\r', ""),
            notes: watcher.notes,
            programs: watcher.programs,
        })
    }

    /// Reads what the guest says until it ends; false if it had to be killed.
    fn follow(
        &self,
        mut qemu: Running,
        limit: Duration,
        watcher: &mut Watcher,
        watch: &mut impl FnMut(Event<'_>),
    ) -> Result<bool> {
        let Some(stdout) = qemu.stdout() else {
            return qemu.wait().map(|()| true);
        };
        let (sender, frames) = mpsc::channel();
        let reader = thread::spawn(move || {
            let mut frames = Frames::new(stdout);
            while let Ok(Some(frame)) = frames.next() {
                if sender.send(frame).is_err() {
                    break;
                }
            }
        });
        let ended = loop {
            let limit = if watcher.boot.is_some() {
                limit
            } else {
                self.boot_limit
            };
            let left = limit.saturating_sub(watcher.start.elapsed());
            match frames.recv_timeout(left) {
                Ok(frame) => watcher.see(frame, watch),
                Err(RecvTimeoutError::Timeout) => break false,
                Err(RecvTimeoutError::Disconnected) => break true,
            }
            if watcher.done {
                // It powers off now; if not, that is no loss.
                break true;
            }
        };
        if ended {
            qemu.end(Duration::from_secs(10))?;
        } else {
            qemu.kill()?;
        }
        drop(frames);
        // The stream has ended with qemu.
        let _ = reader.join();
        Ok(ended)
    }

    fn command_line(&self) -> String {
        let mut words = vec![
            format!("console={}", self.kernel.arch.machine().console),
            "panic=-1".to_owned(),
            "oops=panic".to_owned(),
            "loglevel=5".to_owned(),
            // Some kernels have BPF among the security modules only if told so.
            "lsm=lockdown,capability,landlock,yama,apparmor,bpf".to_owned(),
        ];
        words.extend(
            self.kernel
                .arch
                .machine()
                .parameters
                .iter()
                .map(|&word| word.to_owned()),
        );
        words.extend(self.parameters.iter().cloned());
        words.join(" ")
    }
}

/// Collects what the guest says.
struct Watcher {
    start: Instant,
    boot: Option<Duration>,
    done: bool,
    notes: Vec<String>,
    programs: Vec<ProgramRun>,
}

impl Watcher {
    fn see(&mut self, frame: Frame, watch: &mut impl FnMut(Event<'_>)) {
        let Frame { kind, index, content } = frame;
        match (kind, self.programs.get_mut(index)) {
            (Kind::Hello, _) => {
                let boot = self.start.elapsed();
                self.boot = Some(boot);
                watch(Event::Booted(boot));
            }
            (Kind::Note, _) => self.notes.push(String::from_utf8_lossy(&content).into_owned()),
            (Kind::Done, _) => self.done = true,
            (Kind::Start, Some(_)) => watch(Event::Started(index)),
            (Kind::Output, Some(program)) => {
                watch(Event::Output(index, &content));
                program.stdout.extend(content);
            }
            (Kind::Complaint, Some(program)) => {
                watch(Event::Output(index, &content));
                program.stderr.extend(content);
            }
            (Kind::File, Some(program)) => {
                let end = content.iter().position(|byte| *byte == b'\n').unwrap_or(0);
                let path = PathBuf::from(String::from_utf8_lossy(&content[..end]).into_owned());
                program.files.push((path, content[end + 1..].to_vec()));
            }
            (Kind::End, Some(program)) => {
                let text = String::from_utf8_lossy(&content).into_owned();
                program.status = match text.split_once(' ') {
                    Some(("exit", code)) => code.parse().map_or(Status::Unfinished, Status::Exited),
                    Some(("signal", signal)) => signal.parse().map_or(Status::Unfinished, Status::Signaled),
                    Some((_, why)) => {
                        program.stderr.extend(why.as_bytes());
                        Status::Unfinished
                    }
                    None => Status::TimedOut,
                };
                watch(Event::Ended(index, &program.status));
            }
            // About a program that is not in the plan: nothing that our first process says.
            (_, None) => {}
        }
    }
}

/// A directory for the files of one guest, removed with the value.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Scratch> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("bpfld-guest-{}-{number}", std::process::id()));
        fs::create_dir(&path).doing(at("create", &path))?;
        Ok(Scratch(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Left behind in a directory for temporary files at worst.
        let _ = fs::remove_dir_all(&self.0);
    }
}
