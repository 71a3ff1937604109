//! Size, alignment and offsets of the structures, checked when the crate is compiled.

/// `layout! { Struct SIZE: field OFFSET, … }` stops the build where the compiler disagrees.
macro_rules! layout {
    ($name:ident $size:literal: $($field:ident $offset:literal),+) => {
        const _: () = {
            assert!(core::mem::size_of::<$name>() == $size);
            assert!(core::mem::align_of::<$name>() <= 8);
            $(assert!(core::mem::offset_of!($name, $field) == $offset);)+
        };
    };
}
pub(crate) use layout;
