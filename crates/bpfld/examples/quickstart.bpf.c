// SPDX-License-Identifier: MIT OR GPL-2.0-only
// Counts UDP packets and their bytes by destination port, and lets every packet pass.
#include "../../../tests/fixtures/bpf.h"

struct traffic {
	u64 packets;
	u64 bytes;
};

struct {
	NUMBER(type, PERCPU_HASH);
	NUMBER(max_entries, 1024);
	TYPE(key, u32);
	TYPE(value, struct traffic);
} ports SEC(".maps");

SEC("xdp")
int count(struct xdp_md *ctx)
{
	void *start = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = start;
	struct iphdr *ip = (void *)(eth + 1);
	struct udphdr *udp = (void *)(ip + 1);

	if ((void *)(udp + 1) > end)
		return XDP_PASS;
	if (eth->protocol != NET16(0x0800) || ip->version_length != 0x45 || ip->protocol != 17)
		return XDP_PASS;

	u32 port = NET16(udp->destination);
	u64 bytes = end - start;
	struct traffic *seen = map_lookup_elem(&ports, &port);
	if (seen) {
		seen->packets++;
		seen->bytes += bytes;
	} else {
		struct traffic first = { 1, bytes };
		map_update_elem(&ports, &port, &first, 0);
	}
	return XDP_PASS;
}

LICENSE("Dual MIT/GPL");
