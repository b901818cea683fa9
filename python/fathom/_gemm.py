"""gemm and grouped_gemm, in one call or as bound plans. Front of the package; computes nothing."""

import ctypes
import json
from typing import Any, Dict, Optional, Tuple

from . import _library, _template
from ._context import Context, default_context
from ._errors import InvalidArgumentError
from ._library import BACKEND_NAMES, GemmArgs, call_for_text, check, encode, error_of, library, require_fits
from ._quantize import backend_code
from ._tensor import Described, describe, empty_like_of, is_torch, make_for, require_writable, stream_source, struct_of

_GROUP_FORMS = {"offsets": _library.GROUPS_OFFSETS, "row_group": _library.GROUPS_ROW_GROUP,
                "group_end": _library.GROUPS_GROUP_END, "rows": _library.GROUPS_MASKED}
_FLAGS = {"accumulate": _library.GEMM_ACCUMULATE, "batch_invariant": _library.GEMM_BATCH_INVARIANT,
          "zero_padding": _library.GEMM_ZERO_PADDING, "programmatic_launch": _library.GEMM_PROGRAMMATIC_LAUNCH,
          "weights_constant": _library.GEMM_WEIGHTS_CONSTANT, "check_metadata": _library.GEMM_CHECK_METADATA}
_NO_GROUPS: Dict[str, Any] = {}


class _Call:
    """The arguments of a call as the C interface takes them, and what must live as long."""

    __slots__ = ("args", "current_stream", "d", "keep")

    def __init__(self, function: str, a: Any, scale_a: Any, b: Any, scale_b: Any, d: Any, dtype: Optional[str],
                 groups: Dict[str, Any], options: Dict[str, Any]) -> None:
        form, index_name, index = _group_form(groups, function)
        described = [describe(tensor, function, name)
                     for tensor, name in ((a, "a"), (scale_a, "scale_a"), (b, "b"), (scale_b, "scale_b"))]
        if d is None:
            d = _new_d(function, a, b, form, dtype, options)
        described.append(describe(d, function, "d"))
        require_writable(described[4], function, "d")
        tensors = [struct_of(operand) for operand in described]
        if form != _library.GROUPS_NONE:
            described.append(describe(index, function, index_name))
            tensors.append(struct_of(described[5]))
        alignment, expected_m, max_sms = options.get("alignment", 0), options.get("expected_m", 0), options["max_sms"]
        require_fits(64, function, alignment=alignment, expected_m=expected_m)
        require_fits(32, function, max_sms=max_sms)
        flags = 0
        for name, bit in _FLAGS.items():
            if options.get(name):
                flags |= bit
        self.args = GemmArgs(ctypes.sizeof(GemmArgs), *tensors)
        self.args.group_form = form
        self.args.backend = backend_code(options["backend"], function)
        self.args.group_alignment = alignment
        self.args.expected_m = expected_m
        self.args.flags = flags
        self.args.max_sms = max_sms
        self.args.config = encode(options["config"]) if options["config"] else None
        self.d = d
        self.current_stream = stream_source(a, described[0])
        self.keep = (a, scale_a, b, scale_b, d, index, described)


def _group_form(groups: Dict[str, Any], function: str) -> Tuple[int, str, Any]:
    given = [(name, index) for name, index in groups.items() if index is not None]
    if not given:
        return _library.GROUPS_NONE, "", None
    if len(given) > 1:
        raise InvalidArgumentError(f"{function}: got {' and '.join(name for name, _ in given)}; it needs one of "
                                   f"{', '.join(_GROUP_FORMS)}")
    name, index = given[0]
    return _GROUP_FORMS[name], name, index


def _new_d(function: str, a: Any, b: Any, form: int, dtype: Optional[str], options: Dict[str, Any]) -> Any:
    if options.get("accumulate"):
        raise InvalidArgumentError(f"{function}: accumulate is set and d is missing; it needs the fp32 tensor to add to")
    try:
        layout = (a.shape, b.shape, a.get_device(), form, dtype)
    except AttributeError:  # not torch's
        layout = None
    return _template.output(layout, lambda: _make_d(function, a, describe(a, function, "a"), describe(b, function, "b"),
                                                    form, dtype))


def _make_d(function: str, a: Any, described_a: Described, described_b: Described, form: int, dtype: Optional[str]) -> Any:
    if len(described_a.shape) < 2 or len(described_b.shape) < 2:
        raise InvalidArgumentError(f"{function}: a has shape {list(described_a.shape)} and b {list(described_b.shape)}; they "
                                   "need at least two dimensions")
    if dtype is None:
        dtype = "bf16" if is_torch(a) or form != _library.GROUPS_NONE else "fp32"
    if dtype not in ("bf16", "fp32"):
        raise InvalidArgumentError(f"{function}: dtype is {dtype!r}; it needs bf16 or fp32")
    return empty_like_of(a, described_a, described_a.shape[:-1] + described_b.shape[-2:-1], dtype, function, "d")


_A, _SCALE_A, _B, _SCALE_B, _D, _INDEX = _template.places(
    GemmArgs, ("a", "scale_a", "b", "scale_b", "d", "group_index"))


def _layout_of(a: Any, scale_a: Any, b: Any, scale_b: Any, d: Any, index: Any, more: Any) -> Any:
    """What a template depends on, or None for tensors that are not torch's. Written out: this is on the path of every
    call, and get_device() takes a seventh of the time of device."""
    try:
        operands = (a.shape, a.stride(), a.dtype, a.get_device(), scale_a.shape, scale_a.stride(), scale_a.dtype,
                    scale_a.get_device(), b.shape, b.stride(), b.dtype, b.get_device(), scale_b.shape, scale_b.stride(),
                    scale_b.dtype, scale_b.get_device(), d.shape, d.stride(), d.dtype, d.get_device(), more)
        if index is None:
            return operands
        return (*operands, index.shape, index.stride(), index.dtype, index.get_device())
    except (AttributeError, TypeError, RuntimeError):  # RuntimeError: torch's tensors without a device of this kind
        return None


def _run(c_function: Any, function: str, operands: Tuple[Any, Any, Any, Any], d: Any, dtype: Optional[str],
         groups: Dict[str, Any], options: Dict[str, Any], stream: Optional[int], context: Optional[Context]) -> Any:
    """gemm and grouped_gemm: from a template where there is one, else from the operands' full description."""
    form, _, index = _group_form(groups, function) if groups else (0, "", None)
    handle = (context or default_context())._handle
    if d is None:
        d = make_for(stream, operands[0], _new_d, function, operands[0], operands[2], form, dtype, options)
    layout = _layout_of(*operands, d, index, (form, *options.values()))
    template = _template.find(layout)
    if template is not None:
        words = template.words[:]
        words[_A], words[_SCALE_A], words[_B], words[_SCALE_B] = [operand.data_ptr() for operand in operands]
        words[_D] = d.data_ptr()
        if index is not None:
            words[_INDEX] = index.data_ptr()
        check(c_function(handle, words.buffer_info()[0], template.current_stream() if stream is None else stream))
        return d
    call = _Call(function, *operands, d, dtype, groups, options)
    check(c_function(handle, ctypes.addressof(call.args), call.current_stream() if stream is None else stream))
    tensors = (*operands, d) if index is None else (*operands, d, index)
    _template.keep(layout, tensors, _template.Template(call.args, call.current_stream))
    return call.d


def gemm(a: Any, scale_a: Any, b: Any, scale_b: Any, d: Any = None, *, dtype: Optional[str] = None,
         accumulate: bool = False, batch_invariant: bool = False, programmatic_launch: bool = False,
         weights_constant: bool = False, max_sms: int = 0, config: str = "", backend: str = "auto",
         stream: Optional[int] = None, context: Optional[Context] = None) -> Any:
    """d = (a * scale_a) @ (b * scale_b).T, FP8 in, FP32 sums; with `accumulate` d += instead.

    a: e4m3 [m, k]. scale_a: fp32 [m, ceil(k / 128)], either dimension contiguous (rows contiguous is read fastest).
    b: e4m3 [n, k]. scale_b: fp32 [ceil(n / 128), ceil(k / 128)], one a block, or [n, ceil(k / 128)], one a row.
    d: bf16 or fp32 [m, n], written; made with `dtype` when not given: "bf16" by default for torch's tensors, "fp32" for
    others (a bf16 for NumPy is a TensorView whose .array holds the codes).
    a, b and d: last dimension contiguous, addresses and pitches multiples of 16 bytes; any m, n, k.

    accumulate: d must be fp32. batch_invariant: the bits of a row do not depend on the other rows. programmatic_launch,
    weights_constant: start while the stream's previous kernel still runs; it writes neither b nor scale_b.
    max_sms: multiprocessors to use, 0 = all. config: the tag of a config, "" = planned. backend: "auto" (the tensors'
    device), "cpu", "cuda" or "reference". stream: a CUDA stream as a number; by default torch's current one for torch's
    tensors. On the CPU the call returns when d is written.

    Returns d. Raises ValueError for what the caller can mend, NotImplementedError for what this device or build cannot do,
    RuntimeError for the rest; all are fathom.Error. A refused call writes nothing.
    """
    options = {"accumulate": accumulate, "batch_invariant": batch_invariant, "programmatic_launch": programmatic_launch,
               "weights_constant": weights_constant, "max_sms": max_sms, "config": config, "backend": backend}
    return _run(library.fathom_gemm, "gemm", (a, scale_a, b, scale_b), d, dtype, _NO_GROUPS, options, stream, context)


def grouped_gemm(a: Any, scale_a: Any, b: Any, scale_b: Any, d: Any = None, *, offsets: Any = None, row_group: Any = None,
                 group_end: Any = None, rows: Any = None, alignment: int = 128, expected_m: int = 0,
                 batch_invariant: bool = False, zero_padding: bool = False, programmatic_launch: bool = False,
                 weights_constant: bool = False, check_metadata: bool = False, max_sms: int = 0, config: str = "",
                 backend: str = "auto", stream: Optional[int] = None, context: Optional[Context] = None) -> Any:
    """One product per group: the rows of a that belong to group g times b[g].

    Exactly one of these says which rows are whose; it lies where a lies and is read when the kernel runs:
    offsets: int32 or int64 [G + 1], ascending: rows [offsets[g], offsets[g + 1]) are group g, no alignment asked.
    row_group: int32 [m], the group of each row or -1 for nobody's; one group in each aligned block of `alignment` rows.
    group_end: int32 [G], exclusive ends; starts are rounded up to `alignment`.
    rows: int32 [G]: the first rows[g] of the max_m rows of group g (masked); then a, scale_a and d have a leading G.

    a: e4m3 [m, k]; with `rows` [G, max_m, k]. scale_a: fp32 [m, ceil(k / 128)]; with `rows` [G, max_m, ceil(k / 128)].
    b: e4m3 [G, n, k]. scale_b: as gemm's with a leading G. d: bf16 [m, n]; with `rows` [G, max_m, n]; made when not given.
    Rows that belong to nobody are not touched (zero_padding: row_group stores zeros to rows of -1).
    alignment: 16, 32, 64, 128 or 256. expected_m: a hint, rows expected in a group. check_metadata: on a GPU too, check the
    metadata on the host, which synchronises; the CPU always checks. The rest as gemm.
    """
    options = {"alignment": alignment, "expected_m": expected_m, "batch_invariant": batch_invariant,
               "zero_padding": zero_padding, "programmatic_launch": programmatic_launch,
               "weights_constant": weights_constant, "check_metadata": check_metadata, "max_sms": max_sms,
               "config": config, "backend": backend}
    groups = {"offsets": offsets, "row_group": row_group, "group_end": group_end, "rows": rows}
    return _run(library.fathom_grouped_gemm, "grouped_gemm", (a, scale_a, b, scale_b), d, None, groups, options, stream,
                context)


class GemmPlan:
    """A call checked, planned, compiled and bound once, to be launched as often as the operands' contents change.

    d: what is written. backend: "cpu", "cuda" or "reference". config: the tag of what runs. Made by plan().
    """

    __slots__ = ("__weakref__", "_current_stream", "_handle", "_keep", "_launch", "d")

    def __init__(self, call: _Call, context: Optional[Context]) -> None:
        self._handle: Any = None
        handle = ctypes.c_void_p()
        check(library.fathom_gemm_plan_create((context or default_context())._handle, ctypes.byref(call.args),
                                              ctypes.byref(handle)))
        self._handle = handle
        self._launch = library.fathom_gemm_plan_launch
        self._keep = call.keep
        self.d = call.d
        self._current_stream = call.current_stream

    def launch(self, stream: Optional[int] = None) -> None:
        """Computes d from what the operands hold now. stream: a CUDA stream as a number; by default torch's current one for
        torch's tensors. On a GPU it allocates nothing and synchronises nothing; usable in a CUDA graph; from any thread."""
        status = self._launch(self._handle, self._current_stream() if stream is None else stream)
        if status:
            raise error_of(status)

    @property
    def backend(self) -> str:
        code = ctypes.c_int32()
        check(library.fathom_gemm_plan_backend(self._handle, ctypes.byref(code)))
        return BACKEND_NAMES[code.value]

    @property
    def config(self) -> str:
        return call_for_text(library.fathom_gemm_plan_config, self._handle)

    def explain(self) -> Dict[str, Any]:
        """What runs and why: problem, backend, config, and on a GPU launch shape, candidates and their costs."""
        text = call_for_text(library.fathom_gemm_plan_explain, self._handle)
        explained: Dict[str, Any] = json.loads(text)
        return explained

    def __del__(self, _destroy: Any = library.fathom_gemm_plan_destroy) -> None:
        handle = getattr(self, "_handle", None)
        if handle is not None:
            _destroy(handle)


def _planned_call(function: str, a: Any, scale_a: Any, b: Any, scale_b: Any, d: Any = None, *, offsets: Any = None,
                  row_group: Any = None, group_end: Any = None, rows: Any = None, dtype: Optional[str] = None,
                  alignment: int = 128, expected_m: int = 0, accumulate: bool = False, batch_invariant: bool = False,
                  zero_padding: bool = False, programmatic_launch: bool = False, weights_constant: bool = False,
                  check_metadata: bool = False, max_sms: int = 0, config: str = "", backend: str = "auto") -> _Call:
    options = {"alignment": alignment, "expected_m": expected_m, "accumulate": accumulate,
               "batch_invariant": batch_invariant, "zero_padding": zero_padding,
               "programmatic_launch": programmatic_launch, "weights_constant": weights_constant,
               "check_metadata": check_metadata, "max_sms": max_sms, "config": config, "backend": backend}
    groups = {"offsets": offsets, "row_group": row_group, "group_end": group_end, "rows": rows}
    return _Call(function, a, scale_a, b, scale_b, d, dtype, groups, options)


def plan(a: Any, scale_a: Any, b: Any, scale_b: Any, d: Any = None, *, context: Optional[Context] = None,
         **options: Any) -> GemmPlan:
    """A bound plan for gemm, or for grouped_gemm when one of its four kinds of groups is given. Takes their arguments but
    `stream`; checks, plans, and compiles or loads what is missing. Launch it with .launch(). Raises as gemm."""
    return GemmPlan(_planned_call("plan", a, scale_a, b, scale_b, d, **options), context)


def explain(a: Any, scale_a: Any, b: Any, scale_b: Any, d: Any = None, *, device: Optional[str] = None,
            context: Optional[Context] = None, **options: Any) -> Dict[str, Any]:
    """What a call would run and why, with plan's arguments: plan(...).explain(). Computes nothing. device: "h200", "h100",
    "h800", "h20" or "gh200", for a GPU that need not be in this machine."""
    call = _planned_call("explain", a, scale_a, b, scale_b, d, **options)
    if device is None:
        return GemmPlan(call, context).explain()
    text = call_for_text(library.fathom_gemm_explain, ctypes.byref(call.args), encode(device))
    explained: Dict[str, Any] = json.loads(text)
    return explained


def can_implement(a: Any, scale_a: Any, b: Any, scale_b: Any, d: Any = None, *, context: Optional[Context] = None,
                  **options: Any) -> Optional[str]:
    """Why a call would be refused, with plan's arguments; None when it would run. Reads shapes and pointers, no data;
    compiles nothing."""
    try:
        call = _planned_call("can_implement", a, scale_a, b, scale_b, d, **options)
    except InvalidArgumentError as error:
        return str(error)
    reason = ctypes.c_char_p()
    check(library.fathom_gemm_can_implement((context or default_context())._handle, ctypes.byref(call.args),
                                            ctypes.byref(reason)))
    return None if reason.value is None else reason.value.decode()
