"""fathom run: operands of every kind against NumPy, the pair naming, and what it refuses."""

import numpy as np
import pytest
import raw_safetensors
from conftest import fail, succeed
from fp8 import decode_bf16, dequantize, quantize

SEED = 20251121
M, N, K = 37, 150, 300  # k off every multiple: the command must pad the pitch


@pytest.fixture
def operands(tmp_path):
    source = np.random.default_rng(SEED)
    x = source.standard_normal((M, K)).astype(np.float32)
    w = source.standard_normal((N, K)).astype(np.float32)
    a, scale_a = quantize(x, 1)
    b, scale_b = quantize(w, 128)
    a_blocks, scale_a_blocks = quantize(x, 128)
    b_rows, scale_b_rows = quantize(w, 1)
    path = tmp_path / "in.safetensors"
    raw_safetensors.write(path, {
        "x": ("F32", x), "x16": ("F16", x.astype(np.float16)), "w": ("F32", w), "w16": ("BF16", bf16(w)),
        "a": ("F8_E4M3", a), "a_scale_inv": ("F32", scale_a), "b": ("F8_E4M3", b), "b_scale_inv": ("F32", scale_b),
        "ab": ("F8_E4M3", a_blocks), "ab_scale_inv": ("F32", scale_a_blocks),
        "br": ("F8_E4M3", b_rows), "br_scale_inv": ("F32", scale_b_rows),
        "bare": ("F8_E4M3", a), "scale": ("F32", scale_a), "vector": ("F32", x[0]), "ids": ("I32", np.zeros((4, 4), np.int32)),
        "short": ("F32", w[:, :-1].copy()), "none": ("F32", np.zeros((0, K), np.float32)),
    })
    return path


def bf16(x):
    bits = x.view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def values(path):
    """The dequantised operands of each name, from the file alone."""
    t = raw_safetensors.read(path)[0]
    f32 = {"x": t["x"], "x16": t["x16"].astype(np.float32), "w": t["w"], "w16": decode_bf16(t["w16"])}
    result = {name: dequantize(*quantize(f32[name], 1), 1) for name in ("x", "x16")}
    result |= {name: dequantize(*quantize(f32[name], 128), 128) for name in ("w", "w16")}
    result |= {name: dequantize(t[name], t[name + "_scale_inv"], rows) for name, rows in
               (("a", 1), ("b", 128), ("ab", 128), ("br", 1))}
    return result


def product(tmp_path, operands, a, b, *flags):
    out = tmp_path / "out.safetensors"
    answer = succeed("run", "--a", f"{operands}::{a}", "--b", f"{operands}::{b}", "-o", out, *flags)
    tensors, dtypes, _ = raw_safetensors.read(out)
    assert list(tensors) == ["d"]
    d = decode_bf16(tensors["d"]) if dtypes["d"] == "BF16" else tensors["d"]
    return answer, dtypes["d"], d


@pytest.mark.parametrize("a", ["x", "x16", "a", "ab"])
@pytest.mark.parametrize("b", ["w", "w16", "b", "br"])
@pytest.mark.parametrize("out", ["bf16", "fp32"])
def test_operands_of_every_kind(tmp_path, operands, a, b, out):
    answer, dtype, d = product(tmp_path, operands, a, b, "--out-dtype", out)
    assert (answer["m"], answer["n"], answer["k"], answer["out_dtype"]) == (M, N, K, out)
    assert answer["backend"] and answer["config"] and answer["output"].endswith("out.safetensors")
    assert dtype == {"bf16": "BF16", "fp32": "F32"}[out]
    known = values(operands)
    wanted, magnitude = known[a] @ known[b].T, np.abs(known[a]) @ np.abs(known[b]).T
    half_ulp = 2.0**-8 if out == "bf16" else 2.0**-24
    assert np.all(np.abs(d - wanted) <= half_ulp * np.abs(wanted) + 2.0**-18 * magnitude)


def test_quantize_then_run_is_run(tmp_path, operands):
    succeed("quantize", operands, "-o", tmp_path / "q.safetensors", "--include", "w")
    _, _, d = product(tmp_path, operands, "x", "w")
    answer = succeed("run", "--a", f"{operands}::x", "--b", f"{tmp_path}/q.safetensors::w", "-o", tmp_path / "d2")
    np.testing.assert_array_equal(decode_bf16(raw_safetensors.read(tmp_path / "d2")[0]["d"]), d)
    assert answer["b"]["scale"].endswith("::w_scale_inv")


def test_scales_by_name(tmp_path, operands):
    _, _, implied = product(tmp_path, operands, "a", "b")
    _, _, given = product(tmp_path, operands, "bare", "b", "--a-scale", f"{operands}::scale", "--b-scale",
                          f"{operands}::b_scale_inv")
    np.testing.assert_array_equal(implied, given)


def test_no_rows(tmp_path, operands):
    _, _, d = product(tmp_path, operands, "none", "w")
    assert d.shape == (0, N)


@pytest.mark.parametrize("flags, message", [
    (["--a", "{f}::y", "--b", "{f}::w"], "nearest"),
    (["--a", "{f}", "--b", "{f}::w"], "FILE.safetensors::TENSOR"),
    (["--a", "{f}::", "--b", "{f}::w"], "FILE.safetensors::TENSOR"),
    (["--a", "{f}::vector", "--b", "{f}::w"], "[300]"),
    (["--a", "{f}::ids", "--b", "{f}::w"], "I32"),
    (["--a", "{f}::x", "--b", "{f}::short"], "same k"),
    (["--a", "{f}::bare", "--b", "{f}::w"], "--a-scale"),
    (["--a", "{f}::x", "--a-scale", "{f}::scale", "--b", "{f}::w"], "leave them out"),
    (["--a", "{f}::a", "--a-scale", "{f}::vector", "--b", "{f}::w"], "[37, 3]"),
    (["--a", "{f}::a", "--a-scale", "{f}::x16", "--b", "{f}::w"], "F16"),
    (["--a", "{f}::a", "--a-scale", "{f}::nothing", "--b", "{f}::w"], "nothing"),
    (["--a", "{f}::x", "--b", "{f}::none"], "n must be 1 or more"),
])
def test_refusals(tmp_path, operands, flags, message):
    flags = [flag.format(f=operands) for flag in flags]
    assert message in fail(2, "invalid_argument", "run", *flags, "-o", tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.safetensors"]


def test_missing_file(tmp_path, operands):
    fail(5, "io", "run", "--a", f"{tmp_path}/none::x", "--b", f"{operands}::w", "-o", tmp_path / "out")
    fail(5, "io", "run", "--a", f"{operands}::x", "--b", f"{operands}::w", "-o", tmp_path / "none" / "out")
