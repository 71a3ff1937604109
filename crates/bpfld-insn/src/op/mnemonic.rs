//! What the GNU assembler calls operations, and operations by what it calls them.

#[cfg(feature = "alloc")]
use super::{COUNT, all};
use super::{Op, Source};

impl Op {
    /// What the GNU assembler calls it: a stem and a suffix for size or width. Where GNU has no word, it is our own.
    ///
    /// ```
    /// use bpfld_insn::{Op, Size, Width};
    ///
    /// assert_eq!(Op::LoadSx(Size::H).mnemonic(), ("ldxs", "h"));
    /// assert_eq!(Op::Neg(Width::W32).mnemonic(), ("neg", "32"));
    /// ```
    #[must_use]
    pub const fn mnemonic(self) -> (&'static str, &'static str) {
        match self {
            Self::Alu(width, op, _) => (op.mnemonic(), width.mnemonic()),
            Self::Neg(width) => ("neg", width.mnemonic()),
            Self::Swap(op, _) => (op.mnemonic(), ""),
            Self::MovSx(width, _) => ("movs", width.mnemonic()),
            Self::CastAddrSpace => ("addr_space_cast", ""),
            Self::PercpuAddr => ("percpu", ""),
            Self::LoadImm64 | Self::LoadAddr(_) => ("lddw", ""),
            Self::LoadAbs(size) => ("ldabs", size.mnemonic()),
            Self::LoadInd(size) => ("ldind", size.mnemonic()),
            Self::Load(size) => ("ldx", size.mnemonic()),
            Self::LoadSx(size) => ("ldxs", size.mnemonic()),
            Self::Store(size, Source::Imm) => ("st", size.mnemonic()),
            Self::Store(size, Source::Reg) => ("stx", size.mnemonic()),
            Self::Atomic(width, op) => (op.mnemonic(), width.mnemonic()),
            Self::LoadAcquire(size) => ("ldacq", size.mnemonic()),
            Self::StoreRelease(size) => ("strel", size.mnemonic()),
            Self::SpeculationBarrier => ("nospec", ""),
            Self::Jump => ("ja", ""),
            Self::JumpLong => ("jal", ""),
            Self::JumpIndirect => ("jax", ""),
            Self::JumpIf(width, op, _) => (op.mnemonic(), width.mnemonic()),
            Self::MayGoto => ("jcond", ""),
            Self::CallHelper | Self::CallSubprog | Self::CallKfunc | Self::CallReg => ("call", ""),
            Self::Exit => ("exit", ""),
        }
    }

    /// An operation that the GNU assembler calls so: of those that differ only in their operands, any.
    #[cfg(feature = "alloc")]
    pub(crate) fn from_mnemonic(word: &str) -> Option<Self> {
        let word = Mnemonic::new(word, "")?;
        let found = BY_MNEMONIC.binary_search_by_key(&word.0, |(mnemonic, _)| mnemonic.0);
        BY_MNEMONIC.get(found.ok()?).map(|(_, op)| *op)
    }
}

/// A mnemonic as a number, so that comparing is one instruction: its bytes.
#[cfg(feature = "alloc")]
#[derive(Clone, Copy)]
struct Mnemonic(u128);

#[cfg(feature = "alloc")]
impl Mnemonic {
    /// `None` if it is longer than any.
    const fn new(stem: &str, suffix: &str) -> Option<Self> {
        if stem.len() + suffix.len() > 16 {
            return None;
        }
        let mut number = 0;
        let mut words = [stem.as_bytes(), suffix.as_bytes()];
        while let [[first, rest @ ..], _] | [[], [first, rest @ ..]] = words {
            number = number << 8 | *first as u128;
            words = if words[0].is_empty() {
                [&[], rest]
            } else {
                [rest, words[1]]
            };
        }
        Some(Self(number))
    }
}

/// The operations by their mnemonics.
#[cfg(feature = "alloc")]
static BY_MNEMONIC: [(Mnemonic, Op); COUNT] = by_mnemonic();

#[cfg(feature = "alloc")]
const fn by_mnemonic() -> [(Mnemonic, Op); COUNT] {
    let ops = all();
    let mut sorted = [(Mnemonic(0), Op::Exit); COUNT];
    let mut end = 0;
    while end < COUNT {
        let (stem, suffix) = ops[end].mnemonic();
        let Some(mnemonic) = Mnemonic::new(stem, suffix) else {
            panic!("a mnemonic has more than 16 bytes");
        };
        sorted[end] = (mnemonic, ops[end]);
        let mut at = end;
        while at > 0 && sorted[at].0.0 < sorted[at - 1].0.0 {
            (sorted[at], sorted[at - 1]) = (sorted[at - 1], sorted[at]);
            at -= 1;
        }
        end += 1;
    }
    sorted
}
