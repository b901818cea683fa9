"""The safetensors file form for NumPy arrays: an 8-byte length, a JSON header, the data. FP8 and BF16 come and go as the
unsigned integers of their width."""

import json
import math
import struct

import numpy as np

_DTYPES = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": np.uint16, "F8_E4M3": np.uint8,
           "I64": np.int64, "I32": np.int32, "U8": np.uint8, "BOOL": np.bool_}
_NAMES = {np.dtype(np.float64): "F64", np.dtype(np.float32): "F32", np.dtype(np.uint8): "F8_E4M3"}


class File:
    """A file that is open for reading; tensors are mapped, not loaded."""

    def __init__(self, path):
        self.path = path
        with open(path, "rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            self.entries = json.loads(file.read(length))
        self.entries.pop("__metadata__", None)
        self._data_start = 8 + length

    def shape(self, name):
        return tuple(self.entries[name]["shape"])

    def dtype(self, name):
        return self.entries[name]["dtype"]

    def tensor(self, name):
        shape, dtype = self.shape(name), _DTYPES[self.dtype(name)]
        if math.prod(shape) == 0:
            return np.zeros(shape, dtype)
        offset = self._data_start + self.entries[name]["data_offsets"][0]
        return np.memmap(self.path, dtype, "r", offset, shape)


def write(path, tensors):
    """Writes {name: array}; FP64, FP32, and e4m3 as uint8."""
    header, offset = {}, 0
    for name, array in tensors.items():
        header[name] = {"dtype": _NAMES[array.dtype], "shape": array.shape, "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for array in tensors.values():
            file.write(np.ascontiguousarray(array).tobytes())
