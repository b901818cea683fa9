"""Helpers for tests on several GPUs. Sees nothing else of the package."""

import os


def init_dist(local_rank, num_local_ranks):
    """Joins the process group that MASTER_ADDR, MASTER_PORT, WORLD_SIZE (nodes) and RANK (of this node) describe.

    Returns (rank, number of ranks, the group of all). NCCL where there is a GPU, else gloo.
    """
    import torch
    import torch.distributed

    nodes, node = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    address = f"tcp://{os.environ.get('MASTER_ADDR', '127.0.0.1')}:{os.environ.get('MASTER_PORT', '8361')}"
    if torch.cuda.is_available():
        torch.cuda.set_device(local_rank)
    torch.distributed.init_process_group(backend="nccl" if torch.cuda.is_available() else "gloo", init_method=address,
                                         world_size=nodes * num_local_ranks, rank=node * num_local_ranks + local_rank)
    ranks = torch.distributed.get_world_size()
    return torch.distributed.get_rank(), ranks, torch.distributed.new_group(list(range(ranks)))


def uneven_all_gather(tensor, dim=0, group=None):
    """The tensors of all ranks, one behind the other along `dim`, where they may differ in size."""
    import torch
    import torch.distributed

    ranks = torch.distributed.get_world_size(group)
    sizes = torch.empty(ranks, dtype=torch.int64, device=tensor.device)
    mine = torch.tensor([tensor.size(dim)], dtype=torch.int64, device=tensor.device)
    torch.distributed.all_gather(list(sizes.split(1)), mine, group=group)
    sizes = sizes.tolist()
    shape = list(tensor.shape)
    shape[dim] = max(sizes)
    padded = tensor.new_zeros(shape)
    padded.narrow(dim, 0, tensor.size(dim)).copy_(tensor)
    gathered = [torch.empty_like(padded) for _ in range(ranks)]
    torch.distributed.all_gather(gathered, padded, group=group)
    return torch.cat([part.narrow(dim, 0, size) for part, size in zip(gathered, sizes)], dim=dim)


def dist_print(*words, once_in_node=False, **options):
    """print on one rank only: the first of all, or the first of each node."""
    import torch.distributed

    ready = torch.distributed.is_available() and torch.distributed.is_initialized()
    rank = int(os.environ.get("LOCAL_RANK", "0")) if once_in_node else torch.distributed.get_rank() if ready else 0
    if rank == 0:
        print(*words, **options)
