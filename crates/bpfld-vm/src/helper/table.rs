//! The table of the functions that the machine has itself.

use bpfld_insn::Helper;

use super::call::Call;
use super::{
    arena, bind, cast, cgroup, checksum, cpumask, cycle, dynptr, function, iter, lock, maps, message, notes,
    objects, output, print, probe, received, redirect, ringbuf, room, route, search, seq, skb, socket,
    sockopt, stack, steer, storage, strings, sysctl, task, throw, time, timers, transfer, tunnel, userring,
    vlan, xdp,
};
use crate::fault::Trap;

type Builtin = fn(&mut Call<'_>) -> Result<u64, Trap>;

macro_rules! helpers {
    ($($helper:ident: $function:path;)*) => {
        /// The helpers that the machine has, and what each does.
        pub(crate) const HELPERS: &[(Helper, Builtin)] = &[$((Helper::$helper, $function),)*];
    };
}

helpers! {
    MAP_LOOKUP_ELEM: maps::lookup;
    MAP_UPDATE_ELEM: maps::update;
    MAP_DELETE_ELEM: maps::delete;
    MAP_PUSH_ELEM: maps::push;
    MAP_POP_ELEM: maps::pop;
    MAP_PEEK_ELEM: maps::peek;
    MAP_LOOKUP_PERCPU_ELEM: maps::lookup_percpu;
    FOR_EACH_MAP_ELEM: cycle::for_each;
    LOOP: cycle::repeat;
    PROBE_READ: probe::read;
    PROBE_READ_KERNEL: probe::read_kernel;
    PROBE_READ_USER: probe::read;
    COPY_FROM_USER: probe::read;
    COPY_FROM_USER_TASK: probe::read_of_task;
    PROBE_READ_STR: probe::read_string;
    PROBE_READ_KERNEL_STR: probe::read_kernel_string;
    PROBE_READ_USER_STR: probe::read_string;
    PROBE_WRITE_USER: probe::write;
    KTIME_GET_NS: time::since_boot;
    KTIME_GET_BOOT_NS: time::since_boot;
    KTIME_GET_COARSE_NS: time::since_boot;
    KTIME_GET_TAI_NS: time::date;
    JIFFIES64: time::jiffies;
    GET_PRANDOM_U32: time::random;
    TRACE_PRINTK: print::trace;
    TRACE_VPRINTK: print::trace_array;
    SNPRINTF: print::to_memory;
    SEQ_PRINTF: seq::print;
    SEQ_WRITE: seq::write;
    STRNCMP: strings::compare;
    STRTOL: strings::signed;
    STRTOUL: strings::unsigned;
    GET_SMP_PROCESSOR_ID: task::cpu;
    GET_NUMA_NODE_ID: task::node;
    GET_CURRENT_PID_TGID: task::pid_tgid;
    GET_CURRENT_UID_GID: task::uid_gid;
    GET_CURRENT_COMM: task::comm;
    GET_CURRENT_CGROUP_ID: cgroup::own;
    GET_CURRENT_ANCESTOR_CGROUP_ID: cgroup::ancestor;
    CURRENT_TASK_UNDER_CGROUP: cgroup::task_is_under;
    SKB_UNDER_CGROUP: cgroup::packet_is_under;
    SKB_CGROUP_ID: cgroup::own;
    SKB_ANCESTOR_CGROUP_ID: cgroup::ancestor_of;
    SK_CGROUP_ID: cgroup::own;
    SK_ANCESTOR_CGROUP_ID: cgroup::ancestor_of;
    GET_NS_CURRENT_PID_TGID: task::pid_tgid_in;
    SEND_SIGNAL: task::signal;
    SEND_SIGNAL_THREAD: task::signal;
    GET_CURRENT_TASK: task::current;
    GET_CURRENT_TASK_BTF: task::current;
    GET_ATTACH_COOKIE: task::cookie;
    GET_FUNC_IP: function::address;
    GET_FUNC_ARG: function::argument;
    GET_FUNC_ARG_CNT: function::argument_count;
    GET_FUNC_RET: function::result;
    GET_STACKID: stack::number;
    GET_STACK: stack::copy;
    GET_TASK_STACK: stack::copy;
    SET_RETVAL: task::set_retval;
    OVERRIDE_RETURN: task::override_return;
    GET_RETVAL: task::retval;
    PER_CPU_PTR: task::per_cpu;
    THIS_CPU_PTR: task::this_cpu;
    SPIN_LOCK: lock::lock;
    SPIN_UNLOCK: lock::unlock;
    TIMER_INIT: timers::init;
    TIMER_SET_CALLBACK: timers::set_callback;
    TIMER_START: timers::start;
    TIMER_CANCEL: timers::cancel;
    RINGBUF_OUTPUT: ringbuf::output;
    RINGBUF_RESERVE: ringbuf::reserve;
    RINGBUF_SUBMIT: ringbuf::submit;
    RINGBUF_DISCARD: ringbuf::discard;
    RINGBUF_QUERY: ringbuf::query;
    PERF_EVENT_OUTPUT: output::perf;
    XDP_OUTPUT: output::perf;
    SKB_OUTPUT: output::perf;
    CSUM_DIFF: checksum::difference;
    L3_CSUM_REPLACE: checksum::replace_network;
    L4_CSUM_REPLACE: checksum::replace_transport;
    CSUM_UPDATE: checksum::update;
    SKB_LOAD_BYTES: skb::load;
    SKB_LOAD_BYTES_RELATIVE: skb::load_relative;
    SKB_STORE_BYTES: skb::store;
    SKB_PULL_DATA: skb::pull;
    SKB_CHANGE_TAIL: skb::change_tail;
    SKB_CHANGE_HEAD: skb::change_head;
    SKB_CHANGE_TYPE: notes::change_type;
    SKB_VLAN_PUSH: vlan::push;
    SKB_VLAN_POP: vlan::pop;
    SET_HASH_INVALID: notes::invalidate_hash;
    SET_HASH: notes::set_hash;
    GET_HASH_RECALC: notes::hash;
    CSUM_LEVEL: notes::checksum_level;
    SKB_SET_TSTAMP: notes::set_time;
    SKB_ECN_SET_CE: notes::met_congestion;
    XDP_ADJUST_HEAD: xdp::adjust_head;
    XDP_ADJUST_TAIL: xdp::adjust_tail;
    XDP_ADJUST_META: xdp::adjust_meta;
    XDP_GET_BUFF_LEN: xdp::len;
    XDP_LOAD_BYTES: xdp::load;
    XDP_STORE_BYTES: xdp::store;
    REDIRECT: redirect::device;
    REDIRECT_MAP: redirect::map;
    REDIRECT_PEER: redirect::peer;
    REDIRECT_NEIGH: redirect::neighbour;
    CLONE_REDIRECT: redirect::clone;
    TASK_STORAGE_GET: storage::get;
    TASK_STORAGE_DELETE: storage::delete;
    SK_STORAGE_GET: storage::get;
    SK_STORAGE_DELETE: storage::delete;
    INODE_STORAGE_GET: storage::get;
    INODE_STORAGE_DELETE: storage::delete;
    CGRP_STORAGE_GET: storage::get;
    CGRP_STORAGE_DELETE: storage::delete;
    GET_LOCAL_STORAGE: storage::local;
    DYNPTR_FROM_MEM: dynptr::from_memory;
    RINGBUF_RESERVE_DYNPTR: dynptr::reserve;
    RINGBUF_SUBMIT_DYNPTR: dynptr::submit;
    RINGBUF_DISCARD_DYNPTR: dynptr::discard;
    DYNPTR_READ: dynptr::read;
    DYNPTR_WRITE: dynptr::write;
    DYNPTR_DATA: dynptr::data;
    USER_RINGBUF_DRAIN: userring::drain;
    KPTR_XCHG: objects::exchange;
    FIB_LOOKUP: route::lookup;
    CHECK_MTU: route::check_mtu;
    SK_LOOKUP_TCP: socket::lookup_tcp;
    SKC_LOOKUP_TCP: socket::lookup_tcp;
    SK_LOOKUP_UDP: socket::lookup_udp;
    SK_RELEASE: socket::release;
    SK_FULLSOCK: socket::full;
    GET_LISTENER_SOCK: socket::listener;
    GET_SOCKET_COOKIE: socket::cookie;
    GET_NETNS_COOKIE: socket::namespace_cookie;
    SK_ASSIGN: steer::assign;
    SK_SELECT_REUSEPORT: steer::select;
    SK_REDIRECT_MAP: steer::by_index;
    SK_REDIRECT_HASH: steer::by_key;
    MSG_REDIRECT_MAP: steer::by_index;
    MSG_REDIRECT_HASH: steer::by_key;
    SOCK_MAP_UPDATE: steer::keep;
    SOCK_HASH_UPDATE: steer::keep;
    SOCK_OPS_CB_FLAGS_SET: sockopt::set_callbacks;
    SYSCTL_GET_NAME: sysctl::name;
    SYSCTL_GET_CURRENT_VALUE: sysctl::current;
    SYSCTL_GET_NEW_VALUE: sysctl::new;
    SYSCTL_SET_NEW_VALUE: sysctl::set_new;
    SKB_ADJUST_ROOM: room::adjust;
    SKB_CHANGE_PROTO: room::change_protocol;
    SKB_SET_TUNNEL_KEY: tunnel::set_key;
    SKB_GET_TUNNEL_KEY: tunnel::key;
    SKB_SET_TUNNEL_OPT: tunnel::set_options;
    SKB_GET_TUNNEL_OPT: tunnel::options;
    TCP_SOCK: socket::tcp;
    SKC_TO_TCP_SOCK: cast::tcp;
    SKC_TO_TCP6_SOCK: cast::tcp6;
    SKC_TO_UDP6_SOCK: cast::udp6;
    SKC_TO_TCP_TIMEWAIT_SOCK: cast::waiting;
    SKC_TO_TCP_REQUEST_SOCK: cast::request;
    SKC_TO_UNIX_SOCK: cast::other;
    SKC_TO_MPTCP_SOCK: cast::other;
    SETSOCKOPT: sockopt::set;
    BIND: bind::bind;
    GETSOCKOPT: sockopt::get;
    MSG_APPLY_BYTES: message::apply;
    MSG_CORK_BYTES: message::cork;
    MSG_PULL_DATA: message::pull;
    MSG_PUSH_DATA: message::push;
    MSG_POP_DATA: message::pop;
}

/// The function of this name.
pub(crate) fn builtin_kfunc(name: &str) -> Option<Builtin> {
    Some(match name {
        "bpf_throw" => throw::throw,
        "bpf_rcu_read_lock"
        | "bpf_rcu_read_unlock"
        | "bpf_preempt_disable"
        | "bpf_preempt_enable"
        | "bpf_local_irq_save"
        | "bpf_local_irq_restore" => lock::nothing,
        "bpf_res_spin_lock" | "bpf_res_spin_lock_irqsave" => lock::try_lock,
        "bpf_res_spin_unlock" | "bpf_res_spin_unlock_irqrestore" => lock::unlock,
        "bpf_wq_init" => timers::init_work,
        "bpf_wq_set_callback_impl" => timers::set_work,
        "bpf_wq_start" => timers::start_work,
        "bpf_task_acquire" | "bpf_cgroup_acquire" => objects::same,
        "bpf_task_release" | "bpf_cgroup_release" => lock::nothing,
        "bpf_task_from_pid" | "bpf_task_from_vpid" => task::with_pid,
        "bpf_task_under_cgroup" => cgroup::contains_task,
        "bpf_task_get_cgroup1" => task::nowhere,
        "bpf_cgroup_from_id" => cgroup::with_id,
        "bpf_cgroup_ancestor" => cgroup::above,
        "bpf_iter_task_new" => iter::task_new,
        "bpf_iter_task_next" => iter::task_next,
        "bpf_iter_task_destroy" => iter::task_destroy,
        "bpf_cast_to_kern_ctx" => task::packet,
        "bpf_xdp_metadata_rx_timestamp" => received::time,
        "bpf_xdp_metadata_rx_hash" => received::hash,
        "bpf_xdp_metadata_rx_vlan_tag" => received::vlan,
        "bpf_iter_num_new" => iter::num_new,
        "bpf_iter_num_next" => iter::num_next,
        "bpf_iter_num_destroy" => iter::num_destroy,
        "bpf_iter_bits_new" => iter::bits_new,
        "bpf_iter_bits_next" => iter::bits_next,
        "bpf_iter_bits_destroy" => iter::bits_destroy,
        "bpf_dynptr_from_skb" | "bpf_dynptr_from_xdp" => dynptr::from_packet,
        "bpf_dynptr_slice" => dynptr::slice,
        "bpf_dynptr_slice_rdwr" => dynptr::slice_to_write,
        "bpf_dynptr_adjust" => dynptr::adjust,
        "bpf_dynptr_is_null" => dynptr::is_null,
        "bpf_dynptr_is_rdonly" => dynptr::is_read_only,
        "bpf_dynptr_size" => dynptr::size,
        "bpf_dynptr_clone" => dynptr::clone,
        "bpf_dynptr_copy" => transfer::copy,
        "bpf_dynptr_memset" => transfer::fill,
        "bpf_obj_new_impl" => objects::new,
        "bpf_obj_drop_impl" => objects::drop,
        "bpf_refcount_acquire_impl" => objects::acquire,
        "bpf_list_push_front_impl" => objects::push_front,
        "bpf_list_push_back_impl" => objects::push_back,
        "bpf_list_pop_front" => objects::pop_front,
        "bpf_list_pop_back" => objects::pop_back,
        "bpf_list_front" | "bpf_rbtree_first" => objects::front,
        "bpf_list_back" => objects::back,
        "bpf_rbtree_add_impl" => objects::tree_add,
        "bpf_rbtree_remove" => objects::tree_remove,
        "bpf_rdonly_cast" => objects::same,
        "bpf_arena_alloc_pages" => arena::allocate,
        "bpf_arena_free_pages" => arena::free,
        "bpf_cpumask_create" => cpumask::create,
        "bpf_cpumask_acquire" => objects::acquire,
        "bpf_cpumask_release" => objects::drop,
        "bpf_cpumask_first" | "bpf_cpumask_any_distribute" => cpumask::first,
        "bpf_cpumask_first_zero" => cpumask::first_zero,
        "bpf_cpumask_first_and" | "bpf_cpumask_any_and_distribute" => cpumask::first_and,
        "bpf_cpumask_set_cpu" | "bpf_cpumask_test_and_set_cpu" => cpumask::set_cpu,
        "bpf_cpumask_clear_cpu" | "bpf_cpumask_test_and_clear_cpu" => cpumask::clear_cpu,
        "bpf_cpumask_test_cpu" => cpumask::test_cpu,
        "bpf_cpumask_setall" => cpumask::set_all,
        "bpf_cpumask_clear" => cpumask::clear,
        "bpf_cpumask_and" => cpumask::and,
        "bpf_cpumask_or" => cpumask::or,
        "bpf_cpumask_xor" => cpumask::xor,
        "bpf_cpumask_copy" => cpumask::copy,
        "bpf_cpumask_equal" => cpumask::equal,
        "bpf_cpumask_intersects" => cpumask::intersects,
        "bpf_cpumask_subset" => cpumask::subset,
        "bpf_cpumask_empty" => cpumask::empty,
        "bpf_cpumask_full" => cpumask::full,
        "bpf_cpumask_weight" => cpumask::weight,
        "bpf_strcmp" => search::compare,
        "bpf_strcasecmp" => search::compare_any_case,
        "bpf_strchr" => search::first,
        "bpf_strnchr" => search::first_of,
        "bpf_strchrnul" => search::first_or_end,
        "bpf_strrchr" => search::last,
        "bpf_strlen" => search::len,
        "bpf_strnlen" => search::len_up_to,
        "bpf_strspn" => search::made_of,
        "bpf_strcspn" => search::free_of,
        "bpf_strstr" => search::part,
        "bpf_strnstr" => search::part_of,
        _ => return None,
    })
}
