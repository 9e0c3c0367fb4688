// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The devices of every network namespace: their numbers of /proc/net/dev, and whether any has a queueing discipline
 * that can hold packets.
 *
 * Hook: none, see netns_rows.h. Kernel: 5.19, for bpf_loop and bpf_map_lookup_percpu_elem.
 *
 * Each driver adds up in its own way. Those of pods' devices are known here: loopback, veth, and what counts in the way
 * that tunnels and bridges share. A namespace with any other device is marked, and user space reads the file there.
 *
 * A veth counts what it sends, and has received what its peer sent. With XDP or GRO a queue counts what came through
 * it, and what was sent is what came through the queues of the peer.
 */
#include "name.h"
#include "percpu.h"

#define MOST_DEVICES 8
#define WALKED 65536
#define MOST_QUEUES 4096
#define TCQ_F_BUILTIN 1
#define PRIVATE_ALIGNMENT 32

struct device {
	char name[16];
	__u64 rx_bytes;
	__u64 rx_packets;
	__u64 rx_errs;
	__u64 rx_drop;
	__u64 tx_bytes;
	__u64 tx_packets;
	__u64 tx_errs;
	__u64 tx_drop;
};

struct row {
	__u64 inode;
	__u32 devices; /* how many of those below are in use */
	__u32 unknown; /* how many there are whose numbers are not below */
	__u64 queues; /* how many have a discipline that can hold packets */
	struct device device[MOST_DEVICES];
};

#include "netns_rows.h"

/* Of one device, added up over the CPUs or queues; where they are is per CPU. */
struct sent {
	const void *packets_at, *bytes_at;
	__u64 packets, bytes;
};

struct full {
	const void *percpu;
	__u64 rx_packets, rx_bytes, tx_packets, tx_bytes;
};

struct dropped {
	const void *percpu;
	__u64 received, sent;
};

struct queues {
	const void *first;
	__u64 packets, bytes, drops, send_errors, errors_of_peer;
};

/* What wraps the number differs from machine to machine, and is as large as it. */
static __always_inline __u64 counted(const u64_stats_t *wrapped)
{
	__u64 number = 0;

	bpf_probe_read_kernel(&number, sizeof(number), wrapped);
	return number;
}

static long add_sent(__u32 cpu, struct sent *sum)
{
	sum->packets += counted(of_cpu(sum->packets_at, cpu));
	sum->bytes += counted(of_cpu(sum->bytes_at, cpu));
	return 0;
}

static long add_full(__u32 cpu, struct full *sum)
{
	const struct pcpu_sw_netstats *theirs = of_cpu(sum->percpu, cpu);

	sum->rx_packets += counted(&theirs->rx_packets);
	sum->rx_bytes += counted(&theirs->rx_bytes);
	sum->tx_packets += counted(&theirs->tx_packets);
	sum->tx_bytes += counted(&theirs->tx_bytes);
	return 0;
}

static long add_dropped(__u32 cpu, struct dropped *sum)
{
	const struct net_device_core_stats *theirs = of_cpu(sum->percpu, cpu);

	sum->received += BPF_CORE_READ(theirs, rx_dropped);
	sum->sent += BPF_CORE_READ(theirs, tx_dropped);
	return 0;
}

static long add_queue(__u32 index, struct queues *sum)
{
	const struct veth_rq *queue = sum->first + (__u64)index * bpf_core_type_size(struct veth_rq);

	sum->packets += BPF_CORE_READ(queue, stats.vs.xdp_packets);
	sum->bytes += BPF_CORE_READ(queue, stats.vs.xdp_bytes);
	sum->drops += BPF_CORE_READ(queue, stats.vs.rx_drops);
	sum->send_errors += BPF_CORE_READ(queue, stats.vs.xdp_tx_err);
	sum->errors_of_peer += BPF_CORE_READ(queue, stats.vs.peer_tq_xdp_xmit_err);
	return 0;
}

static __always_inline struct veth_priv *veth_of(struct net_device *dev)
{
	__u32 behind = (bpf_core_type_size(struct net_device) + PRIVATE_ALIGNMENT - 1) & -PRIVATE_ALIGNMENT;

	return (void *)dev + (bpf_core_field_exists(dev->priv) ? bpf_core_field_offset(dev->priv) : behind);
}

static __always_inline void add_queues(struct queues *sum, struct net_device *dev)
{
	sum->first = BPF_CORE_READ(veth_of(dev), rq);
	bpf_loop(BPF_CORE_READ(dev, real_num_rx_queues) & (MOST_QUEUES - 1), add_queue, sum, 0);
}

/* Since Linux 6.9 a device says in which shape it counts; before, loopback and veth had but one. */
static __always_inline int has_full(struct net_device *dev)
{
	return bpf_core_field_exists(dev->pcpu_stat_type) &&
	       BPF_CORE_READ_BITFIELD_PROBED(dev, pcpu_stat_type) ==
		       bpf_core_enum_value(enum netdev_stat_type, NETDEV_PCPU_STAT_TSTATS);
}

static __always_inline void add_up_sent(struct sent *sum, struct net_device *dev, __u32 cpus)
{
	struct pcpu_sw_netstats *full = BPF_CORE_READ(dev, tstats);
	struct pcpu_lstats *light = BPF_CORE_READ(dev, lstats);

	if (!light)
		return;
	sum->packets_at = has_full(dev) ? &full->tx_packets : &light->packets;
	sum->bytes_at = has_full(dev) ? &full->tx_bytes : &light->bytes;
	bpf_loop(cpus, add_sent, sum, 0);
}

static __noinline int read_loopback(struct device *row, struct net_device *dev, __u32 cpus)
{
	struct sent sum = {};

	if (!row)
		return 0;
	add_up_sent(&sum, dev, cpus);
	row->rx_packets = row->tx_packets = sum.packets;
	row->rx_bytes = row->tx_bytes = sum.bytes;
	return 1;
}

static __noinline int read_veth(struct device *row, struct net_device *dev, __u32 cpus)
{
	struct veth_priv *veth = veth_of(dev);
	struct net_device *peer = BPF_CORE_READ(veth, peer);
	struct sent sent = {}, received = {};
	struct queues ours = {}, theirs = {};

	if (!row)
		return 0;
	add_up_sent(&sent, dev, cpus);
	add_queues(&ours, dev);
	if (peer) {
		add_up_sent(&received, peer, cpus);
		add_queues(&theirs, peer);
	}
	row->rx_packets = received.packets + ours.packets;
	row->rx_bytes = received.bytes + ours.bytes;
	row->rx_drop = ours.drops + ours.errors_of_peer + theirs.send_errors;
	row->tx_packets = sent.packets + theirs.packets;
	row->tx_bytes = sent.bytes + theirs.bytes;
	row->tx_drop = BPF_CORE_READ(veth, dropped.counter) + ours.send_errors + theirs.errors_of_peer;
	return 1;
}

static __noinline int read_tunnel(struct device *row, struct net_device *dev, __u32 cpus)
{
	struct full sum = {.percpu = BPF_CORE_READ(dev, tstats)};
	struct net_device_stats *stats = &dev->stats;

	if (!row)
		return 0;
	bpf_loop(cpus, add_full, &sum, 0);
	row->rx_packets = BPF_CORE_READ(stats, rx_packets) + sum.rx_packets;
	row->rx_bytes = BPF_CORE_READ(stats, rx_bytes) + sum.rx_bytes;
	row->rx_errs = BPF_CORE_READ(stats, rx_errors);
	row->rx_drop = BPF_CORE_READ(stats, rx_dropped) + BPF_CORE_READ(stats, rx_missed_errors);
	row->tx_packets = BPF_CORE_READ(stats, tx_packets) + sum.tx_packets;
	row->tx_bytes = BPF_CORE_READ(stats, tx_bytes) + sum.tx_bytes;
	row->tx_errs = BPF_CORE_READ(stats, tx_errors);
	row->tx_drop = BPF_CORE_READ(stats, tx_dropped);
	return 1;
}

/* Since Linux 6.13 a device may leave the adding up to the kernel. */
static __always_inline int counts_as_tunnel(struct net_device *dev)
{
	return has_full(dev) && !BPF_CORE_READ(dev, netdev_ops, ndo_get_stats64) &&
	       !BPF_CORE_READ(dev, netdev_ops, ndo_get_stats);
}

static __always_inline int is_veth(struct net_device *dev)
{
	union name kind = {};

	if (!bpf_core_type_exists(struct veth_priv))
		return 0;
	bpf_probe_read_kernel_str(&kind, sizeof(kind), BPF_CORE_READ(dev, rtnl_link_ops, kind));
	return kind.number == NAME("veth");
}

static __always_inline void read_device(struct row *row, struct net *net, struct net_device *dev, __u32 cpus)
{
	struct dropped dropped = {.percpu = BPF_CORE_READ(dev, core_stats)};
	__u32 place = row->devices;
	struct device *device;
	int known = 0;

	if (place >= MOST_DEVICES) {
		row->unknown++;
		return;
	}
	device = &row->device[place];
	__builtin_memset(device, 0, sizeof(*device));
	bpf_core_read_str(device->name, sizeof(device->name), &dev->name);
	if (dev == BPF_CORE_READ(net, loopback_dev))
		known = read_loopback(device, dev, cpus);
	else if (is_veth(dev))
		known = read_veth(device, dev, cpus);
	else if (counts_as_tunnel(dev))
		known = read_tunnel(device, dev, cpus);
	bpf_loop(cpus, add_dropped, &dropped, 0);
	device->rx_drop += dropped.received;
	device->tx_drop += dropped.sent;
	if (known)
		row->devices = place + 1;
	else
		row->unknown++;
}

/* Some disciplines are of the kernel alone and in no dump; noqueue is in it and holds nothing. */
static __always_inline int can_hold(struct net_device *dev)
{
	struct Qdisc *qdisc = BPF_CORE_READ(dev, qdisc);
	const struct Qdisc_ops *ops = BPF_CORE_READ(qdisc, ops);
	union name name = {};

	bpf_core_read(&name, sizeof(name), &ops->id);
	return !(BPF_CORE_READ(qdisc, flags) & TCQ_F_BUILTIN) && name.number != NAME("noqueue");
}

struct devices_walk {
	struct row *row;
	struct net *net;
	struct list_head *head, *position;
	__u32 cpus;
};

static long visit_device(__u32 index, struct devices_walk *walk)
{
	struct list_head *position = walk->position, *next = BPF_CORE_READ(position, next);
	struct net_device *dev = (void *)position - bpf_core_field_offset(struct net_device, dev_list);
	struct row *row = walk->row;

	if (position == walk->head)
		return 1;
	walk->position = next;
	if (!row)
		return 1;
	row->queues += can_hold(dev);
	read_device(row, walk->net, dev, walk->cpus);
	/* A device that was taken off the list may be another's memory by now. */
	if (BPF_CORE_READ(next, prev) != position || BPF_CORE_READ(dev, nd_net.net) != walk->net)
		walk->position = 0;
	return !walk->position;
}

static int read_row(struct row *row, struct net *net, __u32 cpus)
{
	struct list_head *head = (void *)net + bpf_core_field_offset(struct net, dev_base_head);
	struct devices_walk walk = {.row = row, .net = net, .head = head, .cpus = cpus};

	row->devices = row->unknown = row->queues = 0;
	walk.position = BPF_CORE_READ(head, next);
	bpf_loop(WALKED, visit_device, &walk, 0);
	return walk.position == head;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
