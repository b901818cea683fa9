"""The products in groups along m: contiguous rows (by index or by ends) and masked. Sees calls, operands and settings."""

from . import calls, settings
from .errors import refuse
from .operands import check_granularity, granularity_of_b, pair, transposed

ZERO_PADDING = calls._library.GEMM_ZERO_PADDING


def _check_recipes(function, recipe, recipe_a, recipe_b, b, scale_b):
    if recipe is not None or recipe_a is not None or recipe_b is not None:
        check_granularity(function, granularity_of_b(function, recipe, recipe_a, recipe_b), b, scale_b)


def _contiguous(function, a, b, d, grouped_layout, recipe, recipe_a, recipe_b, psum, expected_m):
    a, scale_a = pair(function, "a", a)
    b, scale_b = pair(function, "b", b)
    _check_recipes(function, recipe, recipe_a, recipe_b, b, scale_b)
    if expected_m is not None and not psum:
        refuse(function, f"expected_m_for_psum_layout is {expected_m} and use_psum_layout is not set; it is a hint for that layout: "
                         "leave it out")
    form, flags = (calls.PSUM, 0) if psum else (calls.CONTIGUOUS, ZERO_PADDING)
    calls.launch(function, form, flags, settings._mk_alignment, expected_m or 0, a, scale_a, b, scale_b, d, grouped_layout)


def _layout_of(function, grouped_layout, m_indices):
    if (grouped_layout is None) == (m_indices is None):
        raise TypeError(f"deep_gemm.{function}: give the groups once, as grouped_layout or, of old, as m_indices")
    return m_indices if grouped_layout is None else grouped_layout


def m_grouped_fp8_gemm_nt_contiguous(a, b, d, grouped_layout=None, recipe=None, recipe_a=None, recipe_b=None,
                                     compiled_dims="nk", disable_ue8m0_cast=False, use_psum_layout=False,
                                     ensure_zero_padding=True, expected_m_for_psum_layout=None, *, m_indices=None):
    """d[row] = a[row] * b[group of row]^T.

    a: (float8_e4m3fn [m, k], float32 [m, ceil(k / 128)]), b: (float8_e4m3fn [G, n, k], float32 [G, ceil(n / 128),
    ceil(k / 128)]), d: bfloat16 [m, n]. grouped_layout, int32: the group of each row [m], the same inside each aligned
    block of rows (get_mk_alignment_for_contiguous_layout) but for -1, whose rows are not computed and become zeros; with
    use_psum_layout the exclusive ends of the groups [G], each group starting at the next aligned row, the rows between
    left untouched. Read on the device: usable in a CUDA graph. ensure_zero_padding, compiled_dims and disable_ue8m0_cast
    change nothing.
    """
    name = "m_grouped_fp8_gemm_nt_contiguous"
    if type(recipe_a) is str:  # the order until 2026: .., recipe, compiled_dims, disable_ue8m0_cast
        recipe_a = recipe_b = None
    _contiguous(name, a, b, d, _layout_of(name, grouped_layout, m_indices), recipe, recipe_a, recipe_b, use_psum_layout,
                expected_m_for_psum_layout)


def m_grouped_fp8_gemm_nn_contiguous(a, b, d, grouped_layout=None, recipe=None, recipe_a=None, recipe_b=None,
                                     compiled_dims="nk", disable_ue8m0_cast=False, use_psum_layout=False,
                                     ensure_zero_padding=True, *, m_indices=None):
    """m_grouped_fp8_gemm_nt_contiguous with b, data and scale, given as [G, k, n]: transposed views."""
    name = "m_grouped_fp8_gemm_nn_contiguous"
    if type(recipe_a) is str:
        recipe_a = recipe_b = None
    _contiguous(name, a, transposed(name, "b", b), d, _layout_of(name, grouped_layout, m_indices), recipe, recipe_a, recipe_b,
                use_psum_layout, None)


m_grouped_fp8_fp4_gemm_nt_contiguous = m_grouped_fp8_gemm_nt_contiguous
m_grouped_fp8_fp4_gemm_nn_contiguous = m_grouped_fp8_gemm_nn_contiguous


def m_grouped_gemm_fp8_fp8_bf16_nt_contiguous(lhs, rhs, out, m_indices, *, disable_ue8m0_cast=False):
    """The contiguous product of February 2025: m_indices [m] as grouped_layout above; rows of -1 become zeros."""
    _contiguous("m_grouped_gemm_fp8_fp8_bf16_nt_contiguous", lhs, rhs, out, m_indices, None, None, None, False, None)


def _masked(function, a, b, d, masked_m, expected_m, recipe, recipe_a, recipe_b):
    a, scale_a = pair(function, "a", a)
    b, scale_b = pair(function, "b", b)
    _check_recipes(function, recipe, recipe_a, recipe_b, b, scale_b)
    if expected_m is None:
        raise TypeError(f"deep_gemm.{function}: expected_m is None; it must be the rows expected in a group, a number")
    if expected_m <= 0:
        refuse(function, f"expected_m is {expected_m}; it must be the rows expected in a group, 1 or more (only speed depends on it)")
    calls.launch(function, calls.MASKED, 0, 0, int(expected_m), a, scale_a, b, scale_b, d, masked_m)


def m_grouped_fp8_gemm_nt_masked(a, b, d, masked_m, expected_m, recipe=None, recipe_a=None, recipe_b=None,
                                 compiled_dims="nk", disable_ue8m0_cast=False, *, enable_overlap=False, max_block_n=256,
                                 signal=None):
    """d[g, row] = a[g, row] * b[g]^T for the first masked_m[g] rows of each group; the others are left untouched.

    a: (float8_e4m3fn [G, max_m, k], float32 [G, max_m, ceil(k / 128)]), b as in m_grouped_fp8_gemm_nt_contiguous, d:
    bfloat16 [G, max_m, n], masked_m: int32 [G], read on the device. expected_m, a number on the host, changes speed only.
    enable_overlap, max_block_n and signal belong to a fork of SGLang's; signals are not given here.
    """
    name = "m_grouped_fp8_gemm_nt_masked"
    if enable_overlap or signal is not None:
        raise NotImplementedError(f"deep_gemm.{name}: enable_overlap and signal, of a fork of upstream, are not here: call it without")
    if type(recipe_a) is str:
        recipe_a = recipe_b = None
    _masked(name, a, b, d, masked_m, expected_m, recipe, recipe_a, recipe_b)


m_grouped_fp8_fp4_gemm_nt_masked = fp8_m_grouped_gemm_nt_masked = m_grouped_fp8_gemm_nt_masked


def m_grouped_gemm_fp8_fp8_bf16_nt_masked(lhs, rhs, out, masked_m, expected_m, *, disable_ue8m0_cast=False):
    """The masked product of February 2025."""
    _masked("m_grouped_gemm_fp8_fp8_bf16_nt_masked", lhs, rhs, out, masked_m, expected_m, None, None, None)
