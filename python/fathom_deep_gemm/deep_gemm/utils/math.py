"""Casts to FP8 and FP4 with fine-grained scales, in torch operations on any device.

They multiply by the reciprocal of the scale, as upstream does; fathom.quantize divides (docs/numerics.md) and is one
kernel. Sees nothing else of the package.
"""

import torch

FP8_MAX = 448.0  # largest finite e4m3
FP4_MAX = 6.0  # largest e2m1
SMALLEST_AMAX = 1e-4  # a block of zeros gets this, not a division by zero
_FP4_VALUES = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)


def ceil_div(x, y):
    return (x + y - 1) // y


def align(x, y):
    """x rounded up to a multiple of y."""
    return ceil_div(x, y) * y


def ceil_to_ue8m0(x):
    """The next power of two at or above each |x|, inside the exponents that UE8M0 and FP32 share."""
    bits = x.abs().float().view(torch.int32)
    exponent = (bits >> 23) + ((bits & 0x7FFFFF) != 0).to(torch.int32)
    return (exponent.clamp(1, 254) << 23).view(torch.float32)


def pack_ue8m0_to_int(x):
    """fp32 powers of two [.., 4 j] -> int32 [.., j]: four exponents each, the first in the lowest byte."""
    assert x.dtype == torch.float32 and x.size(-1) % 4 == 0, "pack_ue8m0_to_int: needs fp32 with a last dimension of 4 j"
    bits = x.contiguous().view(torch.int32)
    assert not torch.any(bits & 0x807FFFFF), "pack_ue8m0_to_int: needs powers of two: use ceil_to_ue8m0 first"
    return (bits >> 23).to(torch.uint8).view(torch.int32)


def unpack_ue8m0_from_int(packed):
    """The inverse of pack_ue8m0_to_int."""
    return (packed.contiguous().view(torch.uint8).to(torch.int32) << 23).view(torch.float32)


def _scale_of(amax, use_ue8m0, largest):
    scale = amax.float().clamp(SMALLEST_AMAX) / largest
    return ceil_to_ue8m0(scale) if use_ue8m0 else scale


def _padded(x, rows, cols):
    """x with zeros up to multiples of `rows` and `cols`; x itself where nothing is missing."""
    below, right = -x.size(0) % rows, -x.size(1) % cols
    return torch.nn.functional.pad(x, (0, right, 0, below)) if below or right else x


def _cast_blocks(x, rows, cols, use_ue8m0):
    """One scale per rows x cols block of the matrix x: (e4m3, scale [blocks, blocks]), both contiguous."""
    assert x.dim() == 2, f"the cast needs a matrix and got {x.dim()} dimensions"
    padded = _padded(x, rows, cols)
    blocks = padded.reshape(padded.size(0) // rows, rows, padded.size(1) // cols, cols)
    scale = _scale_of(blocks.abs().amax(dim=(1, 3), keepdim=True), use_ue8m0, FP8_MAX)
    q = (blocks * (1.0 / scale)).to(torch.float8_e4m3fn).view(padded.shape)
    return q[:x.size(0), :x.size(1)].contiguous(), scale[:, 0, :, 0].contiguous()


def per_token_cast_to_fp8(x, use_ue8m0=False, gran_k=128, use_packed_ue8m0=False):
    """[m, k] -> (e4m3 [m, k], scale [m, ceil(k / gran_k)]), packed: int32 [m, ceil(k / gran_k) / 4]."""
    q, scale = _cast_blocks(x, 1, gran_k, use_ue8m0)
    return q, pack_ue8m0_to_int(scale) if use_packed_ue8m0 else scale


def per_channel_cast_to_fp8(x, use_ue8m0=False, gran_k=128):
    """[k, n] with k a multiple of gran_k -> (e4m3 [k, n], scale [k / gran_k, n])."""
    assert x.dim() == 2 and x.size(0) % gran_k == 0, f"per_channel_cast_to_fp8: needs a matrix of {gran_k} j rows"
    return _cast_blocks(x, gran_k, 1, use_ue8m0)


def per_block_cast_to_fp8(x, use_ue8m0=False, gran_k=128):
    """[n, k] -> (e4m3 [n, k], scale [ceil(n / gran_k), ceil(k / gran_k)])."""
    return _cast_blocks(x, gran_k, gran_k, use_ue8m0)


def per_custom_dims_cast_to_fp8(x, dims, use_ue8m0=False):
    """One scale for each index of `dims`, over all others: (e4m3 like x, scale of those dims)."""
    others = [dim for dim in range(x.dim()) if dim not in set(dims)]
    scale = _scale_of(x.abs().amax(dim=others, keepdim=True), use_ue8m0, FP8_MAX)
    return (x * (1.0 / scale)).to(torch.float8_e4m3fn).contiguous(), scale.squeeze()


def _to_fp4(x):
    """e2m1 codes (uint8, 0..15) of x, to nearest, ties to the even code, saturating."""
    values = torch.tensor(_FP4_VALUES, device=x.device)
    middles = (values[1:] + values[:-1]) / 2
    size = x.abs().float()
    code = torch.bucketize(size, middles)  # a tie goes to the lower code
    tie = (size == middles[code.clamp(max=6)]) & (code < 7)
    code = code + (tie & (code % 2 == 1)).to(code.dtype)
    return code.to(torch.uint8) | (torch.signbit(x).to(torch.uint8) << 3)


def _pair_up(codes):
    """Codes [.., 2 j] -> int8 [.., j], the even element in the lower four bits."""
    return (codes[..., 0::2] | (codes[..., 1::2] << 4)).contiguous().view(torch.int8)


def _take_apart(packed):
    """The inverse of _pair_up."""
    byte = packed.contiguous().view(torch.uint8)
    return torch.stack((byte & 15, byte >> 4), dim=-1).flatten(-2)


def per_token_cast_to_fp4(x, use_ue8m0=False, gran_k=128, use_packed_ue8m0=False):
    """[m, k], k even -> (e2m1 pairs int8 [m, k / 2], scale [m, ceil(k / gran_k)]). No GPU kernel here reads FP4."""
    assert x.dim() == 2 and x.size(1) % 2 == 0, "per_token_cast_to_fp4: needs a matrix with an even number of columns"
    padded = _padded(x, 1, gran_k)
    blocks = padded.view(x.size(0), -1, gran_k)
    scale = _scale_of(blocks.abs().amax(dim=2, keepdim=True), use_ue8m0, FP4_MAX)
    codes = _to_fp4(blocks * (1.0 / scale)).view(padded.shape)[:, :x.size(1)]
    scale = scale.squeeze(2).contiguous()
    return _pair_up(codes), pack_ue8m0_to_int(scale) if use_packed_ue8m0 else scale


def transpose_packed_fp4(packed):
    """FP4 pairs of a matrix [m, k] -> those of its transpose [k, m]; m must be even."""
    assert packed.dim() == 2 and packed.size(0) % 2 == 0, "transpose_packed_fp4: needs a matrix with an even number of rows"
    return _pair_up(_take_apart(packed).T)


def cast_back_from_fp4(packed, scale, gran_k=128):
    """What per_token_cast_to_fp4 wrote, as fp32 [m, k]."""
    codes = _take_apart(packed).long()
    if scale.dtype == torch.int32:
        scale = unpack_ue8m0_from_int(scale)
    values = torch.tensor(_FP4_VALUES, device=packed.device)
    x = torch.where(codes < 8, values[codes & 7], -values[codes & 7])
    return x * scale.repeat_interleave(gran_k, dim=1)[:, :x.size(1)]
