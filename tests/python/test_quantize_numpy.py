"""quantize and dequantize against tools/demo/fp8.py, NumPy code that was written from the formula in docs/numerics.md alone:
equal bytes, called through the C interface of libfathom."""

import ctypes
import os
import pathlib
import sys

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("FATHOM_BUILD", ROOT / "build/release"))
sys.path.insert(0, str(ROOT / "tools/demo"))

import fp8

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
        codes, scales = fp8.quantize(source, 128 if block == BLOCK_128X128 else 1, power_of_two)
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
    wanted = fp8.decode(q).astype(np.float32) * fp8.expand(scale, q.shape, block_rows)
    x = np.empty((rows, cols), np.float32)
    call(library, library.fathom_dequantize, x, FP32, q, scale, block, BACKEND_CPU)
    np.testing.assert_array_equal(x, wanted.T if transposed else wanted)
