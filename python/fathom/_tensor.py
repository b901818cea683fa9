"""From the tensors of others to views that the library reads. Sees _library.py alone; imports no array library.

What it takes, in this order: a TensorView, a torch tensor (whose FP8 types the exchange protocols of older releases lack),
what has __cuda_array_interface__ or __array_interface__, and what has __dlpack__.
"""

import ctypes
import functools
import sys
from typing import Any, Callable, Dict, NamedTuple, Optional, Tuple

from ._errors import InvalidArgumentError
from ._library import CPU, CUDA, DTYPES, MAX_RANK, Tensor

_ITEM_BYTES = {"e4m3": 1, "bf16": 2, "fp16": 2, "fp32": 4, "fp64": 8, "int32": 4, "int64": 8}
_ARRAY_TYPES = {"f2": "fp16", "f4": "fp32", "f8": "fp64", "i4": "int32", "i8": "int64"}
_NAMED_TYPES = {"float8_e4m3fn": "e4m3", "bfloat16": "bf16"}  # ml_dtypes: the array interface calls them plain bytes
# (DLPack's type code, bits): DLPack 1.1, dlpack.h.
_DLPACK_TYPES = {(10, 8): "e4m3", (4, 16): "bf16", (2, 16): "fp16", (2, 32): "fp32", (2, 64): "fp64", (0, 32): "int32",
                 (0, 64): "int64"}
_DLPACK_CPU = (1, 3)  # kDLCPU, kDLCUDAHost
_DLPACK_CUDA = (2, 13)  # kDLCUDA, kDLCUDAManaged


class Described(NamedTuple):
    """A tensor of somebody else's, in our words."""

    data: int
    dtype: str
    device_type: int
    device_index: int
    shape: Tuple[int, ...]
    stride: Tuple[int, ...]  # in elements
    read_only: bool = False
    stream: Optional[int] = None  # that the tensor's owner works on, where it says so
    keep: Any = None  # what must outlive the use of `data`


class TensorView:
    """Another library's tensor as fathom reads it: where it lies, its type, shape and strides. Keeps the tensor alive.

    array: the tensor that is viewed; dtype: "e4m3", "bf16", "fp16", "fp32", "fp64", "int32" or "int64"; shape, stride:
    in elements; device: ("cpu", 0) or ("cuda", index).
    """

    __slots__ = ("_described", "array")

    def __init__(self, array: Any, described: Described) -> None:
        self.array = array
        self._described = described

    @property
    def dtype(self) -> str:
        return self._described.dtype

    @property
    def shape(self) -> Tuple[int, ...]:
        return self._described.shape

    @property
    def stride(self) -> Tuple[int, ...]:
        return self._described.stride

    @property
    def device(self) -> Tuple[str, int]:
        return ("cuda" if self._described.device_type == CUDA else "cpu", self._described.device_index)

    def __repr__(self) -> str:
        return f"TensorView({self.dtype}, shape={list(self.shape)}, stride={list(self.stride)}, device={self.device})"


def view(array: Any, dtype: Optional[str] = None) -> TensorView:
    """A view of `array`. `dtype` says what bytes mean that its library has no type for, or calls something else: "e4m3" for
    codes in an array of one byte an element, "bf16" for two. Raises TypeError when `array` is no tensor, ValueError when
    `dtype` is unknown or of another size."""
    described = _describe(array, "view", "array", dtype)
    return TensorView(array, described)


def describe(array: Any, function: str, name: str) -> Described:
    """The operand `name` of `function`; its type must be one of ours."""
    return _describe(array, function, name, None)


def struct_of(described: Described) -> Tensor:
    rank = len(described.shape)
    shape, stride = described.shape[:MAX_RANK], described.stride[:MAX_RANK]
    return Tensor(described.data, DTYPES[described.dtype], described.device_type, described.device_index, rank,
                  (ctypes.c_int64 * MAX_RANK)(*shape), (ctypes.c_int64 * MAX_RANK)(*stride))


def is_torch(array: Any) -> bool:
    """Whether this is a tensor of torch's, or a view of one."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(array.array if isinstance(array, TensorView) else array, torch.Tensor)


def stream_source(array: Any, described: Described) -> Callable[[], int]:
    """What gives the stream that work on this tensor goes to when the caller names none: torch's current one for torch's
    tensors, the one that the tensor's owner names, else the default stream."""
    if described.device_type == CUDA and is_torch(array):
        torch = sys.modules["torch"]
        raw = getattr(torch._C, "_cuda_getCurrentRawStream", None)  # a tenth of the time of the public function
        if raw is not None:
            return functools.partial(raw, described.device_index)
        return lambda: int(torch.cuda.current_stream(described.device_index).cuda_stream)
    return functools.partial(int, described.stream or 0)


def current_stream(array: Any, described: Described) -> int:
    """What stream_source gives now."""
    return stream_source(array, described)()


def make_for(stream: Optional[int], like: Any, make: Callable[..., Any], *arguments: Any) -> Any:
    """make(*arguments), a tensor that a call on `stream` writes, None where the caller names none. Torch's memory then belongs to
    that stream: of the current one's, work queued there may still use the block, and the next tensor there may get it before
    this call is done with it."""
    if stream is None or not is_torch(like):
        return make(*arguments)
    torch, device = sys.modules["torch"], (like.array if isinstance(like, TensorView) else like).device
    if device.type != "cuda" or stream == torch._C._cuda_getCurrentRawStream(device.index):
        return make(*arguments)
    # CUDA's numbers 0 and 1 both name the default stream, of which ExternalStream makes a new stream and an error.
    named = torch.cuda.ExternalStream(stream, device=device) if stream > 1 else torch.cuda.default_stream(device)
    with torch.cuda.stream(named):
        return make(*arguments)


def _describe(array: Any, function: str, name: str, dtype: Optional[str]) -> Described:
    if dtype is not None and dtype not in DTYPES:
        raise InvalidArgumentError(f"{function}: dtype is {dtype!r}; it needs one of {', '.join(DTYPES)}")
    if isinstance(array, TensorView):
        return _retyped(array._described, array.dtype, _ITEM_BYTES[array.dtype], dtype, function, name)
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(array, torch.Tensor):
        return _from_torch(torch, array, dtype, function, name)
    interface = getattr(array, "__cuda_array_interface__", None)
    if interface is not None:
        return _from_interface(array, interface, CUDA, dtype, function, name)
    interface = getattr(array, "__array_interface__", None)
    if interface is not None:
        return _from_interface(array, interface, CPU, dtype, function, name)
    if hasattr(array, "__dlpack__"):
        return _from_dlpack(array, dtype, function, name)
    raise TypeError(f"{function}: {name} is a {type(array).__name__}; it needs a tensor of torch, a NumPy array, or an "
                    "object with DLPack or an array interface")


def _retyped(described: Described, found: Any, item_bytes: int, dtype: Optional[str], function: str, name: str) -> Described:
    """With the type that the caller named, when it fits; `found` is the owner's word for its own."""
    if dtype is not None:
        if _ITEM_BYTES[dtype] != item_bytes:
            raise InvalidArgumentError(f"{function}: {name} has {item_bytes} bytes an element ({found}); {dtype} has "
                                       f"{_ITEM_BYTES[dtype]}: view it as a type of that size first")
        return described._replace(dtype=dtype)
    if not described.dtype:
        hint = {1: "; for E4M3 codes pass fathom.view(array, 'e4m3')",
                2: "; for bf16 in an array of 16-bit numbers pass fathom.view(array, 'bf16')"}.get(item_bytes, "")
        raise InvalidArgumentError(f"{function}: {name} has the type {found}; it needs one of {', '.join(DTYPES)}{hint}")
    return described


_torch_types: Dict[Any, str] = {}


def _fill_torch_types(torch: Any) -> None:
    names = {"float8_e4m3fn": "e4m3", "bfloat16": "bf16", "float16": "fp16", "float32": "fp32", "float64": "fp64",
             "int32": "int32", "int64": "int64"}
    _torch_types.update({getattr(torch, ours): name for ours, name in names.items() if hasattr(torch, ours)})


def _from_torch(torch: Any, array: Any, dtype: Optional[str], function: str, name: str) -> Described:
    if not _torch_types:
        _fill_torch_types(torch)
    device = array.device
    if device.type not in ("cpu", "cuda"):
        raise InvalidArgumentError(f"{function}: {name} is on the device {device}; it needs cpu or cuda: copy it there")
    if array.is_neg():  # an imaginary part; what is_conj() is complex, which is no type of ours
        raise InvalidArgumentError(f"{function}: {name} is negated only when torch reads it (is_neg()); its memory has the other "
                                   "sign: pass resolve_neg() of it")
    on_gpu = device.type == "cuda"
    described = Described(array.data_ptr(), _torch_types.get(array.dtype, ""), CUDA if on_gpu else CPU,
                          device.index if on_gpu else 0, tuple(array.shape), array.stride())
    return _retyped(described, array.dtype, array.element_size(), dtype, function, name)


def _from_interface(array: Any, interface: Dict[str, Any], device_type: int, dtype: Optional[str], function: str,
                    name: str) -> Described:
    typestr = interface["typestr"]
    if typestr[1] == "O":
        raise InvalidArgumentError(f"{function}: {name} holds Python objects; it needs numbers of one type: convert it with astype")
    masked_arrays = sys.modules.get("numpy.ma")
    if interface.get("mask") is not None or masked_arrays and isinstance(array, masked_arrays.MaskedArray):
        raise InvalidArgumentError(f"{function}: {name} is a masked array; no element is left out here: fill it first")
    item_bytes = int(typestr[2:].partition("[")[0])  # dates name their unit: <M8[us]
    found = _ARRAY_TYPES.get(typestr[1:], "")
    named = getattr(getattr(array, "dtype", None), "name", "")
    if typestr[0] == ">":
        raise InvalidArgumentError(f"{function}: {name} has big-endian elements ({typestr}); it needs this machine's order: "
                                   "copy it with astype")
    shape = tuple(interface["shape"])
    strides = interface.get("strides")
    if strides is None:
        stride = _contiguous(shape)
    else:
        if any(step % item_bytes for step, extent in zip(strides, shape) if extent > 1):
            raise InvalidArgumentError(f"{function}: {name} has strides of {list(strides)} bytes; they must be multiples of "
                                       f"its {item_bytes} bytes an element: copy it")
        stride = tuple(step // item_bytes for step in strides)
    data, read_only = interface["data"] if interface.get("data") else (0, False)
    described = Described(data or 0, _NAMED_TYPES.get(named, found), device_type,
                          _device_index_of(array) if device_type == CUDA else 0, shape, stride, read_only,
                          interface.get("stream"))
    return _retyped(described, named or typestr, item_bytes, dtype, function, name)


def _device_index_of(array: Any) -> int:
    """The interface does not say where an array lies; its owner does, by DLPack or by an attribute."""
    if hasattr(array, "__dlpack_device__"):
        return int(array.__dlpack_device__()[1])
    device = getattr(array, "device", 0)
    return int(getattr(device, "id", device if isinstance(device, int) else 0))


def _contiguous(shape: Tuple[int, ...]) -> Tuple[int, ...]:
    stride, step = [], 1
    for extent in reversed(shape):
        stride.append(step)
        step *= max(extent, 1)
    return tuple(reversed(stride))


class _DlTensor(ctypes.Structure):
    """DLTensor of dlpack.h, with which an unversioned DLManagedTensor begins."""

    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("type_code", ctypes.c_uint8),
        ("type_bits", ctypes.c_uint8),
        ("type_lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    ]


def _from_dlpack(array: Any, dtype: Optional[str], function: str, name: str) -> Described:
    kind, index = array.__dlpack_device__()
    if kind not in _DLPACK_CPU + _DLPACK_CUDA:
        raise InvalidArgumentError(f"{function}: {name} is on DLPack's device {int(kind)}; it needs the CPU (1) or CUDA (2): "
                                   "copy it there")
    on_gpu = kind in _DLPACK_CUDA
    # -1: the order of work is the caller's, who names the stream.
    capsule = array.__dlpack__(stream=-1) if on_gpu else array.__dlpack__()
    get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
    get_pointer.restype, get_pointer.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
    tensor = _DlTensor.from_address(get_pointer(capsule, b"dltensor"))
    shape = tuple(tensor.shape[:tensor.ndim])
    stride = tuple(tensor.strides[:tensor.ndim]) if tensor.strides else _contiguous(shape)
    code = (tensor.type_code, tensor.type_bits)
    described = Described((tensor.data or 0) + tensor.byte_offset,
                          _DLPACK_TYPES.get(code, "") if tensor.type_lanes == 1 else "", CUDA if on_gpu else CPU,
                          int(index) if on_gpu else 0, shape, stride, keep=capsule)
    return _retyped(described, f"DLPack code {code[0]} of {code[1]} bits", tensor.type_bits * tensor.type_lanes // 8, dtype,
                    function, name)


def require_writable(described: Described, function: str, name: str) -> None:
    if described.read_only:
        raise InvalidArgumentError(f"{function}: {name} is read-only; it is written: pass a writable array")


def empty_like_of(array: Any, described: Described, shape: Tuple[int, ...], dtype: str, function: str, name: str,
                  order: str = "rows") -> Any:
    """A new tensor of the kind and on the device of `array`: of torch, or of NumPy for anything else on the CPU. Pitches are
    padded to 16 bytes. `order` "rows": the last dimension is contiguous; "columns": the one before it. Where NumPy has no
    such type it is a TensorView whose .array holds the codes."""
    owner = array.array if isinstance(array, TensorView) else array
    multiple = max(1, 16 // _ITEM_BYTES[dtype])
    lead, (rows, cols) = shape[:-2], shape[-2:]
    inner, outer = (cols, rows) if order == "rows" else (rows, cols)
    padded = -(-inner // multiple) * multiple
    if is_torch(owner):
        torch = sys.modules["torch"]
        if not _torch_types:
            _fill_torch_types(torch)
        torch_type = next(theirs for theirs, ours in _torch_types.items() if ours == dtype)
        stride = _contiguous(lead + (outer, padded))
        if order != "rows":
            stride = stride[:-2] + (1, padded)
        return torch.empty_strided(shape, stride, dtype=torch_type, device=owner.device)
    if described.device_type == CUDA:
        raise InvalidArgumentError(f"{function}: {name} is missing; for GPU tensors of {type(owner).__module__} it must be "
                                   "given, since only torch's are made here")
    import numpy

    numpy_type = {"e4m3": "uint8", "bf16": "uint16", "fp16": "float16", "fp32": "float32"}[dtype]
    item = _ITEM_BYTES[dtype]
    count = outer * padded
    for extent in lead:
        count *= extent
    buffer = numpy.empty(count * item + 16, numpy.uint8)
    start = -buffer.ctypes.data % 16  # NumPy aligns to 16 bytes on most machines and promises it on none
    made = buffer[start:start + count * item].view(numpy_type).reshape(lead + (outer, padded))[..., :inner]
    if order != "rows":
        made = made.swapaxes(-1, -2)
    return view(made, dtype) if dtype in ("e4m3", "bf16") else made
