// SPDX-License-Identifier: MIT OR GPL-2.0-only
// A large object for the benchmark: 20 programs of 15 section kinds, 10 maps, globals, 400 CO-RE relocations on 40 kernel types.
// Nothing in it depends on a release: a field that is not there counts as none. No trampolines; section names that all loaders know.
#include "../fixtures/bpf.h"

#define KERNEL(name, fields) struct name { fields } CORE
#define P void *

KERNEL(task_struct, int pid; int tgid; int prio; P real_parent; P signal;);
KERNEL(mm_struct, int map_count; unsigned long start_code; unsigned long start_brk; unsigned long arg_start; P pgd;);
KERNEL(signal_struct, int nr_threads; int group_exit_code; u32 flags; unsigned long utime; P tty;);
KERNEL(files_struct, int resize_in_progress; u32 next_fd; P fdt; char fdtab[1]; char file_lock[1];);
KERNEL(fs_struct, int users; int umask; int in_exec; struct { int x; } root; struct { int x; } pwd;);
KERNEL(nsproxy, P uts_ns; P ipc_ns; P mnt_ns; P net_ns; P cgroup_ns;);
KERNEL(pid, u32 level; P stashed; u64 ino; struct { int x; } count; struct { int x; } lock;);
KERNEL(pid_namespace, u32 level; int pid_allocated; int reboot; P child_reaper; P parent;);
KERNEL(cred, u32 securebits; P user; P user_ns; P group_info; P security;);
KERNEL(user_namespace, int level; P parent; unsigned long flags; struct { int x; } owner; struct { int x; } group;);
KERNEL(file, u32 f_flags; P f_op; P private_data; P f_mapping; P f_inode;);
KERNEL(inode, u16 i_mode; u32 i_flags; unsigned long i_ino; P i_op; P i_sb;);
KERNEL(dentry, u32 d_flags; P d_parent; P d_inode; P d_op; P d_sb;);
KERNEL(super_block, u32 s_dev; unsigned long s_blocksize; unsigned long s_flags; unsigned long s_magic; P s_root;);
KERNEL(vfsmount, P mnt_root; P mnt_sb; int mnt_flags; P mnt_idmap; P mnt_userns;);
KERNEL(path, P mnt; P dentry; int none_a; int none_b; int none_c;);
KERNEL(address_space, P host; u32 gfp_mask; unsigned long nrpages; P a_ops; unsigned long flags;);
KERNEL(vm_area_struct, unsigned long vm_start; unsigned long vm_end; P vm_mm; unsigned long vm_pgoff; P vm_file;);
KERNEL(page, unsigned long flags; unsigned long private; u32 page_type; P mapping; unsigned long index;);
KERNEL(sock, int sk_rcvbuf; int sk_sndbuf; u16 sk_type; u16 sk_protocol; P sk_prot;);
KERNEL(sock_common, u16 skc_family; u16 skc_dport; u16 skc_num; u32 skc_daddr; int skc_bound_dev_if;);
KERNEL(inet_sock, u16 inet_sport; u32 inet_saddr; u8 tos; u8 min_ttl; u8 mc_ttl;);
KERNEL(tcp_sock, u32 snd_cwnd; u32 rcv_nxt; u32 snd_nxt; u32 srtt_us; u32 mss_cache;);
KERNEL(sk_buff, u32 len; u32 data_len; u16 mac_len; P head; P data;);
KERNEL(net_device, int ifindex; u32 mtu; u32 flags; P netdev_ops; u16 type;);
KERNEL(net, u32 hash_mix; u32 ifindex; P proc_net; P loopback_dev; P user_ns;);
KERNEL(socket, u32 state; s16 type; unsigned long flags; P file; P sk;);
KERNEL(cgroup, int level; int max_depth; int nr_descendants; P root; P kn;);
KERNEL(css_set, int nr_tasks; P dom_cset; P dfl_cgrp; P mg_src_cgrp; P mg_dst_cset;);
KERNEL(cgroup_subsys_state, P cgroup; P ss; int id; u32 flags; P parent;);
KERNEL(kernfs_node, u16 mode; u16 flags; P parent; P name; P priv;);
KERNEL(bio, u32 bi_opf; u16 bi_flags; u16 bi_vcnt; P bi_bdev; P bi_private;);
KERNEL(request, u32 cmd_flags; u32 rq_flags; int tag; P q; P bio;);
KERNEL(gendisk, int major; int first_minor; int minors; P fops; P queue;);
KERNEL(block_device, u32 bd_dev; P bd_disk; P bd_holder; P bd_queue; u8 bd_partno;);
KERNEL(timer_list, unsigned long expires; u32 flags; P function; struct { int x; } entry; int none_d;);
KERNEL(work_struct, P func; struct { int x; } data; struct { int x; } entry; int none_e; int none_f;);
KERNEL(bpf_prog, u16 pages; u32 len; u32 jited_len; P aux; P bpf_func;);
KERNEL(bpf_map, u32 key_size; u32 value_size; u32 max_entries; u32 map_flags; P ops;);
KERNEL(perf_event, int state; u32 attach_state; P pmu; P ctx; P overflow_handler;);

// Two relocations for each field.
#define HAS(type, field) if (core_exists(((struct type *)0)->field)) sum += core_offset(((struct type *)0)->field);
#define SUM(type, a, b, c, d, e)                                                                                       \
	do { HAS(type, a) HAS(type, b) HAS(type, c) HAS(type, d) HAS(type, e) seen[sum & 63] += sum; } while (0)

struct flow { u32 source, destination; u16 ports[2]; u32 protocol; };
struct counts { u64 packets, bytes, first, last; };
struct event { u32 kind, cpu; u64 time, sum; char comm[16]; };

#define MAP(name, kind, entries, key_type, value_type)                                                                 \
	struct {                                                                                                       \
		NUMBER(type, kind);                                                                                    \
		NUMBER(max_entries, entries);                                                                          \
		TYPE(key, key_type);                                                                                   \
		TYPE(value, value_type);                                                                               \
	} name SEC(".maps")

MAP(flows, LRU_HASH, 4096, struct flow, struct counts);
MAP(totals, PERCPU_ARRAY, 64, u32, struct counts);
MAP(by_pid, HASH, 1024, u32, u64);
MAP(settings, ARRAY, 16, u32, u64);
MAP(by_cpu, PERCPU_HASH, 256, u32, u64);
MAP(marks, HASH, 256, u64, u32);
MAP(scratch, PERCPU_ARRAY, 1, u32, struct event);
MAP(history, ARRAY, 1024, u32, struct event);
struct { NUMBER(type, PERF_EVENT_ARRAY); NUMBER(key_size, 4); NUMBER(value_size, 4); NUMBER(max_entries, 64); } samples SEC(".maps");
struct { NUMBER(type, RINGBUF); NUMBER(max_entries, 1 << 16); } events SEC(".maps");

const volatile u32 wanted_pid;
const volatile u64 threshold = 1000;
const volatile char label[32] = "benchmark";
u64 seen[64];
u64 lost;
u32 generation = 1;
struct counts sums[8];

static NOINLINE int count(u32 slot, u64 bytes)
{
	struct counts *counts = map_lookup_elem(&totals, &slot);

	if (!counts)
		return 0;
	counts->packets++;
	counts->bytes += bytes;
	counts->last = ktime_get_ns();
	if (!counts->first)
		counts->first = counts->last;
	return counts->bytes > threshold;
}

static NOINLINE int emit(u32 kind, u64 sum)
{
	struct event *event = ringbuf_reserve(&events, sizeof(*event), 0);

	if (!event) {
		__sync_fetch_and_add(&lost, 1);
		return 0;
	}
	event->kind = kind;
	event->cpu = get_smp_processor_id();
	event->time = ktime_get_ns();
	event->sum = sum;
	for (int i = 0; i < 16; i++)
		event->comm[i] = label[i];
	ringbuf_submit(event, 0);
	return 1;
}

// What every program does with its sum, some of it many times over, to give the verifier work.
static INLINE void keep(u32 kind, u64 sum)
{
	u32 slot = kind & 15;
	u64 mark = sum, *setting = map_lookup_elem(&settings, &slot);

	if (setting && *setting == 0)
		*setting = sum;
	map_update_elem(&marks, &mark, &kind, 0);
	for (u32 i = 0; i < 8; i++) {
		u32 at = (kind + i) & 1023;
		struct event *event = map_lookup_elem(&history, &at);
		if (event) {
			event->sum += sum;
			event->kind = kind;
			sums[i].packets++;
			sums[i].bytes += event->time & 0xff;
		}
	}
	if (count(kind, sum))
		emit(kind, sum);
	generation++;
}

#define TRACE(kind) { u32 pid = get_current_pid_tgid() >> 32; u64 one = 1, *hits = map_lookup_elem(&by_pid, &pid);       \
	if (wanted_pid && pid != wanted_pid) return 0;                                                                 \
	if (hits) *hits += one; else map_update_elem(&by_pid, &pid, &one, 0); keep(kind, sum); return 0; }

SEC("raw_tp/sys_enter")
int enter(void *ctx)
{
	u64 sum = 0;
	SUM(task_struct, pid, tgid, prio, real_parent, signal);
	SUM(mm_struct, map_count, start_code, start_brk, arg_start, pgd);
	TRACE(0)
}

SEC("raw_tp/sys_exit")
int leave(void *ctx)
{
	u64 sum = 0;
	SUM(signal_struct, nr_threads, group_exit_code, flags, utime, tty);
	SUM(files_struct, resize_in_progress, next_fd, fdt, fdtab, file_lock);
	TRACE(1)
}

SEC("tp_btf/sched_switch")
int change(u64 *ctx)
{
	struct task_struct *next = (void *)ctx[2];
	u64 sum = next->pid;
	SUM(fs_struct, users, umask, in_exec, root, pwd);
	SUM(nsproxy, uts_ns, ipc_ns, mnt_ns, net_ns, cgroup_ns);
	TRACE(2)
}

SEC("tp_btf/sched_process_exit")
int end(u64 *ctx)
{
	u64 sum = 0;
	SUM(pid, level, stashed, ino, count, lock);
	SUM(pid_namespace, level, pid_allocated, reboot, child_reaper, parent);
	TRACE(3)
}

SEC("tracepoint/syscalls/sys_enter_openat")
int open(void *ctx)
{
	u64 sum = 0;
	SUM(file, f_flags, f_op, private_data, f_mapping, f_inode);
	SUM(inode, i_mode, i_flags, i_ino, i_op, i_sb);
	TRACE(4)
}

SEC("tracepoint/syscalls/sys_enter_execve")
int execute(void *ctx)
{
	u64 sum = 0;
	SUM(cred, securebits, user, user_ns, group_info, security);
	SUM(user_namespace, level, parent, flags, owner, group);
	TRACE(5)
}

SEC("kprobe/do_exit")
int probe(void *ctx)
{
	u64 sum = 0;
	SUM(dentry, d_flags, d_parent, d_inode, d_op, d_sb);
	SUM(super_block, s_dev, s_blocksize, s_flags, s_magic, s_root);
	TRACE(6)
}

SEC("kretprobe/do_exit")
int probe_return(void *ctx)
{
	u64 sum = 0;
	SUM(vfsmount, mnt_root, mnt_sb, mnt_flags, mnt_idmap, mnt_userns);
	SUM(path, mnt, dentry, none_a, none_b, none_c);
	TRACE(7)
}

SEC("uprobe")
int user(void *ctx)
{
	u64 sum = 0;
	SUM(address_space, host, gfp_mask, nrpages, a_ops, flags);
	SUM(vm_area_struct, vm_start, vm_end, vm_mm, vm_pgoff, vm_file);
	TRACE(8)
}

SEC("perf_event")
int sample(void *ctx)
{
	u64 sum = 0;
	SUM(page, flags, private, page_type, mapping, index);
	SUM(perf_event, state, attach_state, pmu, ctx, overflow_handler);
	perf_event_output(ctx, &samples, 0xffffffffull, &sum, sizeof(sum));
	TRACE(9)
}

static INLINE int packet(void *data, void *end, u32 kind, u64 sum)
{
	struct ethhdr *eth = data;
	struct iphdr *ip = (void *)(eth + 1);
	struct udphdr *udp = (void *)(ip + 1);
	struct flow flow = {};
	struct counts *counts, fresh = { 1, 1, 1, 1 };

	if ((void *)(udp + 1) <= end && eth->protocol == NET16(0x0800)) {
		flow.source = ip->source;
		flow.destination = ip->destination;
		flow.ports[0] = udp->source;
		flow.ports[1] = udp->destination;
		flow.protocol = ip->protocol;
		counts = map_lookup_elem(&flows, &flow);
		if (counts)
			__sync_fetch_and_add(&counts->packets, 1);
		else
			map_update_elem(&flows, &flow, &fresh, 0);
	}
	keep(kind, sum);
	return 0;
}
#define PACKET(kind) packet((void *)(long)ctx->data, (void *)(long)ctx->data_end, kind, sum)

SEC("xdp")
int receive(struct xdp_md *ctx)
{
	u64 sum = 0;
	SUM(net_device, ifindex, mtu, flags, netdev_ops, type);
	SUM(net, hash_mix, ifindex, proc_net, loopback_dev, user_ns);
	return PACKET(10) + XDP_PASS;
}

SEC("xdp")
int receive_again(struct xdp_md *ctx)
{
	u64 sum = 0;
	SUM(bpf_prog, pages, len, jited_len, aux, bpf_func);
	SUM(bpf_map, key_size, value_size, max_entries, map_flags, ops);
	return PACKET(11) + XDP_PASS;
}

SEC("classifier")
int classify(struct __sk_buff *ctx)
{
	u64 sum = 0;
	SUM(sk_buff, len, data_len, mac_len, head, data);
	SUM(sock, sk_rcvbuf, sk_sndbuf, sk_type, sk_protocol, sk_prot);
	return PACKET(12);
}

SEC("classifier")
int classify_again(struct __sk_buff *ctx)
{
	u64 sum = 0;
	SUM(sock_common, skc_family, skc_dport, skc_num, skc_daddr, skc_bound_dev_if);
	SUM(inet_sock, inet_sport, inet_saddr, tos, min_ttl, mc_ttl);
	return PACKET(13);
}

SEC("socket")
int filter(struct __sk_buff *ctx)
{
	u64 sum = 0;
	SUM(tcp_sock, snd_cwnd, rcv_nxt, snd_nxt, srtt_us, mss_cache);
	SUM(socket, state, type, flags, file, sk);
	keep(14, sum);
	return ctx->len;
}

SEC("cgroup_skb/ingress")
int ingress(struct __sk_buff *ctx)
{
	u64 sum = 0;
	SUM(cgroup, level, max_depth, nr_descendants, root, kn);
	SUM(css_set, nr_tasks, dom_cset, dfl_cgrp, mg_src_cgrp, mg_dst_cset);
	keep(15, sum);
	return 1;
}

SEC("cgroup/connect4")
int connect(void *ctx)
{
	u64 sum = 0;
	SUM(cgroup_subsys_state, cgroup, ss, id, flags, parent);
	SUM(kernfs_node, mode, flags, parent, name, priv);
	keep(16, sum);
	return 1;
}

SEC("sockops")
int operation(void *ctx)
{
	u64 sum = 0;
	SUM(bio, bi_opf, bi_flags, bi_vcnt, bi_bdev, bi_private);
	SUM(request, cmd_flags, rq_flags, tag, q, bio);
	keep(17, sum);
	return 1;
}

SEC("sk_msg")
int message(void *ctx)
{
	u64 sum = 0;
	SUM(gendisk, major, first_minor, minors, fops, queue);
	SUM(block_device, bd_dev, bd_disk, bd_holder, bd_queue, bd_partno);
	keep(18, sum);
	return 1;
}

SEC("sk_lookup")
int choose(void *ctx)
{
	u64 sum = 0;
	SUM(timer_list, expires, flags, function, entry, none_d);
	SUM(work_struct, func, data, entry, none_e, none_f);
	keep(19, sum);
	return 1;
}

LICENSE("Dual MIT/GPL");
