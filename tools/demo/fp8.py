"""FP8 e4m3 and its block scales in NumPy, written from docs/numerics.md and independent of the library: the demo and the
tests check the library's bytes against it."""

import numpy as np

E4M3_MAX = np.float32(448)
AMAX_FLOOR = np.float32(1e-4)  # a block of zeros gets the scale 1e-4 / 448
BLOCK = 128


def _decode_table():
    """The 256 values, by the format: 1 sign, 4 exponent bits (bias 7), 3 mantissa bits, no infinity."""
    codes = np.arange(256)
    sign = np.where(codes & 0x80, -1.0, 1.0)
    exponent, mantissa = (codes >> 3) & 15, codes & 7
    normal = (1 + mantissa / 8) * 2.0 ** (exponent - 7)
    values = sign * np.where(exponent == 0, mantissa / 8 * 2.0**-6, normal)
    values[(codes & 0x7F) == 0x7F] = np.nan
    return values


VALUES = _decode_table()
_MIDPOINTS = (VALUES[0:0x7E] + VALUES[1:0x7F]) / 2  # between neighbours of the positive finite values


def decode(codes):
    """FP64 values of e4m3 codes."""
    return VALUES[codes]


def encode(x):
    """e4m3 codes of FP32 values: to the nearest, ties to the even code, saturating; NaN gives a NaN code."""
    x = np.asarray(x, np.float32)
    magnitude = np.abs(x).astype(np.float64)
    below = np.searchsorted(_MIDPOINTS, magnitude, side="left")
    tie = (below < len(_MIDPOINTS)) & (magnitude == _MIDPOINTS[np.minimum(below, len(_MIDPOINTS) - 1)])
    code = (below + (tie & (below % 2 == 1))).astype(np.uint8)
    code |= np.signbit(x).astype(np.uint8) << 7
    code[np.isnan(x)] = 0x7F  # whatever its sign
    return code


def decode_bf16(bits):
    """FP32 values of bf16 bits."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


def _scale_of(amax, power_of_two):
    with np.errstate(invalid="ignore", over="ignore"):
        scale = np.maximum(amax, AMAX_FLOOR) / E4M3_MAX
    if power_of_two:
        mantissa, exponent = np.frexp(scale)
        scale = np.where(np.isinf(scale), scale, np.ldexp(np.float32(1), exponent - (mantissa == 0.5)))
    return scale.astype(np.float32)


def expand(scale, shape, block_rows):
    """One scale for each element of a [rows, cols] tensor."""
    rows, cols = shape
    return np.repeat(np.repeat(scale, block_rows, axis=0), BLOCK, axis=1)[:rows, :cols]


def quantize(x, block_rows, power_of_two=False):
    """Codes and scales of a [rows, cols] tensor with one scale per block of block_rows x 128."""
    x = np.asarray(x, np.float32)
    rows, cols = x.shape
    padded = np.zeros((-(-rows // block_rows) * block_rows, -(-cols // BLOCK) * BLOCK), np.float32)
    padded[:rows, :cols] = np.where(np.isnan(x), 0, np.abs(x))  # NaN does not count
    amax = padded.reshape(-1, block_rows, padded.shape[1] // BLOCK, BLOCK).max(axis=(1, 3))
    scale = _scale_of(amax, power_of_two)
    with np.errstate(invalid="ignore"):
        return encode(x / expand(scale, x.shape, block_rows)), scale


def quantize_per_tensor(x, block_rows):
    """Codes with a single scale for the whole tensor, the scale repeated in the shape that block_rows x 128 asks for."""
    rows, cols = x.shape
    scale = _scale_of(np.abs(x).max(), False)
    return encode(x / scale), np.full((-(-rows // block_rows), -(-cols // BLOCK)), scale, np.float32)


def dequantize(codes, scale, block_rows):
    """FP64 values that the codes and scales stand for."""
    return decode(codes) * expand(scale, codes.shape, block_rows).astype(np.float64)
