"""A mixture-of-experts layer over 8 experts: route, sort the tokens by expert, two grouped products, put them back.

    python3 examples/python/moe_layer.py     # on a Hopper GPU where there is one, else on the CPU
"""

from typing import Tuple

import fathom
import torch

EXPERTS, CHOSEN, HIDDEN, INNER = 8, 2, 256, 128  # experts, of which each token gets two; widths


def quantize_experts(weights: torch.Tensor) -> Tuple[torch.Tensor, torch.Tensor]:
    """[experts, n, k] -> FP8 and one scale for each 128 x 128 block. n and k are multiples of 128 here."""
    experts, n, k = weights.shape
    q, scale = fathom.quantize_128x128(weights.reshape(experts * n, k))
    return q.reshape(experts, n, k), scale.reshape(experts, n // 128, k // 128)


class Experts:
    """SwiGLU experts: down(silu(gate(x)) * up(x)), gate and up in one product."""

    def __init__(self, gate_up: torch.Tensor, down: torch.Tensor) -> None:
        self.gate_up, self.gate_up_scale = quantize_experts(gate_up)  # [experts, 2 * INNER, HIDDEN]
        self.down, self.down_scale = quantize_experts(down)  # [experts, HIDDEN, INNER]

    def __call__(self, rows: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
        """rows [m, HIDDEN], sorted by expert: expert e has rows offsets[e] to offsets[e + 1]. Any counts, none padded."""
        q, scale = fathom.quantize_1x128(rows)
        both = fathom.grouped_gemm(q, scale, self.gate_up, self.gate_up_scale, offsets=offsets)
        gate, up = both.chunk(2, dim=-1)
        q, scale = fathom.quantize_1x128((torch.nn.functional.silu(gate) * up).contiguous())
        return fathom.grouped_gemm(q, scale, self.down, self.down_scale, offsets=offsets)


def moe(x: torch.Tensor, router: torch.Tensor, experts: Experts) -> torch.Tensor:
    """x [tokens, HIDDEN] -> [tokens, HIDDEN]; router [EXPERTS, HIDDEN]. Everything stays on the device of x."""
    weight, expert = torch.topk(torch.softmax(x.float() @ router.float().T, -1), CHOSEN, -1)
    order = torch.argsort(expert.reshape(-1), stable=True)
    counts = torch.bincount(expert.reshape(-1), minlength=EXPERTS)
    offsets = torch.nn.functional.pad(counts.cumsum(0), (1, 0))
    y = experts(x[order // CHOSEN], offsets)
    weighted = y.float() * weight.reshape(-1)[order, None]
    return torch.zeros_like(x, dtype=torch.float32).index_add_(0, order // CHOSEN, weighted).to(x.dtype)


def make_layer(device: str) -> Tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Router, gate_up and down with random weights, the same on every device."""
    generator = torch.Generator().manual_seed(1)
    router = torch.randn(EXPERTS, HIDDEN, generator=generator) / 16
    gate_up = torch.randn(EXPERTS, 2 * INNER, HIDDEN, generator=generator) / 16
    down = torch.randn(EXPERTS, HIDDEN, INNER, generator=generator) / 11
    return router.to(device), gate_up.to(device), down.to(device)


def exact_moe(x: torch.Tensor, router: torch.Tensor, gate_up: torch.Tensor, down: torch.Tensor) -> torch.Tensor:
    """The same layer in FP64, one expert after the other."""
    weight, expert = torch.topk(torch.softmax(x.float() @ router.float().T, -1), CHOSEN, -1)
    y = torch.zeros_like(x, dtype=torch.float64)
    for e in range(EXPERTS):
        token, choice = (expert == e).nonzero(as_tuple=True)
        gate, up = (x[token].double() @ gate_up[e].double().T).chunk(2, -1)
        out = (torch.nn.functional.silu(gate) * up) @ down[e].double().T
        y.index_add_(0, token, out * weight[token, choice, None].double())
    return y


def main() -> None:
    on_hopper = torch.cuda.is_available() and torch.cuda.get_device_capability() == (9, 0)
    device = "cuda" if on_hopper else "cpu"
    router, gate_up, down = make_layer(device)
    x = torch.randn(100, HIDDEN, generator=torch.Generator().manual_seed(2)).to(device, torch.bfloat16)
    y, exact = moe(x, router, Experts(gate_up, down)), exact_moe(x, router, gate_up, down)
    error = ((y - exact).norm() / exact.norm()).item()
    print(f"{device}: y {list(y.shape)}, relative error against FP64 of the unquantised layer {error:.4f}")
    assert error < 0.08  # two products in a row, each with about 0.037


if __name__ == "__main__":
    main()
