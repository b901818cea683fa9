"""Casts, layouts and small helpers. Everything here is also a name of deep_gemm itself.

Pages of 2025 import the timing helpers from here; those of 2026 from deep_gemm.testing.
"""

from ..testing.timing import bench_kineto_2025 as bench_kineto
from ..testing.timing import bench_milliseconds as bench
from ..testing.timing import empty_suppress, suppress_stdout_stderr
from ..testing.numeric import calc_diff, count_bytes
from . import dist, layout, math
from .dist import dist_print, init_dist, uneven_all_gather
from .layout import (
    get_col_major_tma_aligned_tensor,
    get_k_alignment_for_contiguous_layout,
    get_k_grouped_mn_major_tma_aligned_packed_ue8m0_tensor,
    get_m_alignment_for_contiguous_layout,
    get_mk_alignment_for_contiguous_layout,
    get_mn_major_tma_aligned_packed_ue8m0_tensor,
    get_mn_major_tma_aligned_tensor,
    get_theoretical_mk_alignment_for_contiguous_layout,
    get_tma_aligned_size,
    set_mk_alignment_for_contiguous_layout,
    transform_sf_into_required_layout,
)
from .math import (
    align,
    cast_back_from_fp4,
    ceil_div,
    ceil_to_ue8m0,
    pack_ue8m0_to_int,
    per_block_cast_to_fp8,
    per_channel_cast_to_fp8,
    per_custom_dims_cast_to_fp8,
    per_token_cast_to_fp4,
    per_token_cast_to_fp8,
    transpose_packed_fp4,
    unpack_ue8m0_from_int,
)

__all__ = [
    "align", "bench", "bench_kineto", "calc_diff", "cast_back_from_fp4", "ceil_div", "ceil_to_ue8m0", "count_bytes", "dist",
    "dist_print", "empty_suppress", "get_col_major_tma_aligned_tensor", "get_k_alignment_for_contiguous_layout",
    "get_k_grouped_mn_major_tma_aligned_packed_ue8m0_tensor", "get_m_alignment_for_contiguous_layout",
    "get_mk_alignment_for_contiguous_layout", "get_mn_major_tma_aligned_packed_ue8m0_tensor",
    "get_mn_major_tma_aligned_tensor", "get_theoretical_mk_alignment_for_contiguous_layout", "get_tma_aligned_size",
    "init_dist", "layout", "math", "pack_ue8m0_to_int", "per_block_cast_to_fp8", "per_channel_cast_to_fp8",
    "per_custom_dims_cast_to_fp8", "per_token_cast_to_fp4", "per_token_cast_to_fp8",
    "set_mk_alignment_for_contiguous_layout", "suppress_stdout_stderr", "transform_sf_into_required_layout",
    "transpose_packed_fp4", "uneven_all_gather", "unpack_ue8m0_from_int",
]
