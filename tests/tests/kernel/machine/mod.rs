//! The userspace machine against the kernel: the same programs on the same input.

mod compare;
mod contexts;
mod helpers;
mod objects;
mod random;
