"""A built library as a function. Sees the template's types."""

import ctypes
import os

import torch

from ..errors import DeepGemmError
from .template import CPP_TYPES

_NUMBERS = {bool: ctypes.c_bool, int: ctypes.c_int, float: ctypes.c_float}


class Runtime:
    """Calls `launch` of a folder that build() wrote: checks each argument, passes addresses, returns the code."""

    def __init__(self, path):
        arguments = os.path.join(path, "kernel.args")
        types = {repr(kind): kind for kind in CPP_TYPES}
        with open(arguments) as file:
            pairs = [line.rstrip("\n").split("\t") for line in file]
        self.path = path
        self.args = tuple((name, types[kind]) for name, kind in pairs)
        self._launch = ctypes.CDLL(os.path.join(path, "kernel.so")).launch
        self._launch.restype = None

    @staticmethod
    def is_path_valid(path):
        """Whether the folder holds all that build() writes."""
        return all(os.path.exists(os.path.join(path, name)) for name in ("kernel.cu", "kernel.args", "kernel.so"))

    @staticmethod
    def _convert(name, kind, value):
        if kind in _NUMBERS:
            fits = type(value) is kind
            converted = _NUMBERS[kind](value) if fits else None
        elif kind is torch.cuda.Stream:
            fits = isinstance(value, kind) or hasattr(value, "cuda_stream")
            converted = ctypes.c_void_p(value.cuda_stream) if fits else None
        else:
            fits = isinstance(value, torch.Tensor) and value.dtype == kind
            converted = ctypes.c_void_p(value.data_ptr()) if fits else None
        if not fits:
            got = f"a {value.dtype} tensor" if isinstance(value, torch.Tensor) else f"{type(value).__name__} {value!r}"
            raise DeepGemmError(f"deep_gemm.jit: argument {name} is {got}; it was declared as {kind}")
        return converted

    def __call__(self, *values):
        if len(values) != len(self.args):
            raise DeepGemmError(f"deep_gemm.jit: {len(values)} arguments are given; the function was built with {len(self.args)}: "
                                f"{', '.join(name for name, _ in self.args)}")
        code = ctypes.c_int(0)
        self._launch(*(self._convert(name, kind, value) for (name, kind), value in zip(self.args, values)), ctypes.byref(code))
        return code.value
