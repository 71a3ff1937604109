//! Global arrays that grow and shrink with the map of their section.

use bpfld_object::{MapIndex, Object, Variable};

use super::maps::MapPlan;
use crate::error::Error;

/// The object's variables. Where the caller gives a section's map another size, an array at its end gets all elements that there is
/// room for.
pub(super) fn variables(object: &Object, maps: &[MapPlan<'_>]) -> Result<Vec<Variable>, Error> {
    let mut variables = object.variables().to_vec();
    for (index, plan) in maps.iter().enumerate() {
        let (declared, size) = (plan.def.value_size, plan.spec.value_size);
        if !plan.def.is_global_data() || size == declared {
            continue;
        }
        let index = MapIndex(index as u32);
        let inside = variables.iter_mut().filter(|variable| variable.map == index);
        let Some(last) = inside.max_by_key(|variable| variable.offset) else {
            continue;
        };
        let room = size.saturating_sub(last.offset);
        last.size = match element_size(object, last) {
            Some(element) => room / element * element,
            None if last.size <= room => last.size,
            None => 0,
        };
        if last.size == 0 {
            let message = format!(
                "{size} bytes leave no room for the variable '{}' at offset {}",
                last.name, last.offset
            );
            return Err(Error::invalid(plan.subject(), message));
        }
    }
    Ok(variables)
}

/// Bytes of an element, if a variable is an array and its elements have a size.
fn element_size(object: &Object, variable: &Variable) -> Option<u32> {
    let btf = object.btf()?;
    let element = btf.resolve(variable.ty?).ok()?.array()?.element;
    btf.resolve_size(element).ok().filter(|size| *size != 0)
}
