//! The values that a per-CPU map holds for one key.

use std::{fmt, marker::PhantomData, ops::Index};

use zerocopy::IntoBytes;

use super::Plain;

/// One value per possible CPU, as a per-CPU map holds them for a key.
///
/// Index 0 is CPU 0, and so on for all CPUs that the machine could have, whether they are online or not.
///
/// ```
/// use bpfld::PerCpuValues;
///
/// let hits = PerCpuValues::from_fn(4, |cpu| cpu as u32 * 10);
/// assert_eq!(hits.iter().sum::<u32>(), 60);
/// assert_eq!(hits[3], 30);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct PerCpuValues<V> {
    /// As the kernel wants it: every value starts on a multiple of eight bytes.
    words: Box<[u64]>,
    words_per_value: usize,
    value: PhantomData<V>,
}

impl<V: Plain> PerCpuValues<V> {
    /// Values for `cpus` CPUs, all zero.
    #[must_use]
    pub fn zeroed(cpus: usize) -> Self {
        const {
            assert!(
                align_of::<V>() <= 8,
                "the kernel aligns per-CPU values to 8 bytes"
            )
        };
        let words_per_value = size_of::<V>().div_ceil(8);
        PerCpuValues {
            words: vec![0; cpus.saturating_mul(words_per_value)].into(),
            words_per_value,
            value: PhantomData,
        }
    }

    /// Values for `cpus` CPUs, each by its number.
    #[must_use]
    pub fn from_fn(cpus: usize, mut value: impl FnMut(usize) -> V) -> Self {
        let mut values = Self::zeroed(cpus);
        for cpu in 0..cpus {
            values.set(cpu, &value(cpu));
        }
        values
    }

    /// The same value for `cpus` CPUs.
    #[must_use]
    pub fn repeat(cpus: usize, value: &V) -> Self {
        let mut values = Self::zeroed(cpus);
        for cpu in 0..cpus {
            values.set(cpu, value);
        }
        values
    }

    /// Number of CPUs.
    #[must_use]
    pub fn len(&self) -> usize {
        self.words.len().checked_div(self.words_per_value).unwrap_or(0)
    }

    /// Whether there is no value, which no map returns.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Value of a CPU, if there is such a CPU.
    #[must_use]
    pub fn get(&self, cpu: usize) -> Option<&V> {
        let bytes = self
            .words
            .chunks_exact(self.words_per_value.max(1))
            .nth(cpu)?
            .as_bytes();
        Some(view(bytes))
    }

    /// Sets the value of a CPU and tells whether there is such a CPU.
    pub fn set(&mut self, cpu: usize, value: &V) -> bool {
        let Some(words) = self.words.chunks_exact_mut(self.words_per_value.max(1)).nth(cpu) else {
            return false;
        };
        words.as_mut_bytes()[..size_of::<V>()].copy_from_slice(value.as_bytes());
        true
    }

    /// The values in the order of CPUs.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &V> + DoubleEndedIterator {
        self.words
            .chunks_exact(self.words_per_value.max(1))
            .map(|words| view(words.as_bytes()))
    }

    /// As the kernel reads and writes them.
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.words.as_bytes()
    }

    /// As the kernel reads and writes them.
    pub(super) fn as_mut_bytes(&mut self) -> &mut [u8] {
        self.words.as_mut_bytes()
    }
}

/// The value at the start of a run of whole words.
fn view<V: Plain>(bytes: &[u8]) -> &V {
    match V::ref_from_prefix(bytes) {
        Ok((value, _)) => value,
        // Words are aligned for every `V` that `zeroed` takes, and there are enough of them.
        Err(_) => unreachable!("per-CPU values are aligned words"),
    }
}

impl<V: Plain> Index<usize> for PerCpuValues<V> {
    type Output = V;

    /// # Panics
    ///
    /// When there is no such CPU.
    fn index(&self, cpu: usize) -> &V {
        let len = self.len();
        self.get(cpu).unwrap_or_else(|| panic!("CPU {cpu} of {len}"))
    }
}

impl<V: Plain + fmt::Debug> fmt::Debug for PerCpuValues<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_lie_on_multiples_of_eight_bytes() {
        let values = PerCpuValues::from_fn(3, |cpu| [cpu as u8 + 1; 9]);
        assert_eq!(values.len(), 3);
        assert_eq!(values.as_bytes().len(), 48);
        assert_eq!(values.as_bytes()[16..25], [2; 9]);
        assert_eq!(values.as_bytes()[25..32], [0; 7]);
        assert_eq!(values[2], [3; 9]);
        assert_eq!(values.get(3), None);
        assert_eq!(
            format!("{:?}", PerCpuValues::from_fn(2, |cpu| cpu as u16)),
            "[0, 1]"
        );
    }

    #[test]
    fn values_of_no_size_are_no_values() {
        let values = PerCpuValues::<()>::zeroed(4);
        assert!(values.is_empty());
        assert_eq!(values.iter().count(), 0);
    }
}
