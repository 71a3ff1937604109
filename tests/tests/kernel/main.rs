//! Tests on the running kernel. They need root; without it they are skipped, and say so.
#![expect(clippy::unwrap_used, reason = "these are tests")]

mod room;
