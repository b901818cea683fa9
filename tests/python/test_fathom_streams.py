"""Whose memory a call writes that names its stream: a stand-in for torch with a GPU notes where tensors are made."""

import contextlib
import sys
import types

import fathom
import pytest
from fathom import _tensor

CURRENT, OTHER = 16, 32


class Tensor:
    device = types.SimpleNamespace(type="cuda", index=3)


class CpuTensor(Tensor):
    device = types.SimpleNamespace(type="cpu", index=None)


@pytest.fixture
def entered(monkeypatch):
    """The streams that were made current."""
    streams = []

    @contextlib.contextmanager
    def stream(named):
        streams.append(named)
        yield
        streams.append("left")

    torch = types.ModuleType("torch")
    torch.Tensor = Tensor
    torch._C = types.SimpleNamespace(_cuda_getCurrentRawStream=lambda index: {3: CURRENT}[index])
    torch.cuda = types.SimpleNamespace(stream=stream, default_stream=lambda device: ("default", device.index),
                                       ExternalStream=lambda pointer, device: (pointer, device.index))
    monkeypatch.setitem(sys.modules, "torch", torch)
    return streams


@pytest.mark.parametrize("stream, named", [(OTHER, (OTHER, 3)), (0, ("default", 3)), (1, ("default", 3))])
@pytest.mark.parametrize("wrap", [lambda tensor: tensor, lambda tensor: fathom.TensorView(tensor, None)])
def test_another_stream_is_current_while_its_tensor_is_made(entered, stream, named, wrap):
    made = _tensor.make_for(stream, wrap(Tensor()), lambda *arguments: (arguments, list(entered)), 1, 2)
    assert made == ((1, 2), [named]) and entered == [named, "left"]


@pytest.mark.parametrize("stream, like", [(None, Tensor()), (CURRENT, Tensor()), (OTHER, CpuTensor()), (OTHER, [1.0])])
def test_else_nothing_is_entered(entered, stream, like):
    assert _tensor.make_for(stream, like, lambda: 7) == 7 and entered == []


def test_every_call_that_makes_a_tensor_asks(monkeypatch):
    import numpy as np
    from fathom import _gemm, _quantize

    streams = []

    def make_for(stream, like, make, *arguments):
        streams.append(stream)
        return make(*arguments)

    monkeypatch.setattr(_gemm, "make_for", make_for)
    monkeypatch.setattr(_quantize, "make_for", make_for)
    q, scale = fathom.quantize_1x128(np.ones((3, 128), np.float32), stream=5)
    fathom.dequantize(q, scale, stream=6)
    fathom.copy_scales(scale, stream=7)
    fathom.gemm(q, scale, q, scale, stream=8)
    assert streams == [5, 5, 6, 7, 8]
