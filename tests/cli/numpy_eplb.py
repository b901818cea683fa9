"""The published load balancer again, from its description and in NumPy: what `fathom balance --policy published` must print.

Written without a look at the C++: whole arrays where that one loops, and ties settled by stable sorts and by argmax and
argmin, which give the first of equals.
"""

import numpy as np


def pack(weight, packs):
    """(pack, rank) of each item; the same number of items in each pack."""
    capacity = len(weight) // packs
    if capacity == 1:
        return np.arange(len(weight)), np.zeros(len(weight), np.int64)
    sums = np.zeros(packs, np.float32)
    sizes = np.zeros(packs, np.int64)
    pack_of = np.empty(len(weight), np.int64)
    rank_of = np.empty(len(weight), np.int64)
    for item in np.argsort(-weight, kind="stable"):
        target = np.argmin(np.where(sizes < capacity, sums, np.float32(np.inf)))
        pack_of[item], rank_of[item] = target, sizes[target]
        sums[target] += weight[item]
        sizes[target] += 1
    return pack_of, rank_of


def replicate(weight, slots):
    """(item, replica number) of each slot, and how many each item has."""
    items, numbers, counts = list(range(len(weight))), [0] * len(weight), np.ones(len(weight), np.int64)
    while len(items) < slots:
        item = int(np.argmax(weight / counts.astype(np.float32)))
        items.append(item)
        numbers.append(int(counts[item]))
        counts[item] += 1
    return np.array(items), np.array(numbers), counts


def layer(weight, replicas, groups, nodes, gpus):
    """(expert, replica number) of each slot."""
    size = len(weight) // groups
    sums = np.array([np.cumsum(group, dtype=np.float32)[-1] for group in weight.reshape(groups, size)])
    node, rank = pack(sums, nodes)
    group_order = np.argsort(node * (groups // nodes) + rank)
    experts = (group_order[:, None] * size + np.arange(size)).reshape(nodes, -1)
    phy2log, phyrank = np.empty(replicas, np.int64), np.empty(replicas, np.int64)
    per_node, per_gpu = replicas // nodes, replicas // gpus
    for n in range(nodes):
        items, numbers, counts = replicate(weight[experts[n]], per_node)
        gpu, place = pack((weight[experts[n]] / counts.astype(np.float32))[items], gpus // nodes)
        slots = n * per_node + gpu * per_gpu + place
        phy2log[slots], phyrank[slots] = experts[n][items], numbers
    return phy2log, phyrank


def rebalance(weight, replicas, groups, nodes, gpus):
    """(phy2log, log2phy, logcnt) as the published function returns them."""
    weight = np.asarray(weight).astype(np.float32)
    if groups % nodes:
        groups = nodes = 1
    layers = [layer(row, replicas, groups, nodes, gpus) for row in weight]
    phy2log = np.stack([phy for phy, _ in layers])
    logcnt = np.stack([np.bincount(phy, minlength=weight.shape[1]) for phy in phy2log])
    log2phy = np.full((*weight.shape, logcnt.max()), -1)
    for i, (phy, number) in enumerate(layers):
        log2phy[i, phy, number] = np.arange(replicas)
    return phy2log, log2phy, logcnt
