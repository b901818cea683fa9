"""The dense product: D = A * B^T, FP8 in, BF16 or FP32 out. Sees calls and operands."""

import torch

from . import calls
from .errors import refuse
from .operands import check_granularity, granularity_of_b, pair, transposed


def _gemm(function, a, b, d, c, recipe, recipe_a, recipe_b):
    if c is None and recipe is None and recipe_a is None and recipe_b is None and type(a) is type(b) is tuple and (
            len(a) == len(b) == 2):  # what engines call with, without detours
        calls.launch(function, calls.DENSE, 0, 0, 0, *a, *b, d)
        return
    a, scale_a = pair(function, "a", a)
    b, scale_b = pair(function, "b", b)
    if recipe is not None or recipe_a is not None or recipe_b is not None:
        check_granularity(function, granularity_of_b(function, recipe, recipe_a, recipe_b), b, scale_b)
    if not isinstance(d, torch.Tensor):
        raise TypeError(f"deep_gemm.{function}: d is a {type(d).__name__}; it must be a torch.Tensor, bfloat16 or float32 [m, n]")
    flags = 0
    if c is not None:
        if d.dtype != torch.float32:
            refuse(function, f"c is given and d has dtype {d.dtype}; only a float32 d adds to c: leave c out, or pass a float32 d")
        if c.shape != d.shape or c.dtype != d.dtype:
            refuse(function, f"c is {c.dtype} {list(c.shape)}; it must be like d, {d.dtype} {list(d.shape)}")
        if c.data_ptr() == d.data_ptr():
            if c.stride() != d.stride():
                refuse(function, f"c and d share memory with strides {c.stride()} and {d.stride()}; they must be the same tensor or apart")
            c = None
        flags = calls.ACCUMULATE
    calls.launch(function, calls.DENSE, flags, 0, 0, a, scale_a, b, scale_b, d, c=c)


def fp8_gemm_nt(a, b, d, c=None, recipe=None, recipe_a=None, recipe_b=None, compiled_dims="nk", disable_ue8m0_cast=False):
    """d = a * b^T, or d = c + a * b^T with a float32 d (c may be d).

    a: (float8_e4m3fn [m, k], float32 [m, ceil(k / 128)]), b: (float8_e4m3fn [n, k], float32 [ceil(n / 128), ceil(k / 128)]
    or [n, ceil(k / 128)]), scales in either order; d: bfloat16 or float32 [m, n]. Any m, n, k; rows may be apart, bases and
    pitches are multiples of 16 bytes. recipe, or recipe_a and recipe_b, say how many rows of b share a scale, which the
    scale's shape tells as well. compiled_dims and disable_ue8m0_cast change nothing. Runs on the current stream of a's
    device; returns None. Raises DeepGemmError, a RuntimeError and an AssertionError.
    """
    if type(recipe_a) is str:  # the order until 2026: .., recipe, compiled_dims, disable_ue8m0_cast
        recipe_a = recipe_b = None
    _gemm("fp8_gemm_nt", a, b, d, c, recipe, recipe_a, recipe_b)


def fp8_gemm_nn(a, b, d, c=None, recipe=None, recipe_a=None, recipe_b=None, compiled_dims="nk", disable_ue8m0_cast=False):
    """fp8_gemm_nt with b, data and scale, given as [k, n]: a transposed view; Hopper multiplies only b contiguous along k."""
    if type(recipe_a) is str:
        recipe_a = recipe_b = None
    _gemm("fp8_gemm_nn", a, transposed("fp8_gemm_nn", "b", b), d, c, recipe, recipe_a, recipe_b)


def fp8_gemm_tn(a, b, d, c=None, recipe=None, recipe_a=None, recipe_b=None, compiled_dims="mn", disable_ue8m0_cast=False):
    """fp8_gemm_nt with a given as [k, m] and b as [k, n]: transposed views of operands contiguous along k."""
    if type(recipe_a) is str:
        recipe_a = recipe_b = None
    name = "fp8_gemm_tn"
    _gemm(name, transposed(name, "a", a), transposed(name, "b", b), d, c, recipe, recipe_a, recipe_b)


def fp8_gemm_tt(a, b, d, c=None, recipe=None, recipe_a=None, recipe_b=None, compiled_dims="mn", disable_ue8m0_cast=False):
    """fp8_gemm_nt with a given as [k, m]: a transposed view of an operand contiguous along k."""
    if type(recipe_a) is str:
        recipe_a = recipe_b = None
    _gemm("fp8_gemm_tt", transposed("fp8_gemm_tt", "a", a), b, d, c, recipe, recipe_a, recipe_b)


fp8_fp4_gemm_nt, fp8_fp4_gemm_nn = fp8_gemm_nt, fp8_gemm_nn
fp8_fp4_gemm_tn, fp8_fp4_gemm_tt = fp8_gemm_tn, fp8_gemm_tt


def gemm_fp8_fp8_bf16_nt(lhs, rhs, out=None, rhs_scale=None, *, lhs_scale=None, disable_ue8m0_cast=False):
    """The dense product of February 2025: gemm_fp8_fp8_bf16_nt((a, scale_a), (b, scale_b), out), or, as older pages have
    it, result = gemm_fp8_fp8_bf16_nt(a, b, scale_a, scale_b), which allocates the bfloat16 result."""
    name = "gemm_fp8_fp8_bf16_nt"
    if not isinstance(lhs, torch.Tensor):
        if out is None:
            raise TypeError(f"deep_gemm.{name}: out is missing; it must be a bfloat16 tensor [m, n]")
        _gemm(name, lhs, rhs, out, None, None, None, None)
        return None
    scale_a = lhs_scale if out is None else out
    if not isinstance(rhs, torch.Tensor) or scale_a is None or rhs_scale is None:
        raise TypeError(f"deep_gemm.{name}: lhs is a tensor; then rhs, lhs_scale and rhs_scale must be tensors as well, or lhs and "
                        "rhs must be pairs (data, scale) followed by out")
    result = torch.empty((lhs.size(0), rhs.size(0)), dtype=torch.bfloat16, device=lhs.device)
    _gemm(name, (lhs, scale_a), (rhs, rhs_scale), result, None, None, None, None)
    return result


def wgrad_gemm_fp8_fp8_fp32_nt(lhs, rhs, out):
    """out += lhs * rhs^T (May to July 2025): both scales one per 1 x 128, out float32."""
    _gemm("wgrad_gemm_fp8_fp8_fp32_nt", lhs, rhs, out, out, (1, 1, 128), None, None)
