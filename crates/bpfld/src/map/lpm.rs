//! Keys of prefix tries.

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::Plain;

/// A key of an [`LpmTrie`](super::LpmTrie): so many leading bits of some data, in network byte order.
///
/// ```
/// use bpfld::LpmKey;
///
/// let net = LpmKey::new(24, [192, 0, 2, 0]);
/// assert_eq!((net.prefix_len(), net.data()), (24, [192, 0, 2, 0]));
///
/// let net: bpfld::Ipv6Prefix = "2001:db8::/32".parse()?;
/// assert_eq!(net.to_string(), "2001:db8::/32");
/// # Ok::<(), bpfld::ParsePrefixError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed)]
pub struct LpmKey<D> {
    prefix_len: u32,
    data: D,
}

impl<D: Plain + Copy> LpmKey<D> {
    /// The first `prefix_len` bits of `data`; at most as many as it has.
    #[must_use]
    pub const fn new(prefix_len: u32, data: D) -> Self {
        LpmKey { prefix_len, data }
    }

    /// Number of leading bits that count.
    #[must_use]
    pub const fn prefix_len(&self) -> u32 {
        self.prefix_len
    }

    /// The data, of which only the leading bits count.
    #[must_use]
    pub const fn data(&self) -> D {
        self.data
    }
}

/// Prefixes of IPv4 addresses.
pub type Ipv4Prefix = LpmKey<[u8; 4]>;

/// Prefixes of IPv6 addresses.
pub type Ipv6Prefix = LpmKey<[u8; 16]>;

macro_rules! prefixes {
    ($($address:ident, $bytes:literal;)*) => { $(
        impl From<$address> for LpmKey<[u8; $bytes]> {
            /// The address itself: a prefix of full length, for look-ups.
            fn from(address: $address) -> Self {
                LpmKey::new($bytes * 8, address.octets())
            }
        }

        impl LpmKey<[u8; $bytes]> {
            /// The address, of which only the leading bits count.
            #[must_use]
            pub const fn address(&self) -> $address {
                $address::from_octets(self.data())
            }
        }

        /// `ADDRESS/LENGTH`, or an address for a prefix of full length.
        impl FromStr for LpmKey<[u8; $bytes]> {
            type Err = ParsePrefixError;

            fn from_str(text: &str) -> Result<Self, ParsePrefixError> {
                let (address, length) = match text.split_once('/') {
                    Some((address, length)) => (address, length.parse().map_err(|_| ParsePrefixError)?),
                    None => (text, $bytes * 8),
                };
                if length > $bytes * 8 {
                    return Err(ParsePrefixError);
                }
                let address: $address = address.parse().map_err(|_| ParsePrefixError)?;
                Ok(LpmKey::new(length, address.octets()))
            }
        }

        impl fmt::Display for LpmKey<[u8; $bytes]> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}/{}", self.address(), self.prefix_len())
            }
        }
    )* };
}

prefixes! {
    Ipv4Addr, 4;
    Ipv6Addr, 16;
}

/// A text that is no prefix of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an address and a length of its prefix, as in 10.0.0.0/8 or 2001:db8::/32")]
pub struct ParsePrefixError;

impl<D: Plain + Copy + fmt::Debug> fmt::Debug for LpmKey<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}/{}", self.data(), self.prefix_len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_of_addresses() {
        let net: Ipv4Prefix = "10.1.0.0/16".parse().unwrap();
        assert_eq!(
            (net, net.to_string()),
            (LpmKey::new(16, [10, 1, 0, 0]), "10.1.0.0/16".into())
        );
        assert_eq!("0.0.0.0/0".parse::<Ipv4Prefix>().unwrap().prefix_len(), 0);
        let host = Ipv6Prefix::from(Ipv6Addr::LOCALHOST);
        assert_eq!("::1".parse::<Ipv6Prefix>().unwrap(), host);
        assert_eq!((host.prefix_len(), host.address()), (128, Ipv6Addr::LOCALHOST));
        for text in ["", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/", "10.0.0.0/-1", "::/8"] {
            text.parse::<Ipv4Prefix>().unwrap_err();
        }
        "::/129".parse::<Ipv6Prefix>().unwrap_err();
    }
}
