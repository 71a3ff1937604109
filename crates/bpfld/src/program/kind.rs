//! One Rust type per kind of program, from one table.

use std::{
    os::fd::{AsFd, BorrowedFd},
    path::Path,
};

use bpfld_sys::{AttachType, ProgramType};

use super::Program;
use crate::{Error, Result};

/// What all kinds of programs have in common. Not for others to implement.
pub trait ProgramKind: TryFrom<Program, Error = Error> + AsFd + sealed::Sealed {
    /// Program types that are of this kind; nearly always one.
    const PROGRAM_TYPES: &'static [ProgramType];

    /// Attach types that such a program is loaded for; empty where the kind does not depend on it.
    const ATTACH_TYPES: &'static [AttachType];

    /// The handle without its kind.
    fn program(&self) -> &Program;

    /// Opens a program of this kind pinned in a BPF file system.
    ///
    /// # Errors
    ///
    /// When there is nothing at the path, or something else.
    fn open_pinned(path: impl AsRef<Path>) -> Result<Self> {
        Program::open_pinned(path)?.try_into()
    }
}

mod sealed {
    pub trait Sealed {}
}

fn check<K: ProgramKind>(program: &Program, kind: &'static str) -> Result<()> {
    let found = program.program_type();
    if !K::PROGRAM_TYPES.contains(&found) {
        return Err(Error::invalid(
            program.subject(),
            format!("is of type {found}, which is no `{kind}`"),
        ));
    }
    match program.attach_type() {
        Some(found) if !K::ATTACH_TYPES.is_empty() && !K::ATTACH_TYPES.contains(&found) => {
            let message = format!("was loaded to be attached as {found}, which is no `{kind}`");
            Err(Error::invalid(program.subject(), message))
        }
        _ => Ok(()),
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])+ $kind:ident = $($program_type:ident)|+ $(for $($attach_type:ident)|+)?;)*) => {
        $(
            $(#[$doc])+
            ///
            /// Made from a [`Program`] with `try_into`, which fails if that is of another kind.
            #[derive(Clone, Debug)]
            pub struct $kind {
                program: Program,
            }

            impl ProgramKind for $kind {
                const PROGRAM_TYPES: &'static [ProgramType] = &[$(ProgramType::$program_type),+];
                const ATTACH_TYPES: &'static [AttachType] = &[$($(AttachType::$attach_type),+)?];

                fn program(&self) -> &Program {
                    &self.program
                }
            }

            impl sealed::Sealed for $kind {}

            impl TryFrom<Program> for $kind {
                type Error = Error;

                fn try_from(program: Program) -> Result<Self> {
                    check::<Self>(&program, stringify!($kind))?;
                    Ok(Self { program })
                }
            }

            impl TryFrom<&Program> for $kind {
                type Error = Error;

                fn try_from(program: &Program) -> Result<Self> {
                    program.clone().try_into()
                }
            }

            impl AsFd for $kind {
                fn as_fd(&self) -> BorrowedFd<'_> {
                    self.program.as_fd()
                }
            }

            impl AsRef<Program> for $kind {
                fn as_ref(&self) -> &Program {
                    &self.program
                }
            }
        )*

        /// The program types that each kind takes, by name of the kind.
        #[cfg(test)]
        const KINDS: &[(&str, &[ProgramType])] = &[$((stringify!($kind), $kind::PROGRAM_TYPES)),*];
    };
}

kinds! {
    /// Looks at what a socket receives, and shortens or drops it (3.19).
    SocketFilter = SOCKET_FILTER;
    /// Runs at a place in a kernel function, its entry or its return (4.1).
    Kprobe = KPROBE for CGROUP_INET_INGRESS | PERF_EVENT;
    /// Runs at a place in a user-space binary (4.1).
    Uprobe = KPROBE for CGROUP_INET_INGRESS | PERF_EVENT;
    /// Runs at many kernel functions through one link (5.18), or at entry and return of each (sessions, 6.10).
    KprobeMulti = KPROBE for TRACE_KPROBE_MULTI | TRACE_KPROBE_SESSION;
    /// Runs at many places in a user-space binary through one link (6.6), or at entry and return (sessions, 6.13).
    UprobeMulti = KPROBE for TRACE_UPROBE_MULTI | TRACE_UPROBE_SESSION;
    /// Runs at a static probe in a user-space binary, in all its places (4.17; through one link since 6.6).
    Usdt = KPROBE for CGROUP_INET_INGRESS | PERF_EVENT | TRACE_UPROBE_MULTI;
    /// Classifies packets in traffic control, on the way in or out of an interface (4.1).
    SchedCls = SCHED_CLS;
    /// An action of traffic control (4.1).
    SchedAct = SCHED_ACT;
    /// Runs at a tracepoint and gets the record that would go into the trace (4.7).
    Tracepoint = TRACEPOINT;
    /// Handles packets as they come out of the network driver (4.8).
    Xdp = XDP;
    /// Runs when a perf event fires (4.9).
    PerfEvent = PERF_EVENT;
    /// Looks at packets of the processes in a cgroup, in or out (4.10).
    CgroupSkb = CGROUP_SKB;
    /// Looks at sockets as processes in a cgroup make, bind or release them (4.10).
    CgroupSock = CGROUP_SOCK;
    /// Handles packets of a light-weight tunnel route, on input (4.10).
    LwtIn = LWT_IN;
    /// Handles packets of a light-weight tunnel route, on output (4.10).
    LwtOut = LWT_OUT;
    /// Handles packets of a light-weight tunnel route, as they are sent, and may encapsulate them (4.10).
    LwtXmit = LWT_XMIT;
    /// Handles packets at a segment-routing endpoint (4.18).
    LwtSeg6local = LWT_SEG6LOCAL;
    /// Follows the TCP connections of processes in a cgroup and sets their options (4.13).
    SockOps = SOCK_OPS;
    /// Parses or redirects the data of sockets in a socket map (4.14).
    SkSkb = SK_SKB;
    /// Redirects what is sent on the sockets of a socket map (4.17).
    SkMsg = SK_MSG;
    /// Decides on access to device files for processes in a cgroup (4.15).
    CgroupDevice = CGROUP_DEVICE;
    /// Runs at a tracepoint and gets its raw arguments (4.17); the writable form (5.2) may change some.
    RawTracepoint = RAW_TRACEPOINT | RAW_TRACEPOINT_WRITABLE;
    /// Changes or refuses addresses that processes in a cgroup bind, connect or send to (4.17).
    CgroupSockAddr = CGROUP_SOCK_ADDR;
    /// Decodes infrared signals (4.18).
    LircMode2 = LIRC_MODE2;
    /// Chooses the socket of a reuseport group that gets a packet (4.19).
    SkReuseport = SK_REUSEPORT;
    /// Finds the flow keys of packets in a network namespace (4.20).
    FlowDissector = FLOW_DISSECTOR;
    /// Decides on access to sysctl files for processes in a cgroup (5.2).
    CgroupSysctl = CGROUP_SYSCTL;
    /// Sees and changes socket options of processes in a cgroup (5.3).
    CgroupSockopt = CGROUP_SOCKOPT;
    /// Runs at a tracepoint with typed arguments (5.5).
    BtfTracepoint = TRACING for TRACE_RAW_TP;
    /// Runs at the entry of a kernel or BPF function (5.5).
    Fentry = TRACING for TRACE_FENTRY;
    /// Runs at the return of a kernel or BPF function, with arguments and result (5.5).
    Fexit = TRACING for TRACE_FEXIT;
    /// Runs before a kernel function and may return in its place (5.7).
    FmodRet = TRACING for MODIFY_RETURN;
    /// Runs at both entry and return of a kernel function (7.0).
    Fsession = TRACING for TRACE_FSESSION;
    /// Runs at many kernel functions through one trampoline link (7.2).
    TracingMulti = TRACING for TRACE_FENTRY_MULTI | TRACE_FEXIT_MULTI | TRACE_FSESSION_MULTI;
    /// Prints kernel objects, one after the other, into a file that is read (5.8).
    Iter = TRACING for TRACE_ITER;
    /// Implements a function of a kernel interface that is a struct of function pointers (5.6).
    StructOps = STRUCT_OPS;
    /// Replaces a global function of another BPF program (5.6).
    Extension = EXT;
    /// Decides at a hook of the security modules (5.7).
    Lsm = LSM for LSM_MAC;
    /// Decides at a hook of the security modules, for processes in a cgroup (6.0).
    LsmCgroup = LSM for LSM_CGROUP;
    /// Chooses the listening socket for a new connection in a network namespace (5.9).
    SkLookup = SK_LOOKUP;
    /// Runs when asked to, and may make system calls of bpf(2) (5.14).
    Syscall = SYSCALL;
    /// Decides on packets at a netfilter hook (6.4).
    Netfilter = NETFILTER;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_type_has_a_kind() {
        for program_type in ProgramType::ALL {
            if *program_type == ProgramType::UNSPEC {
                continue;
            }
            let kinds: Vec<_> = KINDS
                .iter()
                .filter(|(_, types)| types.contains(program_type))
                .map(|(kind, _)| kind)
                .collect();
            assert!(!kinds.is_empty(), "{program_type} has no kind");
        }
    }
}
