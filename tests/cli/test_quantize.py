"""fathom quantize: byte for byte against an independent NumPy quantiser, and what it does with the rest of the file."""

import hashlib
import os
import resource
import struct

import numpy as np
import pytest
import raw_safetensors
from conftest import fail, run_process, succeed
from fp8 import quantize

SEED = 20251121


def special_matrix(rows, cols, seed=SEED):
    """Normal numbers; a zero block, a NaN, an infinity, subnormals, ties and huge values where there is room."""
    source = np.random.default_rng(seed)
    x = source.standard_normal((rows, cols)).astype(np.float32)
    x[:128, :128] = 0
    if rows > 128:
        x[128, 0] = np.nan
        x[128:, :128] *= np.float32(1e-6)
    if cols > 140:
        x[0, 130] = -np.inf
        x[-1, 131] = np.nan
    if cols > 256:
        x[:, 256:] *= np.float32(1e30)
    if rows > 256:
        x[256:, :128] = 448 * np.float32(2) ** source.integers(-20, 20, (rows - 256, min(cols, 128))).astype(np.float32)
    return x


def as_bf16(x):
    bits = x.view(np.uint32)
    rounded = ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)
    return np.where(np.isnan(x), np.uint16(0x7FC0), rounded)


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (128, 128), (129, 127), (300, 400), (1, 1000), (1000, 1)])
@pytest.mark.parametrize("power_of_two", [False, True])
@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_equals_numpy(tmp_path, shape, power_of_two, backend):
    x = special_matrix(*shape)
    with np.errstate(all="ignore"):
        inputs = {"f32": ("F32", x), "bf16": ("BF16", as_bf16(x)), "f16": ("F16", x.astype(np.float16))}
    raw_safetensors.write(tmp_path / "in", inputs)
    flags = ["--power-of-two-scales"] if power_of_two else []
    succeed("quantize", tmp_path / "in", "-o", tmp_path / "out", "--backend", backend, *flags)
    tensors, dtypes, _ = raw_safetensors.read(tmp_path / "out")
    values = {"f32": x, "bf16": (as_bf16(x).astype(np.uint32) << 16).view(np.float32),
              "f16": inputs["f16"][1].astype(np.float32)}
    for name, value in values.items():
        codes, scales = quantize(value, 128, power_of_two)
        assert dtypes[name] == "F8_E4M3" and dtypes[name + "_scale_inv"] == "F32"
        np.testing.assert_array_equal(tensors[name + "_scale_inv"], scales)
        # A NaN keeps or loses its sign as the processor likes (inf / inf): both codes are NaN.
        got, wanted = tensors[name].copy(), codes.copy()
        got[got & 0x7F == 0x7F] = 0x7F
        wanted[wanted & 0x7F == 0x7F] = 0x7F
        np.testing.assert_array_equal(got, wanted)


@pytest.fixture
def model(tmp_path):
    source = np.random.default_rng(SEED)
    tensors = {
        "layers.0.weight": ("F32", source.standard_normal((130, 200)).astype(np.float32)),
        "layers.1.weight": ("F16", source.standard_normal((10, 20)).astype(np.float16)),
        "layers.1.bias": ("F32", source.standard_normal(10).astype(np.float32)),
        "table": ("I64", source.integers(0, 9, (4, 4))),
        "flags": ("U8", source.integers(0, 255, 7).astype(np.uint8)),
        "cube": ("F32", source.standard_normal((2, 3, 4)).astype(np.float32)),
        "none": ("F32", np.zeros((0, 5), np.float32)),
        "scalar": ("F32", np.float32(3).reshape(())),
        "double": ("F64", source.standard_normal((3, 3))),
    }
    path = tmp_path / "model.safetensors"
    raw_safetensors.write(path, tensors, {"format": "pt", "note": "ü"})
    return path


def test_the_rest_is_copied(model, tmp_path):
    answer = succeed("quantize", model, "-o", tmp_path / "out")
    before, dtypes_before, metadata_before = raw_safetensors.read(model)
    after, dtypes_after, metadata_after = raw_safetensors.read(tmp_path / "out")
    cast = {"layers.0.weight", "layers.1.weight", "none"}
    assert {entry["name"] for entry in answer["quantized"]} == cast
    assert set(answer["copied"]) == set(before) - cast
    assert metadata_after == metadata_before
    assert set(after) == set(before) | {name + "_scale_inv" for name in cast}
    for name in set(before) - cast:
        assert dtypes_after[name] == dtypes_before[name] and after[name].tobytes() == before[name].tobytes()
    assert after["layers.0.weight_scale_inv"].shape == (2, 2)
    assert after["none"].shape == (0, 5) and after["none_scale_inv"].shape == (0, 1)


def test_include_and_exclude(model, tmp_path):
    def names(*flags):
        answer = succeed("quantize", model, "-o", tmp_path / "out", *flags)
        return {entry["name"] for entry in answer["quantized"]}

    assert names("--include", "layers.*") == {"layers.0.weight", "layers.1.weight"}
    assert names("--include", "layers.0.*", "--include", "none") == {"layers.0.weight", "none"}
    assert names("--exclude", "layers.?.weight") == {"none"}
    assert names("--include", "layers.*", "--exclude", "*.1.*") == {"layers.0.weight"}
    for flags, message in [
        (["--include", "lairs.*"], '--include "lairs.*" matches none'),
        (["--exclude", "lairs.*"], '--exclude "lairs.*" matches none'),
        (["--exclude", "layers.*", "--exclude", "zzz"], '"zzz" matches none'),
        (["--include", "none", "--exclude", "none"], "no matrix"), (["--exclude", "*"], "no matrix"),
        (["--include", "table"], "no matrix"),
    ]:
        assert message in fail(2, "invalid_argument", "quantize", model, "-o", tmp_path / "x", *flags)
    assert not (tmp_path / "x").exists()


def test_output_is_deterministic_and_quantising_again_changes_nothing(model, tmp_path):
    def digest(name):
        return hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()

    succeed("quantize", model, "-o", tmp_path / "one")
    succeed("quantize", model, "-o", tmp_path / "two", env=os.environ | {"FATHOM_NUM_THREADS": "1"})
    assert digest("one") == digest("two")
    answer = succeed("quantize", tmp_path / "one", "-o", tmp_path / "three")
    assert answer["quantized"] == [] and digest("three") == digest("one")


def test_name_clash_is_refused(tmp_path):
    x = np.ones((4, 4), np.float32)
    raw_safetensors.write(tmp_path / "in", {"w": ("F32", x), "w_scale_inv": ("F32", x)})
    assert "w_scale_inv" in fail(2, "invalid_argument", "quantize", tmp_path / "in", "-o", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    succeed("quantize", tmp_path / "in", "-o", tmp_path / "out", "--exclude", "w")


def test_files_go_both_ways_with_the_official_package(tmp_path):
    from safetensors import safe_open
    from safetensors.numpy import save_file

    x = np.random.default_rng(SEED).standard_normal((150, 260)).astype(np.float32)
    save_file({"x": x, "half": x.astype(np.float16), "ids": np.arange(7)}, tmp_path / "in", metadata={"format": "np"})
    succeed("quantize", tmp_path / "in", "-o", tmp_path / "out")
    codes, scales = quantize(x, 128)
    with safe_open(tmp_path / "out", "np") as file:
        assert set(file.keys()) == {"x", "x_scale_inv", "half", "half_scale_inv", "ids"}
        assert file.metadata() == {"format": "np"}
        np.testing.assert_array_equal(file.get_tensor("x_scale_inv"), scales)
        np.testing.assert_array_equal(file.get_tensor("ids"), np.arange(7))
        assert file.get_slice("x").get_dtype() == "F8_E4M3" and file.get_slice("x").get_shape() == [150, 260]
    np.testing.assert_array_equal(raw_safetensors.read(tmp_path / "out")[0]["x"], codes)


def test_sparse_four_gigabytes_under_one_gigabyte_of_memory(tmp_path):
    rows, cols = 1 << 15, 1 << 15  # F32: 4 GiB
    header = raw_safetensors.header_bytes(
        {"w": {"dtype": "F32", "shape": [rows, cols], "data_offsets": [0, 4 * rows * cols]}})
    with open(tmp_path / "in", "wb") as file:
        file.write(header)
        file.seek(len(header) + 4 * (rows - 1) * cols)
        file.write(struct.pack("<f", 448.0))
        file.truncate(len(header) + 4 * rows * cols)

    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))

    try:
        succeed("quantize", tmp_path / "in", "-o", tmp_path / "out", preexec_fn=limit)
        data = np.memmap(tmp_path / "out", np.uint8, "r")
        length = struct.unpack("<Q", data[:8].tobytes())[0]
        scales = 4 * (rows // 128) * (cols // 128)
        assert data.size == 8 + length + scales + rows * cols
        codes = data[8 + length + scales:]
        last_row = codes[(rows - 1) * cols:]
        assert last_row[0] == 0x7E and not last_row[1:].any() and not codes[:1 << 20].any()
    finally:
        (tmp_path / "in").unlink()
        (tmp_path / "out").unlink(missing_ok=True)


def test_text_names_what_was_done(model, tmp_path):
    done = run_process("quantize", model, "-o", tmp_path / "out")
    assert "layers.0.weight F32 [130, 200] -> F8_E4M3" in done.stdout and "6 copied" in done.stdout
