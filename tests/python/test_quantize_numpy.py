"""quantize and dequantize against NumPy code that was written from the formula in docs/numerics.md alone: equal bytes,
called through the C interface of libfathom."""

import ctypes
import os
import pathlib

import numpy as np
import pytest

BUILD = pathlib.Path(os.environ.get("FATHOM_BUILD", pathlib.Path(__file__).parents[2] / "build" / "release"))

E4M3, BF16, FP16, FP32 = 1, 2, 3, 4  # fathom_tensor.dtype
BLOCK_1X128, BLOCK_128X128, BLOCK_1X128_TRANSPOSED = 1, 2, 3
BACKEND_CPU, BACKEND_REFERENCE = 1, 3
POWER_OF_TWO_SCALES = 1  # FATHOM_QUANTIZE_POWER_OF_TWO_SCALES


class Tensor(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("dtype", ctypes.c_int32), ("device_type", ctypes.c_int32),
                ("device_index", ctypes.c_int32), ("rank", ctypes.c_int32), ("shape", ctypes.c_int64 * 4),
                ("stride", ctypes.c_int64 * 4)]


class QuantizeArgs(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), ("x", Tensor), ("q", Tensor), ("scale", Tensor),
                ("block", ctypes.c_int32), ("backend", ctypes.c_int32), ("flags", ctypes.c_uint64)]


def tensor(array, dtype):
    strides = [stride // array.itemsize for stride in array.strides]
    return Tensor(array.ctypes.data, dtype, 1, 0, 2, (ctypes.c_int64 * 4)(*array.shape), (ctypes.c_int64 * 4)(*strides))


@pytest.fixture(scope="module")
def library():
    lib = ctypes.CDLL(str(BUILD / "libfathom.so"))
    lib.fathom_last_error_message.restype = ctypes.c_char_p
    lib.context = ctypes.c_void_p()
    assert lib.fathom_context_create(None, ctypes.byref(lib.context)) == 0
    yield lib
    lib.fathom_context_destroy(lib.context)


def call(library, function, x, x_type, q, scale, block, backend, flags=0):
    args = QuantizeArgs(ctypes.sizeof(QuantizeArgs), tensor(x, x_type), tensor(q, E4M3), tensor(scale, FP32), block, backend,
                        flags)
    assert function(library.context, ctypes.byref(args), None) == 0, library.fathom_last_error_message()


# --- the formula, in NumPy -------------------------------------------------------------------------------------------

def e4m3_magnitudes():
    """The values of codes 0 to 126; 127 is NaN."""
    codes = np.arange(127)
    exponent, mantissa = codes >> 3, codes & 7
    return np.where(exponent == 0, mantissa * 2.0**-9, (8 + mantissa) * 2.0**(exponent - 10.0))


def e4m3_codes(values):
    """To the nearest code, ties to the even one, 448 at most; NaN gives 0x7f without a sign."""
    magnitudes = e4m3_magnitudes()
    size = np.minimum(np.abs(values.astype(np.float64)), 448.0)
    above = np.clip(np.searchsorted(magnitudes, size), 1, 126)  # the first code that is not smaller
    below = above - 1
    to_below, to_above = size - magnitudes[below], magnitudes[above] - size
    even = np.where(above % 2 == 0, above, below)
    codes = np.where(to_below < to_above, below, np.where(to_above < to_below, above, even))
    codes = codes | np.where(np.signbit(values), 0x80, 0)
    return np.where(np.isnan(values), 0x7f, codes).astype(np.uint8)


def cast(x, block_rows, power_of_two):
    """Codes and scales of FP32 x [rows, cols], one scale for block_rows x 128."""
    rows, cols = x.shape
    scale = np.empty((-(-rows // block_rows), -(-cols // 128)), np.float32)
    codes = np.empty(x.shape, np.uint8)
    with np.errstate(invalid="ignore", over="ignore"):
        for i in range(scale.shape[0]):
            for j in range(scale.shape[1]):
                part = np.s_[i * block_rows:(i + 1) * block_rows, j * 128:(j + 1) * 128]
                amax = np.nanmax(np.abs(x[part]), initial=0.0)
                s = np.maximum(np.float32(amax), np.float32(1e-4)) / np.float32(448)
                if power_of_two and np.isfinite(s):
                    mantissa, exponent = np.frexp(s)  # s = mantissa * 2^exponent, mantissa in [0.5, 1)
                    s = np.float32(np.ldexp(1.0, int(exponent) - (mantissa == 0.5)))
                scale[i, j] = s
                codes[part] = e4m3_codes(x[part] / s)
    return codes, scale


def as_float(x, dtype):
    return (x.astype(np.uint32) << 16).view(np.float32) if dtype == BF16 else x.astype(np.float32)


# --- the comparison --------------------------------------------------------------------------------------------------

def awkward(rng, shape, dtype):
    """Numbers of very different sizes with zeros, infinities and NaN here and there, and one block of zeros."""
    values = (rng.standard_normal(shape) * np.exp2(rng.integers(-12, 12, shape))).astype(np.float32)
    kind = rng.integers(0, 4000, shape)
    for index, special in enumerate([np.inf, -np.inf, np.nan, -np.nan, 0.0, -0.0, 1e-7, 1e-42]):
        values[(kind >= 2 * index) & (kind < 2 * index + 2)] = special
    values[:, :128] = np.where(rng.integers(0, 2) == 0, 0.0, values[:, :128])
    if dtype == FP32:
        return values
    with np.errstate(over="ignore"):
        return values.astype(np.float16) if dtype == FP16 else (values.view(np.uint32) >> 16).astype(np.uint16)


SHAPES = [(1, 1), (1, 128), (128, 128), (129, 257), (200, 100), (7, 1000), (300, 130)]


@pytest.mark.parametrize("backend", [BACKEND_CPU, BACKEND_REFERENCE])
@pytest.mark.parametrize("power_of_two", [False, True])
@pytest.mark.parametrize("block", [BLOCK_1X128, BLOCK_128X128, BLOCK_1X128_TRANSPOSED])
@pytest.mark.parametrize("dtype", [BF16, FP16, FP32])
def test_codes_and_scales_are_equal_bytes(library, dtype, block, power_of_two, backend):
    rng = np.random.default_rng(dtype * 100 + block * 10 + power_of_two)
    for shape in SHAPES:
        x = awkward(rng, shape, dtype)
        source = as_float(x, dtype)
        if block == BLOCK_1X128_TRANSPOSED:
            source = np.ascontiguousarray(source.T)
        codes, scales = cast(source, 128 if block == BLOCK_128X128 else 1, power_of_two)
        q = np.full(codes.shape, 0xee, np.uint8)
        # Rows contiguous for every other shape: the result must not depend on the order of the scales.
        scale = np.full(scales.shape, -1, np.float32, order="F" if shape[0] % 2 else "C")
        call(library, library.fathom_quantize, x, dtype, q, scale, block, backend,
             POWER_OF_TWO_SCALES if power_of_two else 0)
        np.testing.assert_array_equal(scale.copy("C").view(np.uint32), scales.view(np.uint32), err_msg=str(shape))
        np.testing.assert_array_equal(q, codes, err_msg=str(shape))


@pytest.mark.parametrize("block", [BLOCK_1X128, BLOCK_128X128, BLOCK_1X128_TRANSPOSED])
def test_dequantize_is_the_product(library, block):
    rng = np.random.default_rng(block)
    transposed = block == BLOCK_1X128_TRANSPOSED
    rows, cols = 200, 300
    q = rng.integers(0, 256, (cols, rows) if transposed else (rows, cols)).astype(np.uint8)
    block_rows = 128 if block == BLOCK_128X128 else 1
    scale = rng.random((-(-q.shape[0] // block_rows), -(-q.shape[1] // 128))).astype(np.float32)
    magnitude = np.append(e4m3_magnitudes(), np.nan).astype(np.float32)
    value = np.where(q & 0x80, -1, 1).astype(np.float32) * magnitude[q & 0x7f]
    wide = np.repeat(np.repeat(scale, block_rows, 0), 128, 1)[:q.shape[0], :q.shape[1]]
    wanted = value * wide
    x = np.empty((rows, cols), np.float32)
    call(library, library.fathom_dequantize, x, FP32, q, scale, block, BACKEND_CPU)
    np.testing.assert_array_equal(x, wanted.T if transposed else wanted)
