"""quantize, dequantize and the order of scales. Front of the package; computes nothing."""

import ctypes
from typing import Any, Optional, Tuple

from . import _library, _template
from ._context import Context, default_context
from ._errors import InvalidArgumentError
from ._library import BACKENDS, BLOCKS, QuantizeArgs, check, library
from ._tensor import (
    Described, current_stream, describe, empty_like_of, make_for, require_writable, stream_source, struct_of)

Pair = Tuple[Any, Any]


def backend_code(backend: str, function: str) -> int:
    if backend not in BACKENDS:
        raise InvalidArgumentError(f"{function}: backend is {backend!r}; it needs one of {', '.join(BACKENDS)}")
    return BACKENDS[backend]


_X, _Q, _SCALE = _template.places(QuantizeArgs, ("x", "q", "scale"))


def _run(function: Any, name: str, x: Any, q: Any, scale: Any, block: str, backend: str, flags: int,
         written: Tuple[str, ...], stream: Optional[int], context: Optional[Context]) -> None:
    handle = (context or default_context())._handle
    try:
        layout = (x.shape, x.stride(), x.dtype, x.get_device(), q.shape, q.stride(), q.dtype, q.get_device(), scale.shape,
                  scale.stride(), scale.dtype, scale.get_device(), name, block, backend, flags)
    except (AttributeError, TypeError, RuntimeError):  # as _layout_of of _gemm.py
        layout = None
    template = _template.find(layout)
    if template is not None:
        words = template.words[:]
        words[_X], words[_Q], words[_SCALE] = x.data_ptr(), q.data_ptr(), scale.data_ptr()
        check(function(handle, words.buffer_info()[0], template.current_stream() if stream is None else stream))
        return
    tensors = {"x": x, "q": q, "scale": scale}
    described = {key: describe(tensor, name, key) for key, tensor in tensors.items()}
    for key in written:
        require_writable(described[key], name, key)
    source = stream_source(x, described["x"])
    args = QuantizeArgs(struct_size=ctypes.sizeof(QuantizeArgs), block=BLOCKS[block], backend=backend_code(backend, name),
                        flags=flags, **{key: struct_of(value) for key, value in described.items()})
    check(function(handle, ctypes.byref(args), source() if stream is None else stream))
    _template.keep(layout, (x, q, scale), _template.Template(args, source))


def _extents_of_q(name: str, x: Any, block: str) -> Tuple[Described, int, int]:
    described = describe(x, name, "x")
    if len(described.shape) != 2:
        raise InvalidArgumentError(f"{name}: x has {len(described.shape)} dimensions {list(described.shape)}; it needs 2: "
                                   "[rows, cols]")
    rows, cols = described.shape if block != "1x128_transposed" else described.shape[::-1]
    return described, rows, cols


def _new_q(name: str, x: Any, block: str) -> Any:
    described, rows, cols = _extents_of_q(name, x, block)
    return empty_like_of(x, described, (rows, cols), "e4m3", name, "q")


def _new_scale(name: str, x: Any, block: str) -> Any:
    described, rows, cols = _extents_of_q(name, x, block)
    scale_rows = -(-rows // 128) if block == "128x128" else rows
    # Rows contiguous is what gemm reads fastest for scale_a; the few scales of weights are read in their own order.
    order = "rows" if block == "128x128" else "columns"
    return empty_like_of(x, described, (scale_rows, -(-cols // 128)), "fp32", name, "scale", order)


def _quantize(name: str, x: Any, block: str, power_of_two_scales: bool, q: Any, scale: Any, backend: str,
              stream: Optional[int], context: Optional[Context]) -> Pair:
    if q is None or scale is None:
        try:
            layout = (x.shape, x.get_device(), block)
        except AttributeError:  # not torch's
            layout = None
        if q is None:
            q = make_for(stream, x, _template.output, layout and (*layout, "q"), lambda: _new_q(name, x, block))
        if scale is None:
            scale = make_for(stream, x, _template.output, layout and (*layout, "scale"), lambda: _new_scale(name, x, block))
    flags = _library.QUANTIZE_POWER_OF_TWO_SCALES if power_of_two_scales else 0
    _run(library.fathom_quantize, name, x, q, scale, block, backend, flags, ("q", "scale"), stream, context)
    return q, scale


def quantize_1x128(x: Any, *, power_of_two_scales: bool = False, q: Any = None, scale: Any = None, backend: str = "auto",
                   stream: Optional[int] = None, context: Optional[Context] = None) -> Pair:
    """Casts x to FP8 with one scale per row and 128 columns: for activations.

    x: bf16, fp16 or fp32 [rows, cols], rows contiguous, any pitch.
    q: e4m3 [rows, cols], written; made when not given (for a NumPy x: a TensorView whose .array holds the codes).
    scale: fp32 [rows, ceil(cols / 128)] in either order, written; made in the order that gemm reads fastest.
    scale = max(amax, 1e-4) / 448 over each block, rounded up to a power of two on demand; q = x / scale, to nearest even.
    backend: "auto" (the tensors' device), "cpu", "cuda" or "reference". stream: a CUDA stream as a number; by default
    torch's current one for torch's tensors. Returns (q, scale). Raises ValueError for what the caller can mend,
    NotImplementedError for what this machine cannot do.
    """
    return _quantize("quantize_1x128", x, "1x128", power_of_two_scales, q, scale, backend, stream, context)


def quantize_128x128(x: Any, *, power_of_two_scales: bool = False, q: Any = None, scale: Any = None, backend: str = "auto",
                     stream: Optional[int] = None, context: Optional[Context] = None) -> Pair:
    """Casts x to FP8 with one scale per block of 128 x 128: for weights. scale: fp32 [ceil(rows / 128), ceil(cols / 128)];
    the rest as quantize_1x128."""
    return _quantize("quantize_128x128", x, "128x128", power_of_two_scales, q, scale, backend, stream, context)


def quantize_1x128_transposed(x: Any, *, power_of_two_scales: bool = False, q: Any = None, scale: Any = None,
                              backend: str = "auto", stream: Optional[int] = None,
                              context: Optional[Context] = None) -> Pair:
    """The 1x128 cast of the transpose of x [rows, cols]: q [cols, rows], scale [cols, ceil(rows / 128)]; the rest as
    quantize_1x128."""
    return _quantize("quantize_1x128_transposed", x, "1x128_transposed", power_of_two_scales, q, scale, backend, stream,
                     context)


def dequantize(q: Any, scale: Any, x: Any = None, *, block: str = "1x128", dtype: str = "fp32", backend: str = "auto",
               stream: Optional[int] = None, context: Optional[Context] = None) -> Any:
    """x = q * scale in fp32, the inverse of the casts up to rounding.

    q, scale: as the cast of that `block` ("1x128", "128x128", "1x128_transposed") wrote them. x: fp32 or bf16, written;
    made with `dtype` when not given. Returns x; raises as quantize_1x128."""
    if block not in BLOCKS:
        raise InvalidArgumentError(f"dequantize: block is {block!r}; it needs one of {', '.join(BLOCKS)}")
    if x is None:
        if dtype not in ("fp32", "bf16"):
            raise InvalidArgumentError(f"dequantize: dtype is {dtype!r}; it needs fp32 or bf16")
        described = describe(q, "dequantize", "q")
        shape = described.shape[::-1] if block == "1x128_transposed" else described.shape
        if len(shape) != 2:
            raise InvalidArgumentError(f"dequantize: q has {len(shape)} dimensions {list(shape)}; it needs 2: [rows, cols]")
        x = make_for(stream, q, empty_like_of, q, described, shape, dtype, "dequantize", "x")
    _run(library.fathom_dequantize, "dequantize", x, q, scale, block, backend, 0, ("x",), stream, context)
    return x


def copy_scales(scale: Any, to: Any = None, *, backend: str = "auto", stream: Optional[int] = None,
                context: Optional[Context] = None) -> Any:
    """Scales in another order: by default in the one that gemm reads fastest for scale_a, rows contiguous and a pitch that
    is a multiple of 16 bytes.

    scale: fp32 [rows, blocks of 128], or with a leading number of groups. to: of the same shape with strides of its own,
    written; made when not given. Returns `to`; raises as quantize_1x128."""
    source = describe(scale, "copy_scales", "scale")
    if to is None:
        if len(source.shape) not in (2, 3):
            raise InvalidArgumentError(f"copy_scales: scale has {len(source.shape)} dimensions {list(source.shape)}; it needs "
                                       "2: [rows, blocks of 128], or 3 with a leading number of groups")
        to = make_for(stream, scale, empty_like_of, scale, source, source.shape, "fp32", "copy_scales", "to", "columns")
    target = describe(to, "copy_scales", "to")
    require_writable(target, "copy_scales", "to")
    if stream is None:
        stream = current_stream(scale, source)
    check(library.fathom_copy_scales((context or default_context())._handle, ctypes.byref(struct_of(source)),
                                     ctypes.byref(struct_of(target)), backend_code(backend, "copy_scales"), stream))
    return to
