"""What upstream has and this module does not: importable, so that engines load, and refused when called.

Sees nothing else of the package.
"""

#: name: what it is, as the sentence of the refusal says it.
NOT_HERE = {
    **dict.fromkeys(("bf16_gemm_nt", "bf16_gemm_nn", "bf16_gemm_tn", "bf16_gemm_tt"),
                    "BF16 products are not in Fathom: use torch.mm or cublaslt_gemm_nt"),
    **dict.fromkeys(("m_grouped_bf16_gemm_nt_contiguous", "m_grouped_bf16_gemm_nn_contiguous",
                     "m_grouped_bf16_gemm_nt_masked", "bf16_m_grouped_gemm_nt_masked", "k_grouped_bf16_gemm_tn_contiguous"),
                    "grouped BF16 products are not in Fathom: use torch.mm for each group"),
    **dict.fromkeys(("k_grouped_fp8_gemm_nt_contiguous", "k_grouped_wgrad_gemm_fp8_fp8_fp32_nt"),
                    "the product in groups along k is not in Fathom: call fp8_gemm_nt with c and recipe (1, 1, 128) for each group"),
    "k_grouped_fp8_gemm_tn_contiguous": "this one is for Blackwell only, upstream as well",
    "fp8_gemm_nt_skip_head_mid": "skipping the middle of heads is not in Fathom: call fp8_gemm_nt and copy the columns",
    **dict.fromkeys(("einsum", "fp8_einsum"), "einsum is not in Fathom: use torch.einsum"),
    **dict.fromkeys(("fp8_mqa_logits", "fp8_paged_mqa_logits", "fp8_fp4_mqa_logits", "fp8_fp4_paged_mqa_logits",
                     "get_paged_mqa_logits_metadata"), "MQA logits are not in Fathom: keep upstream's module for this engine feature"),
    "tf32_hc_prenorm_gemm": "the hyper-connection product is not in Fathom: use torch.mm and a sum of squares",
    **dict.fromkeys(("get_symm_buffer_for_mega_moe", "transform_weights_for_mega_moe", "fp8_fp4_mega_moe", "bf16_mega_moe"),
                    "Mega MoE is for Blackwell only, upstream as well"),
}

#: The Triton kernels of deep_gemm.legacy, for the A100.
NOT_HERE_LEGACY = dict.fromkeys(
    ("m_grouped_bf16_gemm_nt_contiguous_tl", "m_grouped_bf16_gemm_nn_contiguous_tl",
     "a_fused_m_grouped_bf16_gemm_nt_contiguous_tl", "a_fused_m_grouped_bf16_gemm_nn_contiguous_tl",
     "a_fused_k_grouped_bf16_gemm_tn_contiguous_tl", "b_fused_k_grouped_bf16_gemm_tn_contiguous_tl"),
    "the Triton kernels for the A100 are not in Fathom: use torch.mm for each group")


def refusing(name, why):
    """A function of this name that raises NotImplementedError."""

    def function(*args, **kwargs):
        raise NotImplementedError(f"deep_gemm.{name}: {why}")

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Not here: {why}. Raises NotImplementedError."
    return function


class SymmBuffer:
    """Not here: Mega MoE is for Blackwell only. Exists so that it can be named in annotations."""

    def __init__(self, *args, **kwargs):
        raise NotImplementedError("deep_gemm.SymmBuffer: Mega MoE is for Blackwell only, upstream as well")
