//! Copying bytes out of shared memory and into it, in pieces that are read and written at once.

use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, Ordering};

use super::SharedMmap;

impl SharedMmap {
    /// Copies bytes out of it: numbers of 2, 4 or 8 bytes that are aligned are read at once, what is larger 8 bytes at a time.
    #[inline]
    pub fn read(&self, offset: usize, to: &mut [u8]) -> Option<()> {
        self.check(offset, to.len())?;
        let (head, to) = to.split_at_mut_checked(head(offset, to.len()))?;
        self.read_pieces(offset, head)?;
        let at = offset + head.len();
        let (whole, tail) = to.as_chunks_mut::<8>();
        let words = self.words().get(at / 8..)?.get(..whole.len())?;
        for (word, to) in words.iter().zip(whole.iter_mut()) {
            *to = word.load().to_ne_bytes();
        }
        self.read_pieces(at + whole.as_flattened().len(), tail)
    }

    /// Less than a word at a time.
    #[inline]
    fn read_pieces(&self, mut at: usize, mut to: &mut [u8]) -> Option<()> {
        while !to.is_empty() {
            let piece;
            (piece, to) = to.split_at_mut_checked(unit(at, to.len()))?;
            match piece {
                [_, _, _, _] => piece.copy_from_slice(&self.load_u32(at, Ordering::Relaxed)?.to_ne_bytes()),
                [_, _] => {
                    let number = self.atomic::<AtomicU16>(at)?.load(Ordering::Relaxed);
                    piece.copy_from_slice(&number.to_ne_bytes());
                }
                _ => piece.fill(self.atomic::<AtomicU8>(at)?.load(Ordering::Relaxed)),
            }
            at += piece.len();
        }
        Some(())
    }

    /// Copies bytes into it, likewise. Nothing if the mapping is for reading only.
    #[inline]
    pub fn write(&self, offset: usize, from: &[u8]) -> Option<()> {
        self.writable()?;
        self.check(offset, from.len())?;
        let (head, from) = from.split_at_checked(head(offset, from.len()))?;
        self.write_pieces(offset, head)?;
        let at = offset + head.len();
        let (whole, tail) = from.as_chunks::<8>();
        let words = self.words().get(at / 8..)?.get(..whole.len())?;
        for (word, from) in words.iter().zip(whole) {
            word.0.store(u64::from_ne_bytes(*from), Ordering::Relaxed);
        }
        self.write_pieces(at + whole.as_flattened().len(), tail)
    }

    /// Less than a word at a time. Needs [`Self::writable`].
    #[inline]
    fn write_pieces(&self, mut at: usize, mut from: &[u8]) -> Option<()> {
        while !from.is_empty() {
            let piece;
            (piece, from) = from.split_at_checked(unit(at, from.len()))?;
            match *piece {
                [a, b, c, d] => self
                    .atomic::<AtomicU32>(at)?
                    .store(u32::from_ne_bytes([a, b, c, d]), Ordering::Relaxed),
                [a, b] => self
                    .atomic::<AtomicU16>(at)?
                    .store(u16::from_ne_bytes([a, b]), Ordering::Relaxed),
                _ => self
                    .atomic::<AtomicU8>(at)?
                    .store(*piece.first()?, Ordering::Relaxed),
            }
            at += piece.len();
        }
        Some(())
    }
}

/// How many of `len` bytes from `offset` on come before the first whole word.
#[inline]
fn head(offset: usize, len: usize) -> usize {
    (offset.wrapping_neg() % 8).min(len)
}

/// How many of `len` bytes from `offset` on can be read or written at once: 4, 2 or 1.
#[inline]
fn unit(offset: usize, len: usize) -> usize {
    let fits = |size: usize| offset.is_multiple_of(size) && len >= size;
    if fits(4) {
        4
    } else if fits(2) {
        2
    } else {
        1
    }
}
