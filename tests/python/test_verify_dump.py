"""What `fathom verify --dump` writes is right by NumPy: the reference, the result, and who owns which row, for every layout."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
FATHOM = pathlib.Path(os.environ.get("FATHOM_BUILD", ROOT / "build/release")) / "fathom"
sys.path.insert(0, str(ROOT / "tools/demo"))

import fp8
import tensor_file

SEED = 7
CASES_PER_LAYOUT = 6
LAYOUTS = ("dense", "offsets", "row_group", "group_end", "masked")


def owners(layout, file, rows, alignment):
    """The group of each row, -1 for nobody's: the rules of docs/kernels/gemm.md, written once more."""
    owner = np.full(rows, -1)
    if layout == "dense":
        owner[:] = 0
    elif layout == "offsets":
        offsets = file.tensor("offsets")
        for g in range(len(offsets) - 1):
            owner[offsets[g]:offsets[g + 1]] = g
    elif layout == "row_group":
        owner[:] = file.tensor("row_group")
    elif layout == "group_end":
        start = 0
        for g, end in enumerate(file.tensor("group_end")):
            owner[start:end] = g
            start = -(-int(end) // alignment) * alignment
    else:
        max_m = file.shape("a")[1]
        for g, count in enumerate(file.tensor("rows")):
            owner[g * max_m:g * max_m + count] = g
    return owner


def flat(array):
    """[groups, rows, x] as [groups * rows, x]."""
    return array.reshape(-1, array.shape[-1])


def values_of_d(file):
    d = np.array(file.tensor("d"))
    if file.dtype("d") == "BF16":
        d = (d.astype(np.uint32) << 16).view(np.float32)
    return flat(d).astype(np.float64)


def product(file, owner):
    """FP64 of the dequantised operands, and the sum of |a * b|, for the rows that somebody owns."""
    a, scale_a = flat(np.array(file.tensor("a"))), flat(np.array(file.tensor("scale_a")))
    b, scale_b = np.array(file.tensor("b")), np.array(file.tensor("scale_b"))
    if b.ndim == 2:
        b, scale_b = b[None], scale_b[None]
    block_rows = 1 if scale_b.shape[1] == b.shape[1] and b.shape[1] > 1 else 128
    exact, magnitude = np.zeros((len(a), b.shape[1])), np.zeros((len(a), b.shape[1]))
    for g in range(len(b)):
        mine = owner == g
        left, right = fp8.dequantize(a[mine], scale_a[mine], 1), fp8.dequantize(b[g], scale_b[g], block_rows)
        exact[mine] = left @ right.T
        magnitude[mine] = np.abs(left) @ np.abs(right).T
    return exact, magnitude


def cases():
    rng = np.random.default_rng(SEED)
    for layout in LAYOUTS:
        for i in range(CASES_PER_LAYOUT):
            m, n, k = rng.integers(1, 301, 3)
            flags = ["--m", m, "--n", n, "--k", k, "--layout", layout, "--out-dtype", ("bf16", "fp32")[layout == "dense" and i % 2],
                     "--scale-b", ("128x128", "1x128")[i % 3 == 1], "--seed", i]
            if layout != "dense":
                flags += ["--groups-random", rng.integers(1, 8)]
            yield pytest.param(layout, [str(flag) for flag in flags], id=f"{layout}-{m}x{n}x{k}")


@pytest.mark.parametrize("layout, flags", list(cases()))
def test_dump(layout, flags, tmp_path):
    path = tmp_path / "dump.safetensors"
    done = subprocess.run([FATHOM, "verify", *flags, "--dump", path, "--json"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["passed"] and report["layout"] == layout
    file = tensor_file.File(path)
    d = values_of_d(file)
    owner = owners(layout, file, len(d), report["alignment"])
    assert (owner >= 0).sum() == report["valid_rows"]
    exact, magnitude = product(file, owner)
    owned = owner >= 0

    reference = flat(np.array(file.tensor("reference")))
    assert (np.abs(reference - exact)[owned] <= 1e-13 * magnitude[owned]).all()
    # One rounding of the result (bf16: 2^-8, half of it to nearest) and FP32 sums of k terms.
    rounding = 2.0**-8 if file.dtype("d") == "BF16" else 2.0**-23
    bound = rounding * np.abs(exact) + int(flags[5]) * 2.0**-23 * magnitude
    assert (np.abs(d - exact)[owned] <= bound[owned]).all()
