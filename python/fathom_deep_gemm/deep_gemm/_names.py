"""Every function that deep_gemm shares with upstream's compiled extension, once. Sees the modules that hold them."""

from . import calls, cublaslt, gemm, grouped, not_here, settings
from .utils import layout

_HOLDERS = {
    settings: ("set_num_sms", "get_num_sms", "set_tc_util", "get_tc_util", "set_pdl", "get_pdl", "set_allow_transform",
               "get_allow_transform", "set_ignore_compile_dims",
               "set_block_size_multiple_of", "set_mk_alignment_for_contiguous_layout",
               "get_mk_alignment_for_contiguous_layout", "get_theoretical_mk_alignment_for_contiguous_layout",
               "get_m_alignment_for_contiguous_layout", "get_k_alignment_for_contiguous_layout"),
    calls: ("set_compile_mode", "get_compile_mode"),
    cublaslt: ("cublaslt_gemm_nt", "cublaslt_gemm_nn", "cublaslt_gemm_tn", "cublaslt_gemm_tt"),
    gemm: ("fp8_gemm_nt", "fp8_gemm_nn", "fp8_gemm_tn", "fp8_gemm_tt", "fp8_fp4_gemm_nt", "fp8_fp4_gemm_nn",
           "fp8_fp4_gemm_tn", "fp8_fp4_gemm_tt", "gemm_fp8_fp8_bf16_nt", "wgrad_gemm_fp8_fp8_fp32_nt"),
    grouped: ("m_grouped_fp8_gemm_nt_contiguous", "m_grouped_fp8_gemm_nn_contiguous",
              "m_grouped_fp8_fp4_gemm_nt_contiguous", "m_grouped_fp8_fp4_gemm_nn_contiguous",
              "m_grouped_fp8_gemm_nt_masked", "m_grouped_fp8_fp4_gemm_nt_masked", "fp8_m_grouped_gemm_nt_masked",
              "m_grouped_gemm_fp8_fp8_bf16_nt_contiguous", "m_grouped_gemm_fp8_fp8_bf16_nt_masked"),
    layout: ("get_tma_aligned_size", "get_mn_major_tma_aligned_tensor", "get_col_major_tma_aligned_tensor",
             "get_mn_major_tma_aligned_packed_ue8m0_tensor", "get_k_grouped_mn_major_tma_aligned_packed_ue8m0_tensor",
             "transform_sf_into_required_layout"),
    not_here: ("SymmBuffer",),
}

__all__ = [*(name for names in _HOLDERS.values() for name in names), *not_here.NOT_HERE]
globals().update({name: getattr(holder, name) for holder, names in _HOLDERS.items() for name in names})
globals().update({name: not_here.refusing(name, why) for name, why in not_here.NOT_HERE.items()})
