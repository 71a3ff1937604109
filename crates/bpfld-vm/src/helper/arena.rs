//! Pages of arenas.

use super::call::Call;
use crate::address::GuestAddr;
use crate::fault::Trap;
use crate::map::{Contents, PAGE};

/// Pages in a row: anywhere, or where the program says.
pub(crate) fn allocate(call: &mut Call<'_>) -> Result<u64, Trap> {
    let [_, wanted, count, _node, flags] = call.args;
    let count = count as u32 as usize;
    let (_, map) = call.map(0)?;
    let region = map.region;
    let Contents::Arena { pages } = &mut map.contents else {
        return Err(call.bad(1, "no arena"));
    };
    if count == 0 || count > pages.len() || flags != 0 {
        return Ok(0);
    }
    let is_free = |start: &usize| {
        let range = pages.get(*start..*start + count);
        range.is_some_and(|pages| pages.iter().all(|used| !used))
    };
    let start = match wanted as u32 as usize {
        0 => (0..=pages.len() - count).find(is_free),
        at if at.is_multiple_of(PAGE) => Some(at / PAGE - 1).filter(is_free),
        _ => None,
    };
    let Some(start) = start else {
        return Ok(0);
    };
    for page in pages.iter_mut().skip(start).take(count) {
        *page = true;
    }
    call.charge(start + count);
    // the first page of the region is never given out
    let from = (start + 1) * PAGE;
    let region = call.state().memory.region_mut(region);
    if let Some(bytes) = region.and_then(|region| region.bytes.get_mut(from..from + count * PAGE)) {
        bytes.fill(0);
    }
    let region = call.map(0)?.1.region;
    Ok(GuestAddr::new(region, from as u64).0)
}

pub(crate) fn free(call: &mut Call<'_>) -> Result<u64, Trap> {
    let [_, at, count, ..] = call.args;
    let first = (at as u32 as usize / PAGE).saturating_sub(1);
    let (_, map) = call.map(0)?;
    let Contents::Arena { pages } = &mut map.contents else {
        return Err(call.bad(1, "no arena"));
    };
    for page in pages.iter_mut().skip(first).take(count as u32 as usize) {
        *page = false;
    }
    Ok(0)
}
