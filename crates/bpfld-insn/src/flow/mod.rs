//! Control flow: functions, basic blocks, edges, reachability, dominators, loops, calls; and changes to a program that
//! keep all of its targets right.

mod dot;
mod edit;
mod graph;
mod loops;
mod problem;
mod reach;
mod scan;

pub use edit::{Edit, EditError, Edited, Positions};
pub use graph::{Block, BlockId, Call, Edge, EdgeKind, Flow, Function};
pub use loops::{Dominators, Loop};
pub use problem::{Problem, ProblemKind};
