//! BPF assembly in Rust programs, checked and assembled by the compiler.
//!
//! [`bpf_asm!`] takes the text of any dialect of [`bpfld_insn::asm`] and becomes a constant array of slots. Mistakes are
//! compiler errors at the very word.
//!
//! ```
//! use bpfld_asm_macro::bpf_asm;
//! use bpfld_insn::Slot;
//!
//! const LIMIT: u32 = 1500;
//!
//! const DROP_LONG: [Slot; 6] = bpf_asm! {
//!     r2 = *(u32 *)(r1 + 0)
//!     r0 = XDP_PASS
//!     if r2 <= {LIMIT} goto out
//!     r0 = XDP_DROP
//!     call bpf_get_smp_processor_id
//! out:
//!     exit
//! };
//! assert_eq!(DROP_LONG[2].imm, 1500);
//! ```
//!
//! - Line ends separate instructions, and so does `;`. What Rust cannot read as tokens, such as `#` comments with
//!   apostrophes, can stand in string literals: `bpf_asm!("r0 = 0", "exit")`.
//! - `{…}` in the place of a number is a constant expression of Rust. It may be any integer type; a value that does not fit
//!   is an error.
//! - The text is one program: everything it refers to must be in it. Maps can be given by descriptor only, so programs
//!   with maps are better assembled at run time, or built with [`bpfld_insn::build`].
//!
//! ```compile_fail
//! bpfld_asm_macro::bpf_asm! { mvo r0, 1 } // unknown instruction `mvo`, did you mean `mov`?
//! ```
#![forbid(unsafe_code)]

mod expand;
mod text;

use proc_macro::TokenStream;

/// Assembles at compile time: an array of [`bpfld_insn::Slot`]. See [the crate](crate).
#[proc_macro]
pub fn bpf_asm(input: TokenStream) -> TokenStream {
    expand::expand("::bpfld_insn".parse().unwrap_or_default(), input)
}

/// Like [`bpf_asm!`], for crates that re-export it: the first token is a group with the path of `bpfld_insn`.
#[doc(hidden)]
#[proc_macro]
pub fn bpf_asm_in(input: TokenStream) -> TokenStream {
    let mut tokens = input.into_iter();
    match tokens.next() {
        Some(proc_macro::TokenTree::Group(path)) => expand::expand(path.stream(), tokens.collect()),
        _ => TokenStream::new(),
    }
}
