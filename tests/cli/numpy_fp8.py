"""e4m3, bf16 and the quantiser once more, in NumPy and from the specification alone: independent of the program.

e4m3: 1 sign, 4 exponent (bias 7), 3 mantissa bits; no infinity; NaN is S.1111.111; the largest number is 448.
"""

import numpy as np


def _e4m3_values():
    values = np.empty(256, np.float64)
    for code in range(256):
        exponent, mantissa = code >> 3 & 15, code & 7
        magnitude = mantissa / 8 * 2.0**-6 if exponent == 0 else (1 + mantissa / 8) * 2.0 ** (exponent - 7)
        if exponent == 15 and mantissa == 7:
            magnitude = np.nan
        values[code] = -magnitude if code & 128 else magnitude
    return values


E4M3 = _e4m3_values()


def decode_e4m3(codes):
    return E4M3[codes]


def encode_e4m3(x):
    """float32 -> codes: nearest, ties to the even code, saturating; NaN -> 0x7f with the sign."""
    positive = E4M3[:127]  # 0 to 448, ascending
    magnitude = np.minimum(np.abs(x.astype(np.float64)), 448.0)
    upper = np.clip(np.searchsorted(positive, np.nan_to_num(magnitude)), 1, 126)
    lower = upper - 1
    down, up = magnitude - positive[lower], positive[upper] - magnitude
    code = np.where((up < down) | ((up == down) & (upper % 2 == 0)), upper, lower)
    code = np.where(np.isnan(x), 0x7F, code)
    return (code | np.where(np.signbit(x), 0x80, 0)).astype(np.uint8)


def decode_bf16(bits):
    return (bits.astype(np.uint32) << 16).view(np.float32)


def quantize_128x128(x, power_of_two_scales=False):
    """codes [rows, cols] and scales [ceil(rows / 128), ceil(cols / 128)] of a float32 matrix."""
    rows, cols = x.shape
    codes = np.zeros((rows, cols), np.uint8)
    scales = np.zeros((-(-rows // 128), -(-cols // 128)), np.float32)
    with np.errstate(all="ignore"):
        for i in range(scales.shape[0]):
            for j in range(scales.shape[1]):
                block = x[128 * i:128 * i + 128, 128 * j:128 * j + 128]
                finite_or_inf = np.abs(block[~np.isnan(block)])
                amax = max(finite_or_inf.max(initial=np.float32(0)), np.float32(1e-4))
                scale = np.float32(amax) / np.float32(448)
                if power_of_two_scales and np.isfinite(scale):
                    fraction, exponent = np.frexp(scale)
                    scale = np.ldexp(np.float32(1), exponent - 1 if fraction == 0.5 else exponent)
                scales[i, j] = scale
                codes[128 * i:128 * i + 128, 128 * j:128 * j + 128] = encode_e4m3(block / np.float32(scale))
    return codes, scales


def quantize_1x128(x):
    rows, cols = x.shape
    codes = np.zeros((rows, cols), np.uint8)
    scales = np.zeros((rows, -(-cols // 128)), np.float32)
    for j in range(scales.shape[1]):
        block = x[:, 128 * j:128 * j + 128]
        amax = np.maximum(np.abs(block).max(axis=1), np.float32(1e-4))
        scales[:, j] = amax / np.float32(448)
        codes[:, 128 * j:128 * j + 128] = encode_e4m3(block / scales[:, j:j + 1])
    return codes, scales


def dequantize(codes, scales, scale_rows):
    """FP64 [rows, cols]; one scale covers `scale_rows` rows and 128 columns."""
    rows, cols = codes.shape
    expanded = np.repeat(np.repeat(scales.astype(np.float64), scale_rows, axis=0)[:rows], 128, axis=1)[:, :cols]
    return decode_e4m3(codes) * expanded
