//! What is easier to ask of the kernel's descriptions than to take out of their fields.

use crate::info::{MapInfo, ProgInfo};

impl ProgInfo {
    /// The name, without padding.
    pub fn name(&self) -> &[u8] {
        text(&self.name)
    }

    /// Whether the licence is compatible with the GPL. Since Linux 4.18.
    pub const fn is_gpl_compatible(&self) -> bool {
        // A bit field, which begins at the end that the byte order says.
        let bit = if cfg!(target_endian = "big") { 1 << 31 } else { 1 };
        self.gpl_compatible & bit != 0
    }
}

impl MapInfo {
    /// The name, without padding.
    pub fn name(&self) -> &[u8] {
        text(&self.name)
    }
}

/// Up to the first zero.
fn text(padded: &[u8; 16]) -> &[u8] {
    padded.split(|byte| *byte == 0).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn names() {
        assert_eq!(text(b"short\0\0\0\0\0\0\0\0\0\0\0"), b"short");
        assert_eq!(text(b"0123456789abcdef"), b"0123456789abcdef");
        assert_eq!(text(&[0; 16]), b"");
    }
}
