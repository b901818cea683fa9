"""The small C++ builder that deep_gemm.jit was in 2025: a body in, a function out. The GEMMs do not use it.

    code = jit.generate((), arg_defs, body)
    function = jit.build("name", arg_defs, code)   # nvcc -shared, kept in a cache
    code_that_launch_returned = function(tensor, 3, True, torch.cuda.current_stream())
"""

from .compiler import build, get_nvcc_compiler
from .runtime import Runtime
from .template import cpp_format, generate

__all__ = ["Runtime", "build", "cpp_format", "generate", "get_nvcc_compiler"]
