"""The layer of moe_layer.py with its experts spread over the processes of torch.distributed.

    python3 examples/python/expert_parallel_moe.py 2     # two processes: NCCL where each gets a Hopper GPU, else gloo

Each process routes its own tokens, sends every row to the process that holds its expert, multiplies what it received, and
sends the results back: two all_to_all of rows and one of counts.
"""

import os
import sys
import tempfile
from typing import List

import torch
import torch.distributed as dist
from moe_layer import CHOSEN, EXPERTS, HIDDEN, Experts, exact_moe, make_layer


def exchange(rows: torch.Tensor, sent: List[int], received: List[int]) -> torch.Tensor:
    """Row blocks to every process and from every process, sizes known on both sides. As bytes: gloo of torch 2.1 has no bf16."""
    arrived = rows.new_empty(sum(received), *rows.shape[1:])
    dist.all_to_all_single(arrived.view(torch.uint8), rows.contiguous().view(torch.uint8), received, sent)
    return arrived


def expert_parallel_moe(x: torch.Tensor, router: torch.Tensor, experts: Experts) -> torch.Tensor:
    """x [tokens, HIDDEN] of this process; `experts` are those that live here, EXPERTS / processes of them."""
    world, here = dist.get_world_size(), EXPERTS // dist.get_world_size()
    weight, expert = torch.topk(torch.softmax(x.float() @ router.float().T, -1), CHOSEN, -1)
    order = torch.argsort(expert.reshape(-1), stable=True)  # by expert, and so by the process that holds it
    counts = torch.bincount(expert.reshape(-1), minlength=EXPERTS)
    arriving = torch.empty_like(counts)  # [process, expert of this one]: how many rows each sends
    dist.all_to_all_single(arriving, counts)
    sent = counts.reshape(world, here).sum(1).tolist()
    received = arriving.reshape(world, here).sum(1).tolist()
    rows = exchange(x[order // CHOSEN], sent, received)

    # The rows lie by sender, then by expert; the products want them by expert.
    owner = torch.arange(here, device=x.device).repeat(world).repeat_interleave(arriving)
    by_expert = torch.argsort(owner, stable=True)
    offsets = torch.nn.functional.pad(arriving.reshape(world, here).sum(0).cumsum(0), (1, 0))
    y = torch.empty_like(rows)
    y[by_expert] = experts(rows[by_expert], offsets)

    weighted = exchange(y, received, sent).float() * weight.reshape(-1)[order, None]
    return torch.zeros_like(x, dtype=torch.float32).index_add_(0, order // CHOSEN, weighted).to(x.dtype)


def process(rank: int, world: int, meeting: str) -> None:
    hopper = torch.cuda.is_available() and torch.cuda.get_device_capability() == (9, 0)
    on_gpus = hopper and torch.cuda.device_count() >= world
    device = f"cuda:{rank}" if on_gpus else "cpu"
    if on_gpus:
        torch.cuda.set_device(rank)
    dist.init_process_group("nccl" if on_gpus else "gloo", init_method=f"file://{meeting}", rank=rank, world_size=world)
    router, gate_up, down = make_layer(device)
    mine = slice(rank * EXPERTS // world, (rank + 1) * EXPERTS // world)
    x = torch.randn(100 + rank, HIDDEN, generator=torch.Generator().manual_seed(rank)).to(device, torch.bfloat16)
    y = expert_parallel_moe(x, router, Experts(gate_up[mine], down[mine]))
    exact = exact_moe(x, router, gate_up, down)
    error = ((y - exact).norm() / exact.norm()).item()
    print(f"process {rank} of {world} on {device} ({dist.get_backend()}): y {list(y.shape)}, relative error {error:.4f}",
          flush=True)
    assert error < 0.08
    dist.destroy_process_group()


def main() -> None:
    world = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.spawn(process, args=(world, os.path.join(folder, "meeting")), nprocs=world)


if __name__ == "__main__":
    main()
