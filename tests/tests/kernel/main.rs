//! Tests on the running kernel. They need root; without it they are skipped, and say so.
#![expect(clippy::unwrap_used, reason = "these are tests")]

mod acceptance;
mod adaptations;
mod allocation;
mod arenas;
mod assembly;
mod batches;
mod bound_maps;
mod cgroups;
mod channels;
mod check;
mod counter;
mod features;
mod filters;
mod fixtures;
mod helpers;
mod input_devices;
mod instructions;
mod iterators;
mod kfuncs;
mod kinds;
mod leftovers;
mod links;
mod load;
mod machine;
mod map_kinds;
mod map_types;
mod maps;
mod pins;
mod probes;
mod rejections;
mod ring;
mod room;
mod run;
mod scheduler;
mod sections;
mod selection;
mod stack_traces;
mod streams;
mod struct_ops;
mod sys;
mod tokens;
mod trampolines;
mod tunnels;
mod uprobes;
mod usdt;
mod without_links;

/// So that tests can tell what takes memory.
#[global_allocator]
static ALLOCATOR: bpfld_tests::CountingAllocator = bpfld_tests::CountingAllocator;
mod xsk;
