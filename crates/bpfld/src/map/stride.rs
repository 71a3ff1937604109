//! A guess at where the next record begins.

/// The length of the last record of a ring.
///
/// Where a record begins follows from the length of the one before, so that a processor which has to wait for the one cannot begin with
/// the other. Most records are as long as the one before: a branch on that is predicted, and what depends on it starts early.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stride(u64);

impl Stride {
    /// The position behind a record: the sum of both, but guessed.
    #[inline]
    pub(super) fn behind(&mut self, position: u64, len: u64) -> u64 {
        // Computed before the branch, so that it does not depend on `len`.
        let guess = position.wrapping_add(self.0);
        if self.0 == len {
            return guess;
        }
        self.0 = len;
        learn(position.wrapping_add(len))
    }
}

/// The number itself, of which the compiler must not know that it is what would have been guessed.
#[cold]
#[inline(never)]
fn learn(position: u64) -> u64 {
    std::hint::black_box(position)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses_are_right() {
        let (mut stride, mut position) = (Stride::default(), u64::MAX - 100);
        let lens = [16, 16, 24, 24, 16, 8, 8, 4096, 16];
        for len in lens {
            assert_eq!(stride.behind(position, len), position.wrapping_add(len));
            position = position.wrapping_add(len);
        }
    }
}
