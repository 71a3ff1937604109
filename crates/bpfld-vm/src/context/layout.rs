//! The table of contexts that are structures of fields: which there are, where, and what programs may do with them.

use bpfld_sys::ProgramType;

/// What a field is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A number, or several of 4 bytes.
    Read,
    /// The same, that may be written.
    Write,
    /// The address of the data.
    Data,
    /// The address behind the data.
    DataEnd,
    /// The address of the socket.
    Socket,
}

/// A field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) offset: usize,
    /// Bytes of the field.
    pub(super) size: usize,
    pub(super) kind: Kind,
}

/// A structure.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) name: &'static str,
    pub(super) size: usize,
    pub(super) rows: &'static [Row],
}

macro_rules! layouts {
    ($($constant:ident $name:literal $size:literal { $($offset:literal $bytes:literal $kind:ident $field:ident;)* })*) => {
        $(const $constant: Layout = Layout {
            name: $name,
            size: $size,
            rows: &[$(Row { name: stringify!($field), offset: $offset, size: $bytes, kind: Kind::$kind },)*],
        };)*
    };
}

layouts! {
    SOCK_ADDR "bpf_sock_addr" 72 {
        0 4 Read user_family;
        4 4 Write user_ip4;
        8 16 Write user_ip6;
        24 4 Write user_port;
        28 4 Read family;
        32 4 Read type_;
        36 4 Read protocol;
        40 4 Write msg_src_ip4;
        44 16 Write msg_src_ip6;
        64 8 Socket sk;
    }
    SOCK "bpf_sock" 80 {
        0 4 Write bound_dev_if;
        4 4 Read family;
        8 4 Read type_;
        12 4 Read protocol;
        16 4 Write mark;
        20 4 Write priority;
        24 4 Read src_ip4;
        28 16 Read src_ip6;
        44 4 Read src_port;
        48 2 Read dst_port;
        52 4 Read dst_ip4;
        56 16 Read dst_ip6;
        72 4 Read state;
        76 4 Read rx_queue_mapping;
    }
    SOCKOPT "bpf_sockopt" 40 {
        0 8 Socket sk;
        8 8 Data optval;
        16 8 DataEnd optval_end;
        24 4 Write level;
        28 4 Write optname;
        32 4 Write optlen;
        36 4 Write retval;
    }
    SYSCTL "bpf_sysctl" 8 {
        0 4 Read write;
        4 4 Write file_pos;
    }
    DEVICE "bpf_cgroup_dev_ctx" 12 {
        0 4 Read access_type;
        4 4 Read major;
        8 4 Read minor;
    }
    SK_MSG "sk_msg_md" 80 {
        0 8 Data data;
        8 8 DataEnd data_end;
        16 4 Read family;
        20 4 Read remote_ip4;
        24 4 Read local_ip4;
        28 16 Read remote_ip6;
        44 16 Read local_ip6;
        60 4 Read remote_port;
        64 4 Read local_port;
        68 4 Read size;
        72 8 Socket sk;
    }
    SK_LOOKUP "bpf_sk_lookup" 72 {
        0 8 Read sk;
        8 4 Read family;
        12 4 Read protocol;
        16 4 Read remote_ip4;
        20 16 Read remote_ip6;
        36 2 Read remote_port;
        40 4 Read local_ip4;
        44 16 Read local_ip6;
        60 4 Read local_port;
        64 4 Read ingress_ifindex;
    }
    SK_REUSEPORT "sk_reuseport_md" 56 {
        0 8 Data data;
        8 8 DataEnd data_end;
        16 4 Read len;
        20 4 Read eth_protocol;
        24 4 Read ip_protocol;
        28 4 Read bind_inany;
        32 4 Read hash;
        40 8 Socket sk;
        48 8 Read migrating_sk;
    }
    SOCK_OPS "bpf_sock_ops" 224 {
        0 4 Read op;
        4 16 Write args;
        20 4 Read family;
        24 4 Read remote_ip4;
        28 4 Read local_ip4;
        32 16 Read remote_ip6;
        48 16 Read local_ip6;
        64 4 Read remote_port;
        68 4 Read local_port;
        72 4 Read is_fullsock;
        76 4 Read snd_cwnd;
        80 4 Read srtt_us;
        84 4 Read bpf_sock_ops_cb_flags;
        88 4 Read state;
        92 4 Read rtt_min;
        96 4 Read snd_ssthresh;
        100 4 Read rcv_nxt;
        104 4 Read snd_nxt;
        108 4 Read snd_una;
        112 4 Read mss_cache;
        116 4 Read ecn_flags;
        120 4 Read rate_delivered;
        124 4 Read rate_interval_us;
        128 4 Read packets_out;
        132 4 Read retrans_out;
        136 4 Read total_retrans;
        140 4 Read segs_in;
        144 4 Read data_segs_in;
        148 4 Read segs_out;
        152 4 Read data_segs_out;
        156 4 Read lost_out;
        160 4 Read sacked_out;
        164 4 Write sk_txhash;
        168 8 Read bytes_received;
        176 8 Read bytes_acked;
        184 8 Socket sk;
        192 8 Data skb_data;
        200 8 DataEnd skb_data_end;
        208 4 Read skb_len;
        212 4 Read skb_tcp_flags;
        216 8 Read skb_hwtstamp;
    }
}

impl Layout {
    /// The structure that programs of a type get.
    pub(super) fn of(program_type: ProgramType) -> Option<&'static Layout> {
        Some(match program_type {
            ProgramType::CGROUP_SOCK_ADDR => &SOCK_ADDR,
            ProgramType::CGROUP_SOCK => &SOCK,
            ProgramType::CGROUP_SOCKOPT => &SOCKOPT,
            ProgramType::CGROUP_SYSCTL => &SYSCTL,
            ProgramType::CGROUP_DEVICE => &DEVICE,
            ProgramType::SK_MSG => &SK_MSG,
            ProgramType::SK_LOOKUP => &SK_LOOKUP,
            ProgramType::SK_REUSEPORT => &SK_REUSEPORT,
            ProgramType::SOCK_OPS => &SOCK_OPS,
            _ => return None,
        })
    }

    /// Whether it is that of an address.
    pub(super) fn is_address(&self) -> bool {
        self.name == SOCK_ADDR.name
    }

    /// Whether it is that of a message.
    pub(super) fn is_message(&self) -> bool {
        self.name == SK_MSG.name
    }

    /// The field that tells how long the data are.
    pub(super) fn len_field(&self) -> Option<&'static str> {
        let fields = [(&SK_MSG, "size"), (&SK_REUSEPORT, "len"), (&SOCK_OPS, "skb_len")];
        let found = fields.into_iter().find(|(layout, _)| layout.name == self.name);
        found.map(|(_, field)| field)
    }

    /// The field of a name; the C name `type` is `type_` in the table.
    pub(super) fn row(&self, name: &str) -> Option<&'static Row> {
        self.rows
            .iter()
            .find(|row| row.name.trim_end_matches('_') == name)
    }

    /// The field in which an access lies.
    pub(super) fn at(&self, offset: usize, size: usize) -> Option<&'static Row> {
        let holds = |row: &&Row| row.offset <= offset && offset + size <= row.offset + row.size;
        self.rows.iter().find(holds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_lie_one_behind_the_other() {
        for layout in [
            &SOCK_ADDR,
            &SOCK,
            &SOCKOPT,
            &SYSCTL,
            &DEVICE,
            &SK_MSG,
            &SK_LOOKUP,
            &SK_REUSEPORT,
            &SOCK_OPS,
        ] {
            let mut end = 0;
            for row in layout.rows {
                assert!(row.offset >= end, "{} of {}", row.name, layout.name);
                end = row.offset + row.size;
            }
            assert!(end <= layout.size, "{}", layout.name);
        }
    }
}
