//! Which commands of bpf(2) there are.

use std::os::fd::AsFd;

use bpfld_sys::{self as sys, AttachType, Command, Errno, MapFlags, StatsType};

use super::verdict::refused;
use super::{btf, kernel, map, program};
use crate::Answer;

/// Whether a command exists: by a call that makes sense but for a descriptor that is not open, or else by a harmless one.
pub(crate) fn exists(command: Command) -> Answer {
    const HOW: &str = "calling it with descriptors that are not open";
    match sys::inquire_command(command) {
        Some(Errno::EINVAL) => refused(Errno::EINVAL, HOW),
        Some(Errno::EPERM) => refused(Errno::EPERM, HOW),
        Some(_) => Answer::Yes,
        None => call(command),
    }
}

fn call(command: Command) -> Answer {
    let by_id = |result: Result<Option<u32>, sys::Error>| match result {
        Ok(_) => Answer::Yes,
        Err(error) => refused(error.errno(), "asking for the first id"),
    };
    match command {
        Command::MAP_CREATE => map::create(sys::MapType::ARRAY),
        Command::PROG_LOAD => program::load(sys::ProgramType::SOCKET_FILTER),
        Command::BTF_LOAD => btf::plain(),
        Command::PROG_GET_NEXT_ID => by_id(sys::prog_get_next_id(0)),
        Command::MAP_GET_NEXT_ID => by_id(sys::map_get_next_id(0)),
        Command::BTF_GET_NEXT_ID => by_id(sys::btf_get_next_id(0)),
        Command::LINK_GET_NEXT_ID => by_id(sys::link_get_next_id(0)),
        // There is no file of no name.
        Command::OBJ_PIN => map::with_array(|map| no_such_file(sys::obj_pin(map.as_fd(), c""))),
        Command::OBJ_GET => no_such_file(sys::obj_get(c"", MapFlags::empty()).map(drop)),
        // On for the moment that the descriptor lives.
        Command::ENABLE_STATS => match sys::enable_stats(StatsType::RUN_TIME) {
            Ok(_) => Answer::Yes,
            Err(error) => refused(error.errno(), "turning statistics on for a moment"),
        },
        _ => Answer::unknown("no probe for this command"),
    }
}

fn no_such_file(result: Result<(), sys::Error>) -> Answer {
    match result.map_err(|error| error.errno()) {
        Ok(()) | Err(Errno::ENOENT) => Answer::Yes,
        Err(errno) => refused(errno, "calling it with no path"),
    }
}

/// Whether programs can be attached to a place by command: the kernel looks at the place first, then for the program.
pub(crate) fn attaches_to(attach: AttachType) -> Answer {
    knows(
        sys::inquire_attach(attach),
        "attaching a program that is not open",
    )
}

/// A kernel that understood the question complains of a descriptor.
pub(crate) fn knows(errno: Errno, how: &'static str) -> Answer {
    match errno {
        Errno::EBADF => Answer::Yes,
        errno => refused(errno, how),
    }
}

/// Whether an object can be pinned below a directory that is open: there is no file of no name.
pub(crate) fn pin_below_directory() -> Answer {
    let directory = match std::fs::File::open("/") {
        Ok(directory) => directory,
        Err(error) => return Answer::unknown(error.to_string()),
    };
    map::with_array(|map| no_such_file(sys::obj_pin_at(map.as_fd(), directory.as_fd(), c"")))
}

/// Whether a command takes a token: a map in its place is refused for being none.
pub(crate) fn takes_token(call: impl FnOnce(std::os::fd::BorrowedFd<'_>) -> Result<(), Errno>) -> Answer {
    const HOW: &str = "giving a map in place of a token";
    match kernel::array(4, MapFlags::empty()) {
        Err(errno) => refused(errno, "creating an array"),
        Ok(map) => match call(map.as_fd()) {
            Ok(()) => Answer::unknown("a map was taken for a token"),
            Err(Errno::E2BIG) => refused(Errno::E2BIG, HOW),
            Err(Errno::EPERM) => refused(Errno::EPERM, HOW),
            Err(_) => Answer::Yes,
        },
    }
}
