"""The DG_ variables of both generations: which of them act here, and the library's context that follows from them.

docs/deep_gemm.md has the table; a test holds it against VARIABLES. Read when they are first needed, never at import.
"""

import os

#: name: whether it acts here. The others are accepted and change nothing.
VARIABLES = {
    "DG_JIT_CACHE_DIR": True,
    "DG_CACHE_DIR": True,
    "DG_JIT_WITH_LINEINFO": True,
    "DG_JIT_DEBUG": True,
    "DG_PRINT_CONFIGS": True,
    "DG_PRINT_AUTOTUNE": True,
    "DG_JIT_NVCC_COMPILER": True,
    "DG_NVCC_COMPILER": True,
    "DG_JIT_PRINT_COMPILER_COMMAND": True,
    "DG_JIT_PRINT_NVCC_COMMAND": True,
    "DG_JIT_CPP_STANDARD": True,
    "DG_JIT_OVERRIDE_CPP_STANDARD": True,
    "DG_JIT_PTXAS_VERBOSE": True,
    "DG_PTXAS_VERBOSE": True,
    "DG_USE_NVIDIA_TOOLS": True,
    "DG_NSYS_PROFILING": True,
    "DG_USE_TEMP_CUBLASLT_WORKSPACE": True,
    "DG_USE_PYTORCH_CUBLASLT_HANDLE": True,
    "DG_JIT_USE_NVRTC": False,
    "DG_DISABLE_FFMA_INTERLEAVE": False,
    "DG_JIT_DISABLE_FFMA_INTERLEAVE": False,
    "DG_PRINT_REG_REUSE": False,
    "DG_JIT_PTXAS_CHECK": False,
    "DG_JIT_PRINT_LOAD_TIME": False,
    "DG_JIT_DUMP_ASM": False,
    "DG_JIT_DUMP_PTX": False,
    "DG_JIT_DUMP_SASS": False,
    "DG_COMM_KERNEL_DEBUG": False,
    "DG_MQA_NUM_CASES": False,
    "DG_SKIP_CUDA_BUILD": False,
    "DG_FORCE_BUILD": False,
    "DG_USE_LOCAL_VERSION": False,
    "DG_JIT_USE_RUNTIME_API": False,
}


def text(*names):
    """The first of these variables that is set and not empty, else None."""
    for name in names:
        value = os.environ.get(name)
        if value:
            return value
    return None


def flag(*names):
    """Whether one of these variables is set to something other than 0."""
    return any(os.environ.get(name, "0") not in ("", "0") for name in names)


def cache_dir():
    """Where DG_JIT_CACHE_DIR, or of old DG_CACHE_DIR, wants compiled kernels; None = where Fathom keeps them."""
    return text("DG_JIT_CACHE_DIR", "DG_CACHE_DIR")


def context_options():
    """What the variables change in the library's context. Fathom's own variables come before those of DeepGEMM."""
    options = {}
    if cache_dir() and not text("FATHOM_CACHE_DIR"):
        options["cache_dir"] = cache_dir()
    if flag("DG_JIT_WITH_LINEINFO") and not text("FATHOM_LINE_INFO"):
        options["line_info"] = True
    if flag("DG_JIT_DEBUG") and not text("FATHOM_LOG"):
        options["log_level"] = "debug"
        options["log"] = lambda level, message: print(f"deep_gemm {level}: {message}", flush=True)
    return options
