"""What gemm and grouped_gemm must give, in FP64 over NumPy, and how far a result may be from it (docs/numerics.md)."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools/demo"))

import fp8

HALF_ULP = {"bf16": 2.0**-8, "fp32": 2.0**-24}
SHARE = {"cpu": 2.0**-17, "cuda": 2.0**-11}  # c of docs/numerics.md
NORM = {("cpu", "bf16"): 2e-3, ("cpu", "fp32"): 2e-6, ("cuda", "bf16"): 2e-3, ("cuda", "fp32"): 5e-4}


def widened(codes, scale, rows_per_scale):
    """The numbers that FP8 codes and their scales stand for, in FP64."""
    spread = np.repeat(np.repeat(np.asarray(scale, np.float64), rows_per_scale, axis=0), 128, axis=1)
    return fp8.decode(np.asarray(codes)).astype(np.float64) * spread[:codes.shape[0], :codes.shape[1]]


def bf16_values(codes):
    return (np.asarray(codes).astype(np.uint32) << 16).view(np.float32)


def assert_close(got, a, b, dtype, backend="cpu", plus=0.0):
    """`got` against plus + a @ b.T, a and b from widened()."""
    exact = plus + a @ b.T
    magnitude = np.abs(plus) + np.abs(a) @ np.abs(b).T
    got = np.asarray(got, np.float64)
    error = np.abs(got - exact)
    bound = HALF_ULP[dtype] * np.abs(exact) + SHARE[backend] * magnitude
    worst = np.unravel_index(np.argmax(error - bound), error.shape)
    assert np.all(error <= bound), f"at {worst}: got {got[worst]}, exact {exact[worst]}, bound {bound[worst]}"
    if got.size >= 4096:
        assert np.linalg.norm(got - exact) <= NORM[backend, dtype] * np.linalg.norm(exact)
