"""safetensors files byte by byte, malformed ones included, without the official package."""

import json
import struct

import numpy as np

NAMES = {"F8_E4M3": np.uint8, "BF16": np.uint16, "F16": np.float16, "F32": np.float32, "F64": np.float64,
         "I32": np.int32, "I64": np.int64, "U8": np.uint8, "F8_E8M0": np.uint8}


def header_bytes(header):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text


def write(path, tensors, metadata=None):
    """tensors: name -> (dtype of the format, array)."""
    header, offset = {}, 0
    if metadata:
        header["__metadata__"] = metadata
    for name, (dtype, array) in tensors.items():
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
    with open(path, "wb") as file:
        file.write(header_bytes(header))
        for _, array in tensors.values():
            file.write(np.ascontiguousarray(array).tobytes())


def read(path):
    """(name -> array, name -> dtype of the format, metadata); FP8 and BF16 as their bits."""
    data = open(path, "rb").read()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + length])
    metadata = header.pop("__metadata__", {})
    arrays = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        raw = data[8 + length + begin:8 + length + end]
        arrays[name] = np.frombuffer(raw, NAMES[entry["dtype"]]).reshape(entry["shape"])
    return arrays, {name: entry["dtype"] for name, entry in header.items()}, metadata
