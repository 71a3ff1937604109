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
        let range = pages.get(*start..start.saturating_add(count));
        range.is_some_and(|pages| pages.iter().all(|used| !used))
    };
    let start = match wanted as u32 as usize {
        0 => first_gap(pages, count),
        at if at.is_multiple_of(PAGE) => Some(at / PAGE - 1).filter(is_free),
        _ => None,
    };
    // what was looked at, and what is to be cleared
    let work = start.unwrap_or(pages.len()) / 8 + start.map_or(0, |_| count * PAGE / 64);
    if let Some(start) = start {
        pages
            .iter_mut()
            .skip(start)
            .take(count)
            .for_each(|page| *page = true);
    }
    call.charge(work);
    let Some(start) = start else {
        return Ok(0);
    };
    // the first page of the region is never given out
    let from = (start + 1) * PAGE;
    let region = call.state().memory.region_mut(region);
    if let Some(bytes) = region.and_then(|region| region.bytes.get_mut(from..from + count * PAGE)) {
        bytes.fill(0);
    }
    let region = call.map(0)?.1.region;
    Ok(GuestAddr::new(region, from as u64).0)
}

/// The first of so many free pages in a row.
fn first_gap(pages: &[bool], count: usize) -> Option<usize> {
    let mut free = 0;
    for (number, used) in pages.iter().enumerate() {
        free = if *used { 0 } else { free + 1 };
        if free == count {
            return Some(number + 1 - count);
        }
    }
    None
}

pub(crate) fn free(call: &mut Call<'_>) -> Result<u64, Trap> {
    let [_, at, count, ..] = call.args;
    let first = (at as u32 as usize / PAGE).saturating_sub(1);
    let (_, map) = call.map(0)?;
    let Contents::Arena { pages } = &mut map.contents else {
        return Err(call.bad(1, "no arena"));
    };
    let mut freed = 0;
    for page in pages.iter_mut().skip(first).take(count as u32 as usize) {
        *page = false;
        freed += 1;
    }
    call.charge(freed / 8);
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_found_where_they_are_long_enough() {
        let pages = [true, false, true, false, false, false, true];
        let found = [1, 2, 3, 4].map(|count| first_gap(&pages, count));
        assert_eq!(found, [Some(1), Some(3), Some(3), None]);
        assert_eq!(first_gap(&[false; 4], 4), Some(0));
        assert_eq!(first_gap(&[], 1), None);
    }
}
