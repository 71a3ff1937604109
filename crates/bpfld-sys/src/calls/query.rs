//! Which programs are attached to a target.

use crate::syscall::{address_mut, bpf, length};
use crate::{AttachFlags, AttachType, Command, Errno, Error, QueryFlags, Target, attr};

/// What to ask, and room for the answer. Arrays that are not wanted stay empty; the others must be equally long.
#[derive(Debug)]
#[non_exhaustive]
pub struct ProgQuery<'a> {
    /// A cgroup, socket map, infrared device, network namespace or network device.
    pub target: Target<'a>,
    /// What of it.
    pub attach_type: AttachType,
    /// What is covered.
    pub flags: QueryFlags,
    /// Ids of the programs, in the order in which they run.
    pub program_ids: &'a mut [u32],
    /// How each was attached. Since Linux 6.0.
    pub program_flags: &'a mut [AttachFlags],
    /// Ids of their links; 0: attached without one. Since Linux 6.6, for network devices.
    pub link_ids: &'a mut [u32],
    /// How each link was attached. Since Linux 6.6, for network devices.
    pub link_flags: &'a mut [AttachFlags],
}

impl<'a> ProgQuery<'a> {
    /// Asks for the ids of as many programs as `program_ids` has room for; the rest is set in the fields.
    pub fn new(target: Target<'a>, attach_type: AttachType, program_ids: &'a mut [u32]) -> Self {
        Self {
            target,
            attach_type,
            flags: QueryFlags::empty(),
            program_ids,
            program_flags: &mut [],
            link_ids: &mut [],
            link_flags: &mut [],
        }
    }
}

/// What is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueryAnswer {
    /// Number of programs attached, which may be more than there was room for.
    pub count: u32,
    /// How a cgroup lets its descendants attach.
    pub attach_flags: AttachFlags,
    /// Revision of the chain of programs, for `expected_revision`; 0 where the kernel does not tell. Since Linux 6.6.
    pub revision: u64,
}

/// Lists the programs attached to a target. Since Linux 4.15.
///
/// # Errors
///
/// `EPERM` without `CAP_NET_ADMIN`; `EINVAL` for an attach type that cannot be asked for; `EBADF` if the target is none. Too little room (the kernel's `ENOSPC`)
/// is no error: [`QueryAnswer::count`] tells.
#[doc(alias = "BPF_PROG_QUERY")]
pub fn prog_query(query: &mut ProgQuery<'_>) -> Result<QueryAnswer, Error> {
    const COMMAND: Command = Command::PROG_QUERY;
    let ProgQuery {
        target,
        attach_type,
        flags,
        program_ids,
        program_flags,
        link_ids,
        link_flags,
    } = query;
    let lengths = [
        program_ids.len(),
        program_flags.len(),
        link_ids.len(),
        link_flags.len(),
    ];
    let room = lengths.into_iter().max().unwrap_or(0);
    if lengths.into_iter().any(|len| len != 0 && len != room) {
        return Err(Error::argument(COMMAND, "arrays of different lengths"));
    }
    let mut attr = attr::ProgQuery {
        target: target.number(),
        attach_type: *attach_type,
        query_flags: *flags,
        prog_ids: address_mut(program_ids),
        count: length(COMMAND, room)?,
        prog_attach_flags: address_mut(program_flags),
        link_ids: address_mut(link_ids),
        link_attach_flags: address_mut(link_flags),
        ..Default::default()
    };
    // SAFETY: each address is of an array of `count` numbers of 4 bytes, borrowed mutably by `query`, or null.
    let result = unsafe { bpf(COMMAND, &mut attr, size_of::<attr::ProgQuery>(), None) };
    match result {
        Err(error) if error.errno() != Errno::ENOSPC => Err(error),
        _ => Ok(QueryAnswer {
            count: attr.count,
            attach_flags: attr.attach_flags,
            revision: attr.revision,
        }),
    }
}
