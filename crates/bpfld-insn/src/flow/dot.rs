//! Drawings for Graphviz.

use alloc::string::ToString;
use core::fmt;

use super::graph::{EdgeKind, Flow};
use crate::print::{Dialect, print};
use crate::slot::Slot;

impl Flow {
    /// The graph in the language of Graphviz' `dot`: a cluster for each function, a box for each block with its
    /// instructions. `slots` must be those the flow was made of; `name` gives functions names by the slot of their entry.
    ///
    /// ```
    /// use bpfld_insn::{Dialect, assemble, flow::Flow};
    ///
    /// let program = assemble("exit")?;
    /// let dot = Flow::new(program.slots()).dot(program.slots(), Dialect::Llvm, |_| None).to_string();
    /// assert!(dot.starts_with("digraph program {"));
    /// # Ok::<(), bpfld_insn::asm::Errors>(())
    /// ```
    pub fn dot<'a, 'n: 'a>(
        &'a self,
        slots: &'a [Slot],
        dialect: Dialect,
        name: impl Fn(usize) -> Option<&'n str> + 'a,
    ) -> impl fmt::Display + 'a {
        fmt::from_fn(move |f| {
            writeln!(f, "digraph program {{")?;
            writeln!(f, "  node [shape=box, fontname=monospace];")?;
            let reachable = self.reachable();
            for (index, function) in self.functions().iter().enumerate() {
                writeln!(f, "  subgraph cluster_{index} {{")?;
                match name(function.slots.start) {
                    Some(name) => writeln!(f, "    label=\"{}\";", Escaped(name))?,
                    None => writeln!(f, "    label=\"function at {}\";", function.slots.start)?,
                }
                for id in function.blocks.clone() {
                    let Some(block) = self.blocks().get(id) else {
                        continue;
                    };
                    let style = if reachable.get(id) == Some(&true) {
                        ""
                    } else {
                        ", style=dashed"
                    };
                    write!(f, "    b{id} [label=\"")?;
                    let code = slots.get(block.slots.clone()).unwrap_or_default();
                    let text = print(code).dialect(dialect).labels(false).to_string();
                    let mut at = block.slots.start;
                    for (line, slot) in text.lines().zip(starts(code)) {
                        write!(f, "{at}: {}\\l", Escaped(line))?;
                        at += slot;
                    }
                    writeln!(f, "\"{style}];")?;
                }
                writeln!(f, "  }}")?;
            }
            for (id, block) in self.blocks().iter().enumerate() {
                for edge in &block.edges {
                    let style = match edge.kind {
                        EdgeKind::Next | EdgeKind::Jump => "",
                        EdgeKind::Taken => " [label=yes]",
                        EdgeKind::NotTaken => " [label=no]",
                    };
                    writeln!(f, "  b{id} -> b{}{style};", edge.to.index())?;
                }
            }
            for call in self.calls() {
                let (Some(from), Some(to)) = (self.block_at(call.at), self.functions().get(call.callee))
                else {
                    continue;
                };
                let style = if call.by_address { "dotted" } else { "dashed" };
                writeln!(
                    f,
                    "  b{} -> b{} [style={style}, constraint=false];",
                    from.index(),
                    to.blocks.start
                )?;
            }
            writeln!(f, "}}")
        })
    }
}

/// How many slots each printed line of a block stands for.
fn starts(code: &[Slot]) -> impl Iterator<Item = usize> + '_ {
    crate::decode::decode(code).map(|(_, insn)| insn.map_or(1, crate::insn::Insn::width))
}

/// Text within quotes.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for char in self.0.chars() {
            match char {
                '"' | '\\' => write!(f, "\\{char}")?,
                char if char.is_control() => f.write_str(" ")?,
                char => write!(f, "{char}")?,
            }
        }
        Ok(())
    }
}
