"""cublaslt_gemm_*: products without scales by NVIDIA's cuBLASLt, for comparison. Sees environment, settings and errors.

The library is the one that torch brings, over ctypes; CPU tensors are multiplied by torch.
"""

import ctypes
import re
import threading

import torch

from . import environment, settings
from .errors import DeepGemmError, refuse

# Numbers of cublasLt.h, cublas_api.h and library_types.h, CUDA 12 and 13; they are part of the vendor's ABI.
_COMPUTE_FP32, _COMPUTE_FP32_FAST_TF32 = 68, 77
_TYPES = {torch.float32: 0, torch.float64: 1, torch.float16: 2, torch.bfloat16: 14, torch.float8_e4m3fn: 28,
          torch.float8_e5m2: 29}
_TRANSPOSE_A, _TRANSPOSE_B, _SM_COUNT_TARGET = 3, 4, 15
_PREFERENCE_WORKSPACE = 1
_WORKSPACE_BYTES = 32 << 20  # what NVIDIA advises for Hopper

_lock = threading.Lock()
_library = None
_handles = {}
_workspaces = {}
_products = {}


class _Unable(Exception):
    """Why there is no product, before it is said which function was called."""


class _Heuristic(ctypes.Structure):
    _fields_ = [("algorithm", ctypes.c_uint64 * 8), ("workspace", ctypes.c_size_t), ("state", ctypes.c_int),
                ("waves", ctypes.c_float), ("reserved", ctypes.c_int * 4)]


def _load():
    """libcublasLt: the one that this process has already loaded, else by its usual names."""
    global _library
    if _library is None:
        with open("/proc/self/maps") as maps:
            names = re.findall(r"\S*/libcublasLt\.so\S*", maps.read())
        for name in [*dict.fromkeys(names), "libcublasLt.so.13", "libcublasLt.so.12"]:
            try:
                _library = ctypes.CDLL(name)
                break
            except OSError:
                continue
        else:
            raise _Unable("libcublasLt was not found; it comes with torch for CUDA: install that")
    return _library


def _call(name, *words):
    status = getattr(_load(), name)(*words)
    if status:
        raise _Unable(f"{name} answered {status}; the types, layouts or sizes have no cuBLASLt kernel here: compare its table of "
                      "supported types")


def _handle(device):
    if environment.flag("DG_USE_PYTORCH_CUBLASLT_HANDLE"):
        return ctypes.c_void_p(torch.cuda.current_blas_handle())
    if device not in _handles:
        handle = ctypes.c_void_p()
        _call("cublasLtCreate", ctypes.byref(handle))
        _handles[device] = handle
    return _handles[device]


def _workspace(device, stream):
    """One for each stream, since products on several streams may run at once."""
    if environment.flag("DG_USE_TEMP_CUBLASLT_WORKSPACE"):
        return torch.empty(_WORKSPACE_BYTES, dtype=torch.uint8, device=device)
    if (device, stream) not in _workspaces:
        _workspaces[device, stream] = torch.empty(_WORKSPACE_BYTES, dtype=torch.uint8, device=device)
    return _workspaces[device, stream]


class _Product:
    """Descriptors and algorithm of d [m, n] (+)= a [m, k] * b [n, k]^T; kept as long as the process."""

    def __init__(self, handle, a, b, d):
        # cuBLASLt is column-major: its A is our b, its B our a, its D our d.
        self.desc = self._create("cublasLtMatmulDescCreate",
                                 _COMPUTE_FP32_FAST_TF32 if a.dtype == torch.float32 else _COMPUTE_FP32, 0)
        b_along_k, a_along_k = b.stride(1) == 1, a.stride(1) == 1
        self._set(_TRANSPOSE_A, 1 if b_along_k else 0)
        self._set(_TRANSPOSE_B, 0 if a_along_k else 1)
        if settings.max_sms():
            self._set(_SM_COUNT_TARGET, settings.max_sms())
        self.layout_a, self.layout_b = self._layout(b, b_along_k), self._layout(a, a_along_k)
        self.layout_d = self._layout(d, True)
        self.algorithm = self._choose(handle)

    def _create(self, name, *words):
        made = ctypes.c_void_p()
        _call(name, ctypes.byref(made), *words)
        return made

    def _set(self, attribute, value):
        number = ctypes.c_int32(value)
        _call("cublasLtMatmulDescSetAttribute", self.desc, attribute, ctypes.byref(number), ctypes.c_size_t(4))

    def _layout(self, matrix, rows_contiguous):
        fast, slow = (1, 0) if rows_contiguous else (0, 1)
        return self._create("cublasLtMatrixLayoutCreate", _TYPES[matrix.dtype], ctypes.c_uint64(matrix.size(fast)),
                            ctypes.c_uint64(matrix.size(slow)), ctypes.c_int64(max(matrix.stride(slow), matrix.size(fast))))

    def _choose(self, handle):
        preference = self._create("cublasLtMatmulPreferenceCreate")
        limit, found, best = ctypes.c_size_t(_WORKSPACE_BYTES), ctypes.c_int(), _Heuristic()
        _call("cublasLtMatmulPreferenceSetAttribute", preference, _PREFERENCE_WORKSPACE, ctypes.byref(limit), ctypes.c_size_t(8))
        _call("cublasLtMatmulAlgoGetHeuristic", handle, self.desc, self.layout_a, self.layout_b, self.layout_d, self.layout_d,
              preference, 1, ctypes.byref(best), ctypes.byref(found))
        _call("cublasLtMatmulPreferenceDestroy", preference)
        if not found.value:
            raise _Unable("cuBLASLt has no kernel for these types, layouts and sizes: compare its table of them")
        return best.algorithm

    def run(self, handle, a, b, d, accumulate, workspace, stream):
        alpha, beta = ctypes.c_float(1.0), ctypes.c_float(1.0 if accumulate else 0.0)
        _call("cublasLtMatmul", handle, self.desc, ctypes.byref(alpha), ctypes.c_void_p(b.data_ptr()), self.layout_a,
              ctypes.c_void_p(a.data_ptr()), self.layout_b, ctypes.byref(beta), ctypes.c_void_p(d.data_ptr()), self.layout_d,
              ctypes.c_void_p(d.data_ptr()), self.layout_d, ctypes.byref(self.algorithm), ctypes.c_void_p(workspace.data_ptr()),
              ctypes.c_size_t(_WORKSPACE_BYTES), ctypes.c_void_p(stream))


def _check(function, a, b, d, c):
    for name, tensor in (("a", a), ("b", b), ("d", d)):
        if not isinstance(tensor, torch.Tensor):
            raise TypeError(f"deep_gemm.{function}: {name} is a {type(tensor).__name__}; it must be a torch.Tensor (no scales)")
        if tensor.dim() != 2 or tensor.dtype not in _TYPES or 1 not in tensor.stride() and tensor.numel() > 1:
            refuse(function, f"{name} is {tensor.dtype} {list(tensor.shape)} with strides {list(tensor.stride())}; it must be a "
                             "floating-point matrix contiguous in one dimension")
    if a.size(1) != b.size(1) or d.shape != (a.size(0), b.size(0)) or d.numel() and d.size(1) > 1 and d.stride(1) != 1:
        refuse(function, f"a is {list(a.shape)}, b {list(b.shape)}, d {list(d.shape)} (as [m, k], [n, k], [m, n]); their sizes must agree "
                         "and d must be contiguous along n")
    if c is not None and (c.shape != d.shape or c.dtype != d.dtype):
        refuse(function, f"c is {c.dtype} {list(c.shape)}; it must be like d, {d.dtype} {list(d.shape)}")


def _gemm(function, a, b, d, c):
    _check(function, a, b, d, c)
    if d.numel() == 0:
        return
    if a.size(1) == 0:
        if c is None:
            d.zero_()
        else:
            d.copy_(c)
        return
    if not d.is_cuda:
        product = a.float() @ b.float().T
        d.copy_(product if c is None else product + c.float())
        return
    try:
        _run(a, b, d, c)
    except _Unable as reason:
        raise DeepGemmError(f"deep_gemm.{function}: {reason}") from None


def _run(a, b, d, c):
    device = d.device
    with torch.cuda.device(device), _lock:
        handle, stream = _handle(device), torch.cuda.current_stream().cuda_stream
        key = (device, settings.max_sms(), *[(t.shape, t.stride(), t.dtype) for t in (a, b, d)])
        product = _products.get(key)
        if product is None:
            product = _products[key] = _Product(handle, a, b, d)
        if c is not None and c.data_ptr() != d.data_ptr():
            d.copy_(c)
        product.run(handle, a, b, d, c is not None, _workspace(device, stream), stream)


def cublaslt_gemm_nt(a, b, d, c=None):
    """d [m, n] = a [m, k] * b [n, k]^T, or c + that, without scales, in any types that cuBLASLt multiplies."""
    _gemm("cublaslt_gemm_nt", a, b, d, c)


def cublaslt_gemm_nn(a, b, d, c=None):
    """cublaslt_gemm_nt with b given as [k, n]."""
    _gemm("cublaslt_gemm_nn", a, b.T, d, c)


def cublaslt_gemm_tn(a, b, d, c=None):
    """cublaslt_gemm_nt with a given as [k, m] and b as [k, n]."""
    _gemm("cublaslt_gemm_tn", a.T, b.T, d, c)


def cublaslt_gemm_tt(a, b, d, c=None):
    """cublaslt_gemm_nt with a given as [k, m]."""
    _gemm("cublaslt_gemm_tt", a.T, b, d, c)
