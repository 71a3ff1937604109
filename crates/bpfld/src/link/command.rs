//! Programs attached by command (4.10), which stay until they are detached by command: to cgroups, socket maps, infrared
//! receivers and the network namespace of the thread.

use std::{
    fs, io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::MetadataExt,
    },
    sync::{Mutex, PoisonError},
};

use bpfld_sys::{self as sys, AttachFlags, AttachType, Errno, Target};

use crate::Program;

/// What a program is attached to.
#[derive(Debug)]
pub(crate) enum CommandTarget {
    /// A cgroup, socket map or device.
    Fd(OwnedFd),
    /// The network namespace that the thread was in, by its inode. The kernel takes the one of the calling thread.
    Namespace(u64),
}

impl CommandTarget {
    /// The network namespace of this thread.
    pub(crate) fn own_namespace() -> io::Result<CommandTarget> {
        Ok(CommandTarget::Namespace(own_namespace()?))
    }
}

/// A program attached by command.
#[derive(Debug)]
pub(crate) struct CommandHold {
    target: CommandTarget,
    attach_type: AttachType,
    flags: AttachFlags,
    program: Mutex<Program>,
}

impl CommandHold {
    pub(crate) fn attach(
        program: &Program,
        target: CommandTarget,
        attach_type: AttachType,
        flags: AttachFlags,
    ) -> Result<CommandHold, sys::Error> {
        let hold = CommandHold {
            target,
            attach_type,
            flags,
            program: Mutex::new(program.clone()),
        };
        let mut attach = sys::ProgAttach::new(program.as_fd(), hold.target(), attach_type);
        attach.flags = flags;
        sys::prog_attach(&attach)?;
        Ok(hold)
    }

    pub(crate) fn attach_type(&self) -> AttachType {
        self.attach_type
    }

    pub(crate) fn program(&self) -> Program {
        self.program
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn target_fd(&self) -> Option<&OwnedFd> {
        match &self.target {
            CommandTarget::Fd(fd) => Some(fd),
            CommandTarget::Namespace(_) => None,
        }
    }

    pub(crate) fn namespace(&self) -> Option<u64> {
        match &self.target {
            CommandTarget::Fd(_) => None,
            CommandTarget::Namespace(inode) => Some(*inode),
        }
    }

    /// Puts another program in the place of ours: by name where there may be several (5.6), else by attaching it.
    pub(crate) fn update(&self, new: &Program) -> io::Result<()> {
        self.check_namespace()?;
        let mut program = self.program.lock().unwrap_or_else(PoisonError::into_inner);
        let mut attach = sys::ProgAttach::new(new.as_fd(), self.target(), self.attach_type);
        attach.flags = self.flags;
        if self.flags.contains(AttachFlags::ALLOW_MULTI) {
            attach.replace = Some(program.as_fd());
        }
        sys::prog_attach(&attach)?;
        *program = new.clone();
        Ok(())
    }

    pub(crate) fn detach(self) -> io::Result<()> {
        self.check_namespace()?;
        let program = self.program();
        let detach = sys::ProgDetach::new(Some(program.as_fd()), self.target(), self.attach_type);
        match sys::prog_detach(&detach) {
            // Somebody else has detached or replaced it.
            Err(error) if error.errno() == Errno::ENOENT => Ok(()),
            result => Ok(result?),
        }
    }

    fn target(&self) -> Target<'_> {
        match &self.target {
            CommandTarget::Fd(fd) => Target::Fd(fd.as_fd()),
            CommandTarget::Namespace(_) => Target::None,
        }
    }

    fn check_namespace(&self) -> io::Result<()> {
        match self.target {
            CommandTarget::Namespace(inode) if own_namespace()? != inode => {
                let message = "this thread is in another network namespace than the one it was attached in";
                Err(io::Error::new(io::ErrorKind::InvalidInput, message))
            }
            _ => Ok(()),
        }
    }
}

fn own_namespace() -> io::Result<u64> {
    Ok(fs::metadata("/proc/thread-self/ns/net")?.ino())
}
