"""The demo's own arithmetic: its FP8, its files, and the sentences that it draws from its numbers."""

import pathlib
import sys
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools/demo"))

import demo
import fp8
import plot
import tensor_file


def test_every_code_comes_back():
    codes = np.arange(256, dtype=np.uint8)
    numbers = (codes & 0x7F) != 0x7F
    assert np.array_equal(fp8.encode(fp8.decode(codes[numbers])), codes[numbers])
    assert np.isnan(fp8.decode(codes[~numbers])).all()


@pytest.mark.parametrize("value, expected", [
    (448, 448), (464, 448), (1e30, 448), (np.inf, 448), (-np.inf, -448),  # saturates
    (17, 16), (19, 20), (2**-10, 0), (1.5 * 2**-9, 2**-8), (2**-9, 2**-9),  # ties go to the even code
    (17.0001, 18), (1.0001 * 2**-10, 2**-9),
])
def test_rounding(value, expected):
    assert fp8.decode(fp8.encode(np.float32([value]))) == [expected]


def test_scales_by_hand():
    x = np.zeros((130, 200), np.float32)
    x[0, 0], x[129, 199] = 448, -4.48
    codes, scale = fp8.quantize(x, 128)
    zero = np.float32(1e-4) / np.float32(448)
    assert np.array_equal(scale, np.array([[1, zero], [zero, np.float32(4.48) / np.float32(448)]], np.float32))
    assert fp8.decode(codes[0, 0]) == 448 and fp8.decode(codes[129, 199]) == -448
    assert fp8.quantize(x, 1)[1].shape == (130, 2)


def test_power_of_two_scales_are_rounded_up():
    x = np.array([[448.0, 449.0]], np.float32).repeat(128, axis=1)  # block maxima 448 and 449
    _, scale = fp8.quantize(x, 1, power_of_two=True)
    assert scale.tolist() == [[1, 2]]


def test_tensor_files_come_back(tmp_path):
    tensors = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "q": np.arange(5, dtype=np.uint8), "empty": np.zeros((0, 3))}
    tensor_file.write(tmp_path / "t.safetensors", tensors)
    file = tensor_file.File(tmp_path / "t.safetensors")
    assert list(file.entries) == ["a", "q", "empty"]
    for name, array in tensors.items():
        assert np.array_equal(file.tensor(name), array) and file.shape(name) == array.shape


def test_tensor_files_are_what_the_format_says(tmp_path):
    safetensors = pytest.importorskip("safetensors.numpy")
    tensors = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones((4,))}
    tensor_file.write(tmp_path / "t.safetensors", tensors)
    loaded = safetensors.load_file(tmp_path / "t.safetensors")
    assert all(np.array_equal(loaded[name], array) for name, array in tensors.items())


def rows(tensor_ordinary):
    return [(factor, {("tensor", "all"): 0.037, ("fine", "all"): 0.028, ("tensor", "ordinary"): error, ("fine", "ordinary"): 0.036})
            for factor, error in zip(demo.FACTORS, tensor_ordinary)]


def test_the_finding_follows_the_numbers():
    flat = [0.037] * len(demo.FACTORS)
    assert "no difference up to the largest factor" in demo.finding(rows(flat))
    parted = demo.finding(rows(flat[:-1] + [0.4]))
    assert "31,623 times" in parted and "40 %" in parted


def test_the_picture_is_well_formed(tmp_path):
    series = [plot.Series("one < two", [0.1, 0.2], "red"), plot.Series("two", [0.1, 0.2], "blue", "5 4")]
    plot.line_chart(tmp_path / "p.svg", "title", "sub", "x", "y", [1, 10], series, (0.02, 1.0))
    tree = ElementTree.parse(tmp_path / "p.svg")
    lines = tree.findall("{http://www.w3.org/2000/svg}polyline")
    assert [line.get("stroke") for line in lines] == ["red", "blue"]
    labels = {text.text: float(text.get("y")) for text in tree.findall("{http://www.w3.org/2000/svg}text")}
    assert abs(labels["one < two"] - labels["two"]) >= 12  # equal values, labels side by side
