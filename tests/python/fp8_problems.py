"""Problems for the tests of deep_gemm: FP8 operands, the product of what they stand for in FP64, and how right a result must be.

Needs torch. Nothing here calls the code under test but the casts that the drop-in offers.
"""

import torch
from deep_gemm.utils import ceil_div, per_block_cast_to_fp8, per_token_cast_to_fp8

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
SEED = 20261121


def generator(offset=0):
    return torch.Generator(device="cpu").manual_seed(SEED + offset)


def random(*shape, offset=0):
    """bf16 of a normal distribution, the same on every device."""
    return torch.randn(shape, generator=generator(offset)).to(torch.bfloat16).to(DEVICE)


def activations(m, k, offset=0):
    """(e4m3 [m, k], scale [m, ceil(k / 128)])."""
    return per_token_cast_to_fp8(random(m, k, offset=offset), False)


def weights(n, k, offset=1):
    """(e4m3 [n, k], scale [ceil(n / 128), ceil(k / 128)])."""
    return per_block_cast_to_fp8(random(n, k, offset=offset), False)


def expert_weights(groups, n, k, offset=1):
    pairs = [weights(n, k, offset=offset + g) for g in range(groups)]
    return torch.stack([q.view(torch.uint8) for q, _ in pairs]).view(torch.float8_e4m3fn), torch.stack([s for _, s in pairs])


def dequantised(q, scale, rows=1):
    """What an operand stands for, in FP64 on the CPU; `rows` share a scale."""
    wide = scale.double().cpu().repeat_interleave(rows, dim=-2).repeat_interleave(128, dim=-1)
    return q.cpu().double() * wide[..., :q.size(-2), :q.size(-1)]


def bf16(*shape, fill=None):
    """An output: canaries, so that what is not written is seen."""
    out = torch.empty(shape, dtype=torch.bfloat16, device=DEVICE)
    return out.fill_(-777.0 if fill is None else fill)


def check(got, a, b, c=None):
    """`a`, `b`: FP64 operands [m, k], [n, k]. docs/numerics.md, the row of the backend."""
    exact = a @ b.T if c is None else a @ b.T + c.cpu().double()
    magnitude = a.abs() @ b.abs().T if c is None else a.abs() @ b.abs().T + c.cpu().double().abs()
    error = (got.cpu().double() - exact).abs()
    half_unit = 2.0 ** -8 if got.dtype == torch.bfloat16 else 2.0 ** -24
    share = 2.0 ** -11 if got.is_cuda else 2.0 ** -17
    bound = half_unit * exact.abs() + share * magnitude
    worst = (error / bound.clamp(min=1e-30)).max().item() if error.numel() else 0
    assert worst <= 1, f"an element is {worst:.2f} times its bound off (seed {SEED})"
    if got.numel() >= 4096:
        norm = (error.norm() / exact.norm()).item()
        limit = 2e-3 if got.dtype == torch.bfloat16 else 5e-4
        assert norm <= limit, f"norm-wise error {norm:.2e}, limit {limit:.0e} (seed {SEED})"


class Contiguous:
    """Rows in groups behind each other, each group padded to 128 rows; rows of nobody hold NaN patterns."""

    def __init__(self, sizes, n, k, alignment=128):
        self.sizes, self.alignment = sizes, alignment
        starts, ends, owner = [], [], []
        for g, size in enumerate(sizes):
            starts.append(len(owner))
            ends.append(len(owner) + size)
            owner += [g] * size + [-1] * (ceil_div(size, alignment) * alignment - size)
        self.starts, self.ends = starts, ends
        self.m = len(owner)
        self.owner = torch.tensor(owner, dtype=torch.int32)
        self.m_indices = self.owner.to(DEVICE)
        self.group_end = torch.tensor(ends, dtype=torch.int32, device=DEVICE)
        self.a = activations(self.m, k)
        nobody = self.m_indices < 0
        self.a[0].view(torch.uint8)[nobody] = 0x7F
        self.a[1][nobody] = float("nan")
        self.b = expert_weights(len(sizes), n, k)

    def check(self, d, padding):
        """`padding`: what rows of nobody must hold."""
        a, b = dequantised(*self.a), dequantised(*self.b, rows=128)
        for g, (start, end) in enumerate(zip(self.starts, self.ends)):
            check(d[start:end], a[start:end], b[g])
        nobody = d.cpu()[self.owner < 0]
        assert torch.equal(nobody, torch.full_like(nobody, padding))


class Masked:
    """[groups, max_m] rows, the first rows[g] of each counting; the others hold NaN patterns."""

    def __init__(self, rows, max_m, n, k):
        groups = len(rows)
        self.rows = rows
        q, scale = activations(groups * max_m, k)
        self.a = q.view(groups, max_m, k), scale.view(groups, max_m, -1)
        for g, count in enumerate(rows):
            self.a[0].view(torch.uint8)[g, count:] = 0x7F
            self.a[1][g, count:] = float("nan")
        self.b = expert_weights(groups, n, k)
        self.masked_m = torch.tensor(rows, dtype=torch.int32, device=DEVICE)
        self.d = bf16(groups, max_m, n)

    def check(self, d):
        a, b = dequantised(*self.a), dequantised(*self.b, rows=128)
        for g, count in enumerate(self.rows):
            check(d[g, :count], a[g, :count], b[g])
            assert torch.all(d[g, count:] == -777), "rows behind masked_m were written"
