//! The userspace machine against the kernel: the same programs on the same input.

mod buffers;
mod compare;
mod contents;
mod contexts;
mod control;
mod dynptrs;
mod engines;
mod inputs;
mod kfuncs;
mod netfilter;
mod objects;
mod packets;
mod random;
mod rings;
mod sockets;
mod texts;
mod updates;
mod visits;
