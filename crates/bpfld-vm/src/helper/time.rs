//! Clocks and chance.

use super::call::Call;
use crate::fault::Trap;

pub(crate) fn since_boot(call: &mut Call<'_>) -> Result<u64, Trap> {
    Ok(call.scenario().read_time())
}

pub(crate) fn date(call: &mut Call<'_>) -> Result<u64, Trap> {
    let scenario = call.scenario();
    Ok(scenario.boot.wrapping_add(scenario.read_time()))
}

pub(crate) fn jiffies(call: &mut Call<'_>) -> Result<u64, Trap> {
    let scenario = call.scenario();
    let now = u128::from(scenario.read_time());
    Ok((now * u128::from(scenario.hz) / 1_000_000_000) as u64)
}

pub(crate) fn random(call: &mut Call<'_>) -> Result<u64, Trap> {
    Ok(call.scenario().random() >> 32)
}
