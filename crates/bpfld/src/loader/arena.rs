//! Arenas: memory shared with programs (Linux 6.9), with the variables that the object puts there.

use super::maps::MapPlan;
use crate::error::Error;
use crate::map::Map;

/// Maps the arena into this process and puts the object's variables at its start.
///
/// An arena without variables is mapped, too: programs may only use it once its address is settled.
pub(crate) fn fill(plan: &MapPlan<'_>, map: &Map, contents: &[u8]) -> Result<(), Error> {
    let memory = map.memory()?;
    if contents.len() > memory.len() {
        let message = format!(
            "it has {} bytes, too few for variables of {}",
            memory.len(),
            contents.len()
        );
        return Err(Error::invalid(plan.subject(), message));
    }
    memory.write(0, contents)
}
