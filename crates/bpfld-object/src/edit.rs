//! Changing the instructions of a linked program, with all that is known of them.

use alloc::vec::Vec;

use bpfld_insn::Slot;
use bpfld_insn::flow::{Edit, EditError, Positions};

use crate::link::LinkedProgram;

impl LinkedProgram {
    /// Removes and inserts instructions. Jumps, calls, relocations, functions, source lines and jump tables follow.
    ///
    /// Code that is inserted before a slot ([`Edit::insert`]) belongs to the function and the source line of that slot.
    /// Functions of which nothing is left are gone, and so are the relocations of removed instructions.
    ///
    /// # Errors
    ///
    /// If a place is not in the program or inside of a 64-bit load, or a target would be too far away. Then the program is
    /// as before.
    ///
    /// ```
    /// use bpfld_object::Object;
    ///
    /// let object = Object::parse(include_bytes!("../../../tests/fixtures/subprograms.el.o").to_vec())?;
    /// let program = object.programs().first().ok_or("no program")?;
    /// let mut linked = object.link(program)?;
    /// let (length, lines) = (linked.insns.len(), linked.line_info.len());
    ///
    /// let nothing = bpfld_insn::assemble("goto +0")?;
    /// linked.edit(|edit| {
    ///     edit.insert(0, nothing.slots());
    /// })?;
    /// assert_eq!(linked.insns.len(), length + 1);
    /// assert_eq!(linked.line_info.len(), lines);
    /// assert_eq!(linked.line_info[0].slot, 0); // what was inserted is of the line before which it was inserted
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn edit(&mut self, change: impl FnOnce(&mut Edit<'_>)) -> Result<(), EditError> {
        let mut edit = Edit::new(&self.insns);
        change(&mut edit);
        let edited = edit.finish()?;
        let old = core::mem::replace(&mut self.insns, edited.slots);
        self.follow(&edited.positions, &old);
        Ok(())
    }

    fn follow(&mut self, positions: &Positions, old: &[Slot]) {
        let new = |slot: u32| -> u32 {
            let place = positions.of_target(slot as usize);
            // programs are far shorter than 2^32 slots, and everything that is known of one lies within it
            place.and_then(|place| place.try_into().ok()).unwrap_or(u32::MAX)
        };
        self.relocations.retain_mut(|relocation| {
            let place = positions.of(relocation.at as usize);
            // calls that are not bound yet look like calls of subprograms, but have no distance that could be adjusted
            if let (Some(insn), Some(old)) = (
                place.and_then(|place| self.insns.get_mut(place)),
                old.get(relocation.at as usize),
            ) {
                *insn = *old;
            }
            let place = place.and_then(|place| u32::try_from(place).ok());
            relocation.at = place.unwrap_or(relocation.at);
            place.is_some()
        });
        for function in &mut self.functions {
            let start = new(function.start);
            function.len = new(function.start + function.len) - start;
            function.start = start;
        }
        self.functions.retain(|function| function.len > 0);
        let end = self.insns.len() as u32;
        move_starts(&mut self.func_info, end, |info| &mut info.slot, new);
        move_starts(&mut self.line_info, end, |line| &mut line.slot, new);
        for target in self.jump_tables.iter_mut().flat_map(|table| &mut table.targets) {
            *target = new(*target);
        }
        self.exception_callback = self.exception_callback.map(new);
    }
}

/// Moves what begins at a slot and lasts until the next one begins. What lasts for no instruction any more is gone.
fn move_starts<T>(items: &mut Vec<T>, end: u32, slot: impl Fn(&mut T) -> &mut u32, new: impl Fn(u32) -> u32) {
    let mut next = end;
    items.reverse();
    items.retain_mut(|item| {
        let slot = slot(item);
        *slot = new(*slot);
        let lasts = *slot < next;
        next = *slot;
        lasts
    });
    items.reverse();
}
