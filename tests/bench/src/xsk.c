/*
 * AF_XDP by libxdp in two ways: with as little work as possible (peer_...), and as xdpsock does, the program that comes with libxdp
 * as its example (xdpsock_...). What they are compared with is in veth.rs.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <xdp/xsk.h>

#define RING 2048

struct peer {
	struct xsk_umem *umem;
	struct xsk_socket *socket;
	struct xsk_ring_prod fill, tx;
	struct xsk_ring_cons completion, rx;
	uint8_t *memory;
	uint64_t size;
	uint32_t frames, frame_size;
	uint64_t *free;
	uint32_t free_count, outstanding, next;
	uint64_t seen;
};

struct peer *peer_open(const char *ifname, uint32_t frames, uint32_t frame_size, uint32_t fill, int receives)
{
	struct peer *peer = calloc(1, sizeof(*peer));
	struct xsk_umem_config umem = {
		.fill_size = fill, .comp_size = RING, .frame_size = frame_size,
	};
	struct xsk_socket_config config = {
		.rx_size = RING, .tx_size = RING,
		.libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
		.bind_flags = XDP_USE_NEED_WAKEUP,
	};
	uint32_t at, position, filled = receives ? fill : 0;

	peer->frames = frames;
	peer->frame_size = frame_size;
	peer->size = (uint64_t)frames * frame_size;
	peer->free = calloc(frames, sizeof(*peer->free));
	peer->memory = mmap(NULL, peer->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (peer->memory == MAP_FAILED)
		return NULL;
	if (xsk_umem__create(&peer->umem, peer->memory, peer->size, &peer->fill, &peer->completion, &umem))
		return NULL;
	if (xsk_socket__create(&peer->socket, ifname, 0, peer->umem, &peer->rx, &peer->tx, &config))
		return NULL;
	if (filled && xsk_ring_prod__reserve(&peer->fill, filled, &position) != filled)
		return NULL;
	for (at = 0; at < filled; at++)
		*xsk_ring_prod__fill_addr(&peer->fill, position + at) = (uint64_t)at * frame_size;
	xsk_ring_prod__submit(&peer->fill, filled);
	for (at = filled; at < frames; at++)
		peer->free[peer->free_count++] = (uint64_t)at * frame_size;
	return peer;
}

int peer_fd(struct peer *peer)
{
	return xsk_socket__fd(peer->socket);
}

static void complete(struct peer *peer, int to_fill)
{
	uint32_t at, from, to, count = xsk_ring_cons__peek(&peer->completion, RING, &from);

	if (!count)
		return;
	if (to_fill) {
		while (xsk_ring_prod__reserve(&peer->fill, count, &to) != count)
			;
		for (at = 0; at < count; at++)
			*xsk_ring_prod__fill_addr(&peer->fill, to + at) =
				*xsk_ring_cons__comp_addr(&peer->completion, from + at);
		xsk_ring_prod__submit(&peer->fill, count);
	} else {
		for (at = 0; at < count; at++)
			peer->free[peer->free_count++] = *xsk_ring_cons__comp_addr(&peer->completion, from + at);
	}
	xsk_ring_cons__release(&peer->completion, count);
	peer->outstanding -= count;
}

static void kick(struct peer *peer)
{
	if (!xsk_ring_prod__needs_wakeup(&peer->tx))
		return;
	while (sendto(peer_fd(peer), NULL, 0, MSG_DONTWAIT, NULL, 0) < 0 && errno == EAGAIN)
		;
}

/* Receives up to so many and gives their frames back. */
uint32_t peer_drop(struct peer *peer, uint32_t most)
{
	uint32_t at, from, to, count = xsk_ring_cons__peek(&peer->rx, most, &from);

	if (!count)
		return 0;
	while (xsk_ring_prod__reserve(&peer->fill, count, &to) != count)
		;
	for (at = 0; at < count; at++) {
		uint64_t addr = xsk_ring_cons__rx_desc(&peer->rx, from + at)->addr;

		peer->seen += *(uint8_t *)xsk_umem__get_data(peer->memory, addr);
		*xsk_ring_prod__fill_addr(&peer->fill, to + at) = addr;
	}
	xsk_ring_prod__submit(&peer->fill, count);
	xsk_ring_cons__release(&peer->rx, count);
	return count;
}

/* Puts packets that came into the TX ring, with their two addresses exchanged. */
static void turn(struct peer *peer, uint32_t from, uint32_t to, uint32_t count)
{
	uint32_t at;

	for (at = 0; at < count; at++) {
		const struct xdp_desc *desc = xsk_ring_cons__rx_desc(&peer->rx, from + at);
		uint8_t *packet = xsk_umem__get_data(peer->memory, desc->addr), mac[6];

		memcpy(mac, packet, 6);
		memcpy(packet, packet + 6, 6);
		memcpy(packet + 6, mac, 6);
		xsk_ring_prod__tx_desc(&peer->tx, to + at)->addr = desc->addr;
		xsk_ring_prod__tx_desc(&peer->tx, to + at)->len = desc->len;
		xsk_ring_prod__tx_desc(&peer->tx, to + at)->options = 0;
	}
}

/* Receives up to so many and sends them back. */
uint32_t peer_echo(struct peer *peer, uint32_t most)
{
	uint32_t from, to, count;

	complete(peer, 1);
	count = xsk_ring_cons__peek(&peer->rx, most, &from);
	if (!count)
		return 0;
	while (xsk_ring_prod__reserve(&peer->tx, count, &to) != count)
		kick(peer);
	turn(peer, from, to, count);
	xsk_ring_prod__submit(&peer->tx, count);
	xsk_ring_cons__release(&peer->rx, count);
	peer->outstanding += count;
	kick(peer);
	return count;
}

/* Sends a packet so often. */
uint32_t peer_send(struct peer *peer, uint32_t count, const uint8_t *packet, uint32_t len)
{
	uint32_t at, to;

	complete(peer, 0);
	if (count > peer->free_count)
		count = peer->free_count;
	if (!count || xsk_ring_prod__reserve(&peer->tx, count, &to) != count) {
		kick(peer);
		return 0;
	}
	for (at = 0; at < count; at++) {
		uint64_t addr = peer->free[--peer->free_count];

		memcpy(xsk_umem__get_data(peer->memory, addr), packet, len);
		xsk_ring_prod__tx_desc(&peer->tx, to + at)->addr = addr;
		xsk_ring_prod__tx_desc(&peer->tx, to + at)->len = len;
		xsk_ring_prod__tx_desc(&peer->tx, to + at)->options = 0;
	}
	xsk_ring_prod__submit(&peer->tx, count);
	peer->outstanding += count;
	kick(peer);
	return count;
}

static void wake(struct peer *peer)
{
	sendto(peer_fd(peer), NULL, 0, MSG_DONTWAIT, NULL, 0);
}

/* `xdpsock -r -c`, but that it looks at the first byte of each packet. */
uint32_t xdpsock_rxdrop(struct peer *peer, uint32_t batch)
{
	return peer_drop(peer, batch);
}

static void xdpsock_complete_l2fwd(struct peer *peer, uint32_t batch)
{
	uint32_t at, from, to, count;

	if (!peer->outstanding)
		return;
	wake(peer);
	count = xsk_ring_cons__peek(&peer->completion, peer->outstanding < batch ? peer->outstanding : batch, &from);
	if (!count)
		return;
	while (xsk_ring_prod__reserve(&peer->fill, count, &to) != count)
		;
	for (at = 0; at < count; at++)
		*xsk_ring_prod__fill_addr(&peer->fill, to + at) =
			*xsk_ring_cons__comp_addr(&peer->completion, from + at);
	xsk_ring_prod__submit(&peer->fill, count);
	xsk_ring_cons__release(&peer->completion, count);
	peer->outstanding -= count;
}

/* `xdpsock -l -c`: calls the kernel before it receives, to send what it received before. */
uint32_t xdpsock_l2fwd(struct peer *peer, uint32_t batch)
{
	uint32_t from, to, count;

	xdpsock_complete_l2fwd(peer, batch);
	count = xsk_ring_cons__peek(&peer->rx, batch, &from);
	if (!count)
		return 0;
	while (xsk_ring_prod__reserve(&peer->tx, count, &to) != count) {
		xdpsock_complete_l2fwd(peer, batch);
		if (xsk_ring_prod__needs_wakeup(&peer->tx))
			wake(peer);
	}
	turn(peer, from, to, count);
	xsk_ring_prod__submit(&peer->tx, count);
	xsk_ring_cons__release(&peer->rx, count);
	peer->outstanding += count;
	return count;
}

static void xdpsock_complete_tx(struct peer *peer, uint32_t batch)
{
	uint32_t from, count;

	if (!peer->outstanding)
		return;
	if (xsk_ring_prod__needs_wakeup(&peer->tx))
		wake(peer);
	count = xsk_ring_cons__peek(&peer->completion, batch, &from);
	if (count) {
		xsk_ring_cons__release(&peer->completion, count);
		peer->outstanding -= count;
	}
}

/* `xdpsock -t -c`: the packet is in all frames from the beginning; they are sent in turn. */
uint32_t xdpsock_txonly(struct peer *peer, uint32_t batch, const uint8_t *packet, uint32_t len)
{
	uint32_t at, to;

	for (at = peer->free_count; at; at--)
		memcpy(xsk_umem__get_data(peer->memory, peer->free[at - 1]), packet, len);
	peer->free_count = 0;
	while (xsk_ring_prod__reserve(&peer->tx, batch, &to) < batch)
		xdpsock_complete_tx(peer, batch);
	for (at = 0; at < batch; at++) {
		struct xdp_desc *desc = xsk_ring_prod__tx_desc(&peer->tx, to + at);

		desc->addr = (uint64_t)(peer->next + at) * peer->frame_size;
		desc->len = len;
	}
	xsk_ring_prod__submit(&peer->tx, batch);
	peer->outstanding += batch;
	peer->next = (peer->next + batch) % peer->frames;
	xdpsock_complete_tx(peer, batch);
	return batch;
}
