//! The first process of a guest: prepares the system, runs what the plan says, tells the host, powers off.

mod machine;
mod program;

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::process::CommandExt as _,
    process::Command,
    sync::Mutex,
    time::{Duration, Instant},
};

use nix::{
    sys::{
        reboot::{RebootMode, reboot},
        termios,
    },
    unistd::sync,
};

use crate::{
    frame::{Frame, Kind},
    plan::{PLAN, Plan},
};

/// How long the device for results may take to appear.
const DEVICE: Duration = Duration::from_secs(10);

/// Does the work of the first process if this is it; otherwise nothing, and returns.
///
/// A program that calls this first in `main` and is linked statically can be given to
/// [`Guest::new`](crate::Guest::new): in the guest, it never returns from here.
pub fn init() {
    if std::process::id() != 1 {
        return;
    }
    if let Err(error) = work() {
        // The console is all there is; the host sees that nothing came, and shows it.
        let _ = writeln!(io::stderr(), "guest: {error}");
    }
    sync();
    let _ = reboot(RebootMode::RB_POWER_OFF);
    loop {
        std::thread::park();
    }
}

/// The line to the host.
pub(crate) struct Host(Mutex<File>);

impl Host {
    fn open(path: &str) -> io::Result<Host> {
        let start = Instant::now();
        let file = loop {
            match OpenOptions::new().read(true).write(true).open(path) {
                Ok(file) => break file,
                Err(error) if start.elapsed() > DEVICE => return Err(error),
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        // A serial line must pass on every byte as it is; other devices have no such settings.
        if let Ok(mut settings) = termios::tcgetattr(&file) {
            termios::cfmakeraw(&mut settings);
            termios::tcsetattr(&file, termios::SetArg::TCSANOW, &settings)?;
        }
        Ok(Host(Mutex::new(file)))
    }

    pub(crate) fn tell(&self, kind: Kind, index: usize, content: impl Into<Vec<u8>>) -> io::Result<()> {
        let mut file = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Frame::new(kind, index, content).write(&mut *file)
    }
}

fn work() -> io::Result<()> {
    machine::mount_all()?;
    let text = fs::read_to_string(PLAN)?;
    let plan = Plan::parse(&text).ok_or_else(|| io::Error::other("the plan cannot be read"))?;
    let mut notes = machine::insert_modules()?;
    let host = Host::open(&plan.results)?;
    let uptime = fs::read_to_string("/proc/uptime")?;
    host.tell(Kind::Hello, 0, uptime.split(' ').next().unwrap_or_default())?;
    if let Err(error) = machine::loopback_up() {
        notes.push(format!("loopback stays down: {error}"));
    }
    for note in notes {
        host.tell(Kind::Note, 0, note)?;
    }
    for (index, program) in plan.programs.iter().enumerate() {
        host.tell(Kind::Start, index, "")?;
        let end = program::run(program, index, &host);
        host.tell(Kind::End, index, end)?;
        for file in &program.files {
            if let Ok(content) = fs::read(file) {
                let name = format!("{}\n", file.display());
                host.tell(Kind::File, index, [name.as_bytes(), &content].concat())?;
                fs::remove_file(file)?;
            }
        }
    }
    if plan.shell {
        shell()?;
    }
    host.tell(Kind::Done, 0, "")?;
    let file = host
        .0
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    // Only a terminal has something to wait for.
    let _ = termios::tcdrain(&file);
    Ok(())
}

/// A shell on the console, until it ends.
fn shell() -> io::Result<()> {
    let console = OpenOptions::new().read(true).write(true).open("/dev/console")?;
    let mut command = Command::new("/bin/sh");
    command
        .arg("-i")
        .env("PATH", "/bin:/sbin:/usr/bin")
        .env("HOME", "/tmp")
        .current_dir("/")
        .stdin(console.try_clone()?)
        .stdout(console.try_clone()?)
        .stderr(console)
        .process_group(0);
    command.status().map(drop)
}
