//! Constants that programs use all the time, known to the assembler by name.

/// Names and values, sorted by name.
static CONSTANTS: &[(&str, i64)] = &[
    ("BPF_ANY", 0),
    ("BPF_EXIST", 2),
    ("BPF_F_CURRENT_CPU", 0xffff_ffff),
    ("BPF_F_INDEX_MASK", 0xffff_ffff),
    ("BPF_F_LOCK", 4),
    ("BPF_F_RECOMPUTE_CSUM", 1),
    ("BPF_F_USER_STACK", 0x100),
    ("BPF_NOEXIST", 1),
    ("ETH_P_ARP", 0x0806),
    ("ETH_P_IP", 0x0800),
    ("ETH_P_IPV6", 0x86dd),
    ("IPPROTO_ICMP", 1),
    ("IPPROTO_ICMPV6", 58),
    ("IPPROTO_TCP", 6),
    ("IPPROTO_UDP", 17),
    ("SK_DROP", 0),
    ("SK_PASS", 1),
    ("TCX_DROP", 2),
    ("TCX_NEXT", -1),
    ("TCX_PASS", 0),
    ("TCX_REDIRECT", 7),
    ("TC_ACT_OK", 0),
    ("TC_ACT_PIPE", 3),
    ("TC_ACT_RECLASSIFY", 1),
    ("TC_ACT_REDIRECT", 7),
    ("TC_ACT_SHOT", 2),
    ("TC_ACT_STOLEN", 4),
    ("TC_ACT_UNSPEC", -1),
    ("XDP_ABORTED", 0),
    ("XDP_DROP", 1),
    ("XDP_PASS", 2),
    ("XDP_REDIRECT", 4),
    ("XDP_TX", 3),
];

/// The value of a constant.
pub(super) fn value(name: &str) -> Option<i64> {
    let at = CONSTANTS.binary_search_by_key(&name, |(name, _)| name).ok()?;
    CONSTANTS.get(at).map(|(_, value)| *value)
}

/// Every name.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    CONSTANTS.iter().map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted() {
        assert!(CONSTANTS.is_sorted_by(|a, b| a.0 < b.0));
        assert_eq!(value("XDP_TX"), Some(3));
        assert_eq!(value("XDP"), None);
    }
}
