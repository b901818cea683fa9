"""The forward pass of torch.nn.Linear in FP8: weights quantised once, activations at every call.

    python3 examples/python/fp8_linear.py     # on a Hopper GPU where there is one, else on the CPU
"""

import fathom
import torch


class Fp8Linear(torch.nn.Module):
    """y = x @ weight.T + bias for inference, from an nn.Linear of any type."""

    def __init__(self, linear: torch.nn.Linear) -> None:
        super().__init__()
        weight, scale = fathom.quantize_128x128(linear.weight.detach().contiguous())
        self.register_buffer("weight", weight)
        self.register_buffer("weight_scale", scale)
        self.bias = linear.bias

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = x.reshape(-1, x.shape[-1])  # gemm's a is [m, k]
        q, scale = fathom.quantize_1x128(rows)
        y = fathom.gemm(q, scale, self.weight, self.weight_scale)
        if self.bias is not None:
            y = y + self.bias
        return y.reshape(*x.shape[:-1], y.shape[-1])


def main() -> None:
    torch.manual_seed(1)
    on_hopper = torch.cuda.is_available() and torch.cuda.get_device_capability() == (9, 0)
    device = "cuda" if on_hopper else "cpu"
    linear = torch.nn.Linear(1024, 576).to(device, torch.bfloat16)
    x = torch.randn(2, 50, 1024, device=device, dtype=torch.bfloat16)
    with torch.no_grad():
        exact = linear.double()(x.double())
        y = Fp8Linear(linear.bfloat16())(x)
    error = ((y - exact).norm() / exact.norm()).item()
    print(f"{device}: y {list(y.shape)}, relative error against FP64 of the unquantised layer {error:.4f}")
    assert error < 0.05  # E4M3 keeps 3 bits of mantissa: about 0.026 for each operand, 0.037 for both


if __name__ == "__main__":
    main()
