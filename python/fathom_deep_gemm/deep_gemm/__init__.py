"""DeepGEMM's Python interface of both generations, 2025 and 2026, over Fathom: FP8 products on Hopper GPUs, and on the CPU.

docs/deep_gemm.md has every name and its state, every environment variable, and what engines replace. Importing needs no
CUDA toolkit, starts no thread and touches no GPU.
"""

import fathom

from . import jit, jit_kernels, legacy, mega, testing, utils
from ._names import *  # noqa: F403
from ._names import __all__ as _shared
from .errors import DeepGemmError
from .utils import *  # noqa: F403
from .utils import __all__ as _helpers
from .utils.math import ceil_div
from . import _C

__version__ = "2.6.1+fathom" + fathom.__version__
cell_div = ceil_div

__all__ = sorted({"DeepGemmError", "__version__", "cell_div", "jit", "jit_kernels", "legacy", "mega", "testing", "utils",
                  *_shared, *_helpers})
