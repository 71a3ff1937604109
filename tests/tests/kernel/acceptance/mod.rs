//! What gobpfld can do, line by line of its list; names of tests begin with the numbers of the lines. The lines about objects
//! (ELF) stand with the tests of those.

mod elements;
mod iterators;
mod map_rules;
mod maps;
mod perf;
mod pins;
mod programs;
mod test_runs;
