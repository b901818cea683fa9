"""How far two results are apart, and how many bytes a call moves. Sees nothing else of the package."""

import torch


def calc_diff(x, y):
    """1 - 2 sum(x y) / sum(x x + y y) in double; 0 where both are all zero.

    Weak as a check of a kernel: quantising alone gives 7e-4. docs/numerics.md has bounds that can fail.
    """
    x, y = x.double(), y.double()
    denominator = (x * x + y * y).sum()
    if denominator == 0:
        return 0.0
    return 1 - 2 * (x * y).sum() / denominator


def count_bytes(*tensors):
    """Bytes of all these tensors; tuples and lists of them count, and None counts nothing."""
    total = 0
    for tensor in tensors:
        if isinstance(tensor, (tuple, list)):
            total += count_bytes(*tensor)
        elif tensor is not None:
            total += tensor.numel() * tensor.element_size()
    return total


def assert_bitwise_equal(x, y, label=""):
    """Raises AssertionError unless x and y have the same shape, type and bits (so NaN equals the same NaN)."""
    assert x.shape == y.shape and x.dtype == y.dtype, f"{label}: {x.dtype} {list(x.shape)} beside {y.dtype} {list(y.shape)}"
    different = x.contiguous().view(torch.uint8) != y.contiguous().view(torch.uint8)
    assert not different.any(), f"{label}: {int(different.sum())} of {different.numel()} bytes differ"
