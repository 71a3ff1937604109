//! Exceptions.

use super::call::Call;
use crate::fault::{FaultKind, Trap};

/// Ends the program, from however deep; what it returns is decided where the run began.
pub(crate) fn throw(call: &mut Call<'_>) -> Result<u64, Trap> {
    Err(FaultKind::Thrown { cookie: call.args[0] }.into())
}
