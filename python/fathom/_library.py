"""The C interface (include/fathom/c_api.h) over ctypes: structs, functions, statuses.

The lowest module of the package: sees _errors.py alone. Loading the library starts no thread, opens no GPU and reads no
environment variable.
"""

import ctypes
import os
from typing import Any, Dict, Optional, Tuple

from ._errors import CompileError, DriverError, Error, InvalidArgumentError, UnsupportedError

ABI_VERSION = 1
MAX_RANK = 4

# The numbers of c_api.h.
DTYPES = {"e4m3": 1, "bf16": 2, "fp16": 3, "fp32": 4, "fp64": 5, "int32": 6, "int64": 7}
DTYPE_NAMES = {code: name for name, code in DTYPES.items()}
CPU, CUDA = 1, 2
BACKENDS = {"auto": 0, "cpu": 1, "cuda": 2, "reference": 3}
BACKEND_NAMES = {code: name for name, code in BACKENDS.items()}
LOG_LEVELS = {"off": 0, "error": 1, "warning": 2, "info": 3, "debug": 4}
LOG_LEVEL_NAMES = {code: name for name, code in LOG_LEVELS.items()}
BLOCKS = {"1x128": 1, "128x128": 2, "1x128_transposed": 3}
GROUPS_NONE, GROUPS_OFFSETS, GROUPS_ROW_GROUP, GROUPS_GROUP_END, GROUPS_MASKED = range(5)
GEMM_ACCUMULATE, GEMM_BATCH_INVARIANT, GEMM_ZERO_PADDING = 1, 2, 4
GEMM_PROGRAMMATIC_LAUNCH, GEMM_WEIGHTS_CONSTANT, GEMM_CHECK_METADATA = 8, 16, 32
QUANTIZE_POWER_OF_TWO_SCALES = 1

LogCallback = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int32, ctypes.c_char_p)


class Tensor(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("dtype", ctypes.c_int32),
        ("device_type", ctypes.c_int32),
        ("device_index", ctypes.c_int32),
        ("rank", ctypes.c_int32),
        ("shape", ctypes.c_int64 * MAX_RANK),
        ("stride", ctypes.c_int64 * MAX_RANK),
    ]


class ContextOptions(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("num_threads", ctypes.c_int32),
        ("log_level", ctypes.c_int32),
        ("log", LogCallback),
        ("log_user_data", ctypes.c_void_p),
        ("cache_dir", ctypes.c_char_p),
        ("system_cache_dir", ctypes.c_char_p),
        ("cache_limit_mib", ctypes.c_int64),
        ("compiler", ctypes.c_char_p),
        ("libcuda", ctypes.c_char_p),
        ("nvrtc", ctypes.c_char_p),
        ("openblas", ctypes.c_char_p),
        ("site_packages", ctypes.c_char_p),
        ("line_info", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
    ]


class GemmArgs(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("a", Tensor),
        ("scale_a", Tensor),
        ("b", Tensor),
        ("scale_b", Tensor),
        ("d", Tensor),
        ("group_index", Tensor),
        ("group_form", ctypes.c_int32),
        ("backend", ctypes.c_int32),
        ("group_alignment", ctypes.c_int64),
        ("expected_m", ctypes.c_int64),
        ("flags", ctypes.c_uint64),
        ("max_sms", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
        ("config", ctypes.c_char_p),
    ]


class GemmRange(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("n", ctypes.c_int64),
        ("k", ctypes.c_int64),
        ("num_groups", ctypes.c_int64),
        ("min_m", ctypes.c_int64),
        ("max_m", ctypes.c_int64),
        ("group_alignment", ctypes.c_int64),
        ("group_form", ctypes.c_int32),
        ("d_dtype", ctypes.c_int32),
        ("scale_b_block", ctypes.c_int32),
        ("max_sms", ctypes.c_int32),
        ("flags", ctypes.c_uint64),
        ("device", ctypes.c_char_p),
    ]


CompileProgress = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)


class CompileArgs(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("configs", ctypes.POINTER(ctypes.c_char_p)),
        ("num_configs", ctypes.c_int64),
        ("progress", CompileProgress),
        ("progress_user_data", ctypes.c_void_p),
        ("jobs", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
    ]


class QuantizeArgs(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("x", Tensor),
        ("q", Tensor),
        ("scale", Tensor),
        ("block", ctypes.c_int32),
        ("backend", ctypes.c_int32),
        ("flags", ctypes.c_uint64),
    ]


def _functions() -> Dict[str, Tuple[Any, Tuple[Any, ...]]]:
    """name: (result, arguments). `status` results are checked by the callers through check()."""
    handle, out, text = ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p
    status, count, number = ctypes.c_int32, ctypes.c_int64, ctypes.c_int32
    return {
        "fathom_status_name": (text, (status,)),
        "fathom_last_error_message": (text, ()),
        "fathom_abi_version": (number, ()),
        "fathom_version": (text, ()),
        "fathom_commit": (text, ()),
        "fathom_context_create": (status, (out, out)),
        "fathom_context_from_env": (status, (out, out)),
        "fathom_context_destroy": (None, (handle,)),
        "fathom_gemm": (status, (handle, out, handle)),
        "fathom_grouped_gemm": (status, (handle, out, handle)),
        "fathom_gemm_can_implement": (status, (handle, out, out)),
        "fathom_gemm_plan_create": (status, (handle, out, out)),
        "fathom_gemm_plan_launch": (status, (handle, handle)),
        "fathom_gemm_plan_backend": (status, (handle, out)),
        "fathom_gemm_plan_config": (status, (handle, out)),
        "fathom_gemm_plan_explain": (status, (handle, out)),
        "fathom_gemm_plan_destroy": (None, (handle,)),
        "fathom_gemm_explain": (status, (out, text, out)),
        "fathom_gemm_configs": (status, (handle, out, out, out)),
        "fathom_all_configs": (status, (out, out)),
        "fathom_compile": (status, (handle, out, out)),
        "fathom_quantize": (status, (handle, out, handle)),
        "fathom_dequantize": (status, (handle, out, handle)),
        "fathom_copy_scales": (status, (handle, out, out, number, handle)),
        "fathom_balance_plan_create": (status, (out, out)),
        "fathom_balance_plan_max_count": (status, (handle, out)),
        "fathom_balance_plan_tables": (status, (handle, out, out, out)),
        "fathom_balance_plan_report": (status, (handle, count, out)),
        "fathom_balance_plan_router_table": (status, (handle, count, out)),
        "fathom_balance_plan_transfers": (status, (handle, count, out, out, count, out)),
        "fathom_balance_plan_destroy": (None, (handle,)),
    }


def _load() -> Any:
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "libfathom.so")
    try:
        # CDLL, not PyDLL: a call gives up the interpreter's lock, since a launch may wait for room in the stream
        # while a host callback in that stream waits for the lock.
        library = ctypes.CDLL(path)
    except OSError as error:
        raise ImportError(f"fathom: its library could not be loaded: {error}; install the wheel for this machine") from None
    for name, (result, arguments) in _functions().items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
    abi_version = library.fathom_abi_version()
    if abi_version != ABI_VERSION:
        raise ImportError(f"fathom: {path} has version {abi_version} of the interface; this package needs {ABI_VERSION}: "
                          "install both from one wheel")
    return library


library = _load()
version: str = library.fathom_version().decode()
commit: str = library.fathom_commit().decode()

_ERRORS = {1: InvalidArgumentError, 2: UnsupportedError, 3: CompileError, 4: DriverError}


def error_of(status: int) -> Error:
    """The exception for a status that is not FATHOM_OK, with the message of the calling thread's last failure."""
    message = library.fathom_last_error_message().decode("utf-8", "replace")
    error = _ERRORS.get(status, Error)(message)
    error.status = library.fathom_status_name(status).decode()
    return error


def check(status: int) -> None:
    if status:
        raise error_of(status)


def require_fits(bits: int, function: str, **numbers: int) -> None:
    """Refuses whole numbers that C's do not hold: ctypes would cut off their upper bits."""
    limit = 2**(bits - 1)
    for name, number in numbers.items():
        if not -limit <= number < limit:
            raise InvalidArgumentError(f"{function}: {name} is {number}; it needs a whole number from {-limit} to {limit - 1}")


def encode(text: Optional[str]) -> Optional[bytes]:
    """A str or path for a char* of the library; None stays NULL."""
    return None if text is None else os.fsencode(text)


def call_for_text(function: Any, *arguments: Any) -> str:
    """What a function (..., const char**) writes."""
    text = ctypes.c_char_p()
    check(function(*arguments, ctypes.byref(text)))
    return "" if text.value is None else text.value.decode()
