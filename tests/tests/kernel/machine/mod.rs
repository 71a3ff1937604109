//! The userspace machine against the kernel: the same programs on the same input.

mod compare;
mod contexts;
mod helpers;
mod netfilter;
mod objects;
mod packets;
mod random;
mod texts;
