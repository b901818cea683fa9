"""Arguments of calls on torch's tensors that are made once for each layout. Sees _tensor.py alone.

Describing a tensor and filling the structs of the C interface takes Python tens of microseconds; a call whose operands differ
from an earlier one's in their addresses alone copies that call's words and sets the addresses.
"""

import array
import functools
import sys
from typing import Any, Callable, Dict, Sequence

from ._tensor import is_torch

_MOST = 4096  # of 3 KB each; a server meets a few layers times its batch sizes


class Template:
    """A struct of the C interface, without the addresses of its tensors."""

    __slots__ = ("args", "current_stream", "words")

    def __init__(self, args: Any, current_stream: Callable[[], int]) -> None:
        self.words = array.array("Q", bytes(args))
        self.args = args  # owns the strings that the words point to; a field read from it would be a copy
        self.current_stream = current_stream


_templates: Dict[Any, Template] = {}

#: The template of a layout, or None.
find = _templates.get


def keep(layout: Any, tensors: Sequence[Any], template: Template) -> None:
    """Keeps it for calls of this layout, provided that all its tensors are torch's and none can be taken for one that torch
    negates lazily, which _tensor.py refuses: an imaginary part, whose strides are all even."""
    if layout is None or not all(is_torch(tensor) and 1 in tensor.stride() for tensor in tensors):
        return
    if len(_templates) >= _MOST:
        _templates.clear()
    _templates[layout] = template


_makers: Dict[Any, Callable[[], Any]] = {}


def output(layout: Any, make: Callable[[], Any]) -> Any:
    """A new tensor: by the way that this layout's first took, where that was torch's, else by `make`."""
    maker = _makers.get(layout)
    if maker is not None:
        return maker()
    made = make()
    if layout is not None and is_torch(made):
        if len(_makers) >= _MOST:
            _makers.clear()
        _makers[layout] = functools.partial(sys.modules["torch"].empty_strided, tuple(made.shape), made.stride(),
                                            dtype=made.dtype, device=made.device)
    return made


def places(args: Any, names: Sequence[str]) -> Sequence[int]:
    """Where the addresses of these tensors stand among the words of a struct: each tensor begins with its own."""
    return [getattr(args, name).offset // 8 for name in names]
