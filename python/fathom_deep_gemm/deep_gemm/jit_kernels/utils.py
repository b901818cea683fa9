"""The helpers of 2025 under their module of then."""

from ..settings import get_m_alignment_for_contiguous_layout, get_num_sms, set_num_sms
from ..utils.layout import get_col_major_tma_aligned_tensor, get_tma_aligned_size
from ..utils.math import ceil_div

cell_div = ceil_div

__all__ = ["ceil_div", "cell_div", "get_col_major_tma_aligned_tensor", "get_m_alignment_for_contiguous_layout", "get_num_sms",
           "get_tma_aligned_size", "set_num_sms"]
