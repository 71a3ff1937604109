//! A value that is computed once, when first asked for.

#[cfg(feature = "std")]
use std::sync::OnceLock;

/// Computed once. With the feature `std`, concurrent first users wait for one of them; without, each may compute it
/// and the first result stays.
#[derive(Debug)]
pub(crate) struct Lazy<T> {
    #[cfg(feature = "std")]
    cell: OnceLock<T>,
    #[cfg(not(feature = "std"))]
    cell: once_cell::race::OnceBox<T>,
}

impl<T> Lazy<T> {
    pub(crate) fn new() -> Self {
        #[cfg(feature = "std")]
        return Self {
            cell: OnceLock::new(),
        };
        #[cfg(not(feature = "std"))]
        return Self {
            cell: once_cell::race::OnceBox::new(),
        };
    }

    /// The value, if it was computed.
    pub(crate) fn peek(&self) -> Option<&T> {
        self.cell.get()
    }

    pub(crate) fn get(&self, compute: impl FnOnce() -> T) -> &T {
        #[cfg(feature = "std")]
        return self.cell.get_or_init(compute);
        #[cfg(not(feature = "std"))]
        return self.cell.get_or_init(|| alloc::boxed::Box::new(compute()));
    }
}
