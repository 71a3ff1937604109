//! Options of sockets: which the kernel lets programs read and set, kept in the scenario.

use bpfld_sys::Errno;

use super::call::{Call, errno};
use crate::fault::Trap;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A number of 4 bytes.
    Number,
    /// The same, that can be set and not read.
    NumberToSet,
    /// A name of at least two bytes.
    Name,
    /// A name that can be set and not read.
    NameToSet,
    /// Bytes that can be read and not set.
    BytesToRead,
}

/// Level, option, value: those of `net/core/filter.c`, as of Linux 6.18.
const OPTIONS: &[(u32, &[u32], Kind)] = &[
    // SOL_SOCKET: SO_REUSEADDR, SNDBUF, RCVBUF, KEEPALIVE, PRIORITY, REUSEPORT, RCVLOWAT, MARK, MAX_PACING_RATE, BINDTOIFINDEX,
    // TXREHASH, SK_BPF_CB_FLAGS
    (1, &[2, 7, 8, 9, 12, 15, 18, 36, 47, 62, 74, 1009], Kind::Number),
    // SO_BINDTODEVICE
    (1, &[25], Kind::NameToSet),
    // IP_TOS
    (0, &[1], Kind::Number),
    // IPV6_TCLASS, AUTOFLOWLABEL
    (41, &[67, 70], Kind::Number),
    // SOL_TCP: TCP_NODELAY, MAXSEG, KEEPIDLE, KEEPINTVL, KEEPCNT, SYNCNT, WINDOW_CLAMP, THIN_LINEAR_TIMEOUTS, USER_TIMEOUT,
    // NOTSENT_LOWAT, SAVE_SYN, RTO_MAX_MS; TCP_BPF_DELACK_MAX, RTO_MIN, SOCK_OPS_CB_FLAGS
    (
        6,
        &[1, 2, 4, 5, 6, 7, 10, 16, 18, 25, 27, 44, 1003, 1004, 1008],
        Kind::Number,
    ),
    // TCP_BPF_IW, SNDCWND_CLAMP
    (6, &[1001, 1002], Kind::NumberToSet),
    // TCP_CONGESTION
    (6, &[13], Kind::Name),
    // TCP_SAVED_SYN
    (6, &[28], Kind::BytesToRead),
];

/// Level and option, if the kernel knows it with a value of this length.
fn option(call: &Call<'_>, sets: bool) -> Option<(u32, u32)> {
    let [_, level, name, _, len] = call.args;
    let (level, name, len) = (level as u32, name as u32, len as u32);
    let (.., kind) = OPTIONS
        .iter()
        .find(|(known, names, _)| *known == level && names.contains(&name))?;
    let fits = match kind {
        Kind::Number => len == 4,
        Kind::NumberToSet => sets && len == 4,
        Kind::Name => len >= 2,
        Kind::NameToSet => sets,
        Kind::BytesToRead => !sets && len >= 1,
    };
    fits.then_some((level, name))
}

pub(crate) fn set(call: &mut Call<'_>) -> Result<u64, Trap> {
    let [.., from, len] = call.args;
    call.charge(len as u32 as usize / 64);
    let value = call.read(from, len as u32 as usize)?.to_vec();
    let Some(option) = option(call, true) else {
        return Ok(errno(Errno::EINVAL));
    };
    call.scenario().socket_options.insert(option, value);
    Ok(0)
}

/// Which calls of the program a connection is to make: a field of its context. Returns those that there are not.
pub(crate) fn set_callbacks(call: &mut Call<'_>) -> Result<u64, Trap> {
    /// `BPF_SOCK_OPS_ALL_CB_FLAGS`
    const ALL: u32 = 0x7f;
    call.context(0)?;
    let wanted = call.args[1] as u32;
    let context = &mut call.state().context;
    Ok(
        match context.set_number("bpf_sock_ops_cb_flags", (wanted & ALL).into()) {
            true => (wanted & !ALL).into(),
            false => return Err(call.bad(1, "no context of socket operations")),
        },
    )
}

/// What nobody set is zero, and so is all that is behind a value.
pub(crate) fn get(call: &mut Call<'_>) -> Result<u64, Trap> {
    let [.., to, len] = call.args;
    let known = option(call, false);
    call.charge(len as u32 as usize / 64);
    let state = call.state();
    let place = state.memory.slice_mut(to, len as u32 as usize)?;
    place.fill(0);
    let Some(option) = known else {
        return Ok(errno(Errno::EINVAL));
    };
    let value = state.scenario.socket_options.get(&option);
    for (to, from) in place.iter_mut().zip(value.into_iter().flatten()) {
        *to = *from;
    }
    Ok(0)
}
