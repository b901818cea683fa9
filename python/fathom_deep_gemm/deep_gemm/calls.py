"""From torch tensors to the library: a bound plan for each kind of call and place of its operands, then only launches.

Sees errors, settings, environment, utils and the package fathom. What a call may hold is checked by the library, whose message
is passed on under the name of the function that was called.
"""

import ctypes
import re
import threading

import fathom
import torch
from fathom import _library

from . import environment, settings
from .errors import DeepGemmError, refuse
from .utils.layout import get_mn_major_tma_aligned_tensor
from .utils.math import ceil_div

DENSE, CONTIGUOUS, PSUM, MASKED = (_library.GROUPS_NONE, _library.GROUPS_ROW_GROUP, _library.GROUPS_GROUP_END,
                                   _library.GROUPS_MASKED)
ACCUMULATE = _library.GEMM_ACCUMULATE

_DTYPES = {torch.float8_e4m3fn: "e4m3", torch.bfloat16: "bf16", torch.float16: "fp16", torch.float32: "fp32",
           torch.float64: "fp64", torch.int32: "int32", torch.int64: "int64"}
_OPERANDS = ("a", "scale_a", "b", "scale_b", "d", "group_index")
# The library's names of what this module calls otherwise.
_OUR_NAMES = ((r"\b(row_group|group_end)\b", "grouped_layout"), (r"\brows(?=\[| has | starts | lies )", "masked_m"),
              (r"groups\.alignment", "the alignment (set_mk_alignment_for_contiguous_layout)"))
_WORTH_A_COPY = 64  # rows of a: with 1 a copy costs an H200 1.2 us of 5.6, with 64 it saves 6.6 of 16.8 (docs/deep_gemm.md)
_MOST_PLANS = 8192  # kept at once, 2 KiB each; then all are dropped, and a call costs once what it cost first

_lock = threading.Lock()
_context = None
_plans = {}
_templates = {}
_compile_only = False


def set_compile_mode(mode):
    """1: calls plan and compile, and launch nothing, until 0 is set again. Upstream has it in a fork only."""
    global _compile_only
    if mode not in (0, 1):
        refuse("set_compile_mode", f"mode is {mode!r}; it must be 0 (launch) or 1 (compile only)")
    _compile_only = mode == 1


def get_compile_mode():
    return int(_compile_only)


def context():
    """The library's context of this module: as the environment asks for at the first call."""
    global _context
    if _context is None:
        with _lock:
            if _context is None:
                options = environment.context_options()
                _context = fathom.Context.from_env(**options) if options else fathom.default_context()
    return _context


class _Plan:
    """A bound plan of the library."""

    __slots__ = ("cuda_index", "handle")

    def __init__(self, function, args, cuda_index):
        self.handle = None
        self.cuda_index = cuda_index
        handle = ctypes.c_void_p()
        _check(function, _library.library.fathom_gemm_plan_create(context()._handle, ctypes.addressof(args),
                                                                  ctypes.addressof(handle)))
        self.handle = handle

    def __del__(self, _destroy=_library.library.fathom_gemm_plan_destroy):
        if self.handle is not None:
            _destroy(self.handle)


def _describe(function, name, tensor):
    if not isinstance(tensor, torch.Tensor):
        raise TypeError(f"deep_gemm.{function}: {name} is a {type(tensor).__name__}; it must be a torch.Tensor")
    if tensor.layout != torch.strided:
        refuse(function, f"{name} has the layout {tensor.layout}; it must be dense, with strides: call to_dense()")
    if tensor.dtype not in _DTYPES:
        refuse(function, f"{name} has dtype {tensor.dtype}; the Hopper kernels multiply float8_e4m3fn only (no FP4)")
    if tensor.dim() > _library.MAX_RANK or not tensor.dim():
        refuse(function, f"{name} has shape {list(tensor.shape)}; it must have 1 to {_library.MAX_RANK} dimensions")
    if tensor.device.type not in ("cpu", "cuda"):
        refuse(function, f"{name} lies on {tensor.device}; it must lie on a CUDA device or in the CPU's memory")
    if tensor.is_neg():
        refuse(function, f"{name} is negated only when torch reads it (is_neg()); its memory has the other sign: pass resolve_neg() of it")
    cuda = tensor.device.type == "cuda"
    return _library.Tensor(
        data=tensor.data_ptr(), dtype=_library.DTYPES[_DTYPES[tensor.dtype]],
        device_type=_library.CUDA if cuda else _library.CPU, device_index=tensor.device.index if cuda else 0,
        rank=tensor.dim(), shape=tuple(tensor.shape), stride=tensor.stride())


def _arguments(function, layout, tensors):
    """GemmArgs of these tensors: described once for each layout, then only the addresses are put in."""
    template = _templates.get(layout)
    if template is not None:
        args = _library.GemmArgs.from_buffer_copy(template)
        for operand, tensor in zip(_OPERANDS, tensors):
            getattr(args, operand).data = tensor.data_ptr()
        return args
    form, flags, alignment, expected_m, max_sms = layout[:5]
    names = ("a", "scale_a", "b", "scale_b", "d", "grouped_layout" if form != MASKED else "masked_m")
    described = {operand: _describe(function, name, tensor)
                 for operand, name, tensor in zip(_OPERANDS, names, tensors)}
    args = _library.GemmArgs(struct_size=ctypes.sizeof(_library.GemmArgs), group_form=form, flags=flags,
                             group_alignment=alignment, expected_m=expected_m, max_sms=max_sms, **described)
    if len(_templates) >= _MOST_PLANS:
        _templates.clear()
    _templates[layout] = bytes(args)
    return args


def _check_without_columns(function, a, scale_a, b, scale_b, d):
    """The operands of a product with n = 0, which upstream allows and the library refuses."""
    m, k = a.shape
    blocks = ceil_div(k, 128)
    codes, scales = (torch.float8_e4m3fn,), (torch.float32,)
    for name, tensor, dtypes, shape in (("a", a, codes, (m, k)), ("scale_a", scale_a, scales, (m, blocks)), ("b", b, codes, (0, k)),
                                        ("scale_b", scale_b, scales, (0, blocks)), ("d", d, (torch.bfloat16, torch.float32), (m, 0))):
        if tensor.dtype not in dtypes or tensor.shape != shape:
            refuse(function, f"{name} is {tensor.dtype} {list(tensor.shape)}; for m = {m}, n = 0 and k = {k} it must be "
                             f"{' or '.join(map(str, dtypes))} {list(shape)}")


def _bind(function, layout, tensors):
    """A plan for these tensors; None when there is nothing to compute."""
    args = _arguments(function, layout, tensors)
    if layout[0] == DENSE and tensors[0].dim() == 2 and tensors[2].size(0) == 0:
        _check_without_columns(function, *tensors)
        return None
    cuda = tensors[0].device.type == "cuda"
    plan = _Plan(function, args, tensors[0].device.index if cuda else None)
    if environment.flag("DG_PRINT_CONFIGS", "DG_PRINT_AUTOTUNE"):
        text = _library.call_for_text(_library.library.fathom_gemm_plan_explain, plan.handle)
        print(f"deep_gemm.{function}: {text}", flush=True)
    return plan


def _check(function, status):
    if not status:
        return
    message = str(_library.error_of(status))
    for operation in ("gemm: ", "grouped_gemm: "):
        if message.startswith(operation):
            message = message[len(operation):]
    for pattern, name in _OUR_NAMES:
        message = re.sub(pattern, name, message)
    raise DeepGemmError(f"deep_gemm.{function}: {message}") from None


def _transformed(scale):
    """The scale as TMA reads it; what is no scale is left to be refused by name."""
    if isinstance(scale, torch.Tensor) and scale.dtype == torch.float32 and scale.dim() in (2, 3) and scale.numel():
        return get_mn_major_tma_aligned_tensor(scale)
    return scale


def _fastest(a, scale_a, b, scale_b):
    """The scales, copied where that pays."""
    if getattr(a, "shape", torch.Size())[:-1].numel() < _WORTH_A_COPY:
        return scale_a, scale_b
    if getattr(scale_b, "shape", ())[-2:-1] == getattr(b, "shape", (None,))[-2:-1]:  # one for each row, not for each block
        scale_b = _transformed(scale_b)
    return _transformed(scale_a), scale_b


def _copy(function, c, d):
    try:
        d.copy_(c)
    except RuntimeError as error:  # torch's words where one begins inside the other
        refuse(function, f"c cannot be copied to d: {error} Give d memory of its own, or d itself as c")


def launch(function, form, flags, alignment, expected_m, a, scale_a, b, scale_b, d, index=None, c=None):
    """One product; `form` and `flags` are the library's, `index` says which rows belong to which group, `c` is what d holds
    before it is added to, where that is another tensor.

    Engines call with the same weights and, from the caching allocator, mostly the same other addresses, so most calls find
    their plan: this function is their whole cost on the host.
    """
    if settings._pdl:
        flags |= _library.GEMM_PROGRAMMATIC_LAUNCH
    if settings._allow_transform:
        scale_a, scale_b = _fastest(a, scale_a, b, scale_b)
    try:
        # All that a plan is bound to, written out: a loop over the tensors would take twice as long.
        layout = (form, flags, alignment, expected_m, settings._num_sms,
                  a.shape, a.stride(), a.dtype, a.get_device(),
                  scale_a.shape, scale_a.stride(), scale_a.dtype, scale_a.get_device(),
                  b.shape, b.stride(), b.dtype, b.get_device(),
                  scale_b.shape, scale_b.stride(), scale_b.dtype, scale_b.get_device(),
                  d.shape, d.stride(), d.dtype, d.get_device())
        if form:
            layout += (index.shape, index.stride(), index.dtype, index.get_device())
            key = (layout, a.data_ptr(), scale_a.data_ptr(), b.data_ptr(), scale_b.data_ptr(), d.data_ptr(), index.data_ptr())
        else:
            key = (layout, a.data_ptr(), scale_a.data_ptr(), b.data_ptr(), scale_b.data_ptr(), d.data_ptr())
        plan = _plans.get(key)
    except (AttributeError, RuntimeError):  # no tensor, or one without strides: described, it is refused by name
        plan, layout = None, (form, flags, alignment, expected_m, settings._num_sms)
    if plan is None:
        tensors = (a, scale_a, b, scale_b, d, index) if form else (a, scale_a, b, scale_b, d)
        plan = _bind(function, layout, tensors)
        if plan is None:
            return
        if len(_plans) >= _MOST_PLANS:
            _plans.clear()
        _plans[key] = plan
    if _compile_only:
        return
    if c is not None:  # here, where nothing is refused any more
        _copy(function, c, d)
    stream = None if plan.cuda_index is None else _current_stream(plan.cuda_index)
    status = _launch(plan.handle, stream)
    if status:
        _check(function, status)


_launch = _library.library.fathom_gemm_plan_launch
# Of torch since 1.8; CPU builds lack it and never get there.
_current_stream = getattr(torch._C, "_cuda_getCurrentRawStream", None)
