"""FP8 matrix multiplication with fine-grained scales, for Hopper GPUs and for any CPU, and expert load balancing.

    import fathom
    q, scale = fathom.quantize_1x128(x)                 # activations [m, k]
    w, scale_w = fathom.quantize_128x128(weights)       # weights [n, k]
    d = fathom.gemm(q, scale, w, scale_w)               # d = x @ weights.T, [m, n]

Tensors are those of torch, NumPy, or of anything that speaks DLPack or one of the array interfaces; they stay where they
are, and the device they lie on computes. Importing this package imports neither NumPy nor torch, starts no thread and
touches no GPU. docs/python.md tells more.
"""

from . import balance
from ._compile import compile, configs
from ._library import commit as __commit__
from ._library import version as __version__
from ._context import Context, default_context
from ._errors import CompileError, DriverError, Error, InvalidArgumentError, UnsupportedError
from ._gemm import GemmPlan, can_implement, explain, gemm, grouped_gemm, plan
from ._quantize import copy_scales, dequantize, quantize_1x128, quantize_1x128_transposed, quantize_128x128
from ._tensor import TensorView, view

__all__ = [
    "CompileError", "Context", "DriverError", "Error", "GemmPlan", "InvalidArgumentError", "TensorView",
    "UnsupportedError", "__commit__", "__version__", "balance", "can_implement", "compile", "configs", "copy_scales",
    "default_context", "dequantize", "explain", "gemm", "grouped_gemm", "plan", "quantize_128x128", "quantize_1x128",
    "quantize_1x128_transposed", "view",
]
