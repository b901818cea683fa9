"""The three products at the sizes that DeepSeek-V3 and R1 serve with, checked and timed through the module deep_gemm.

Also a script: `python tests/python/test_core.py` prints speed on a GPU. Under pytest and without a GPU the rows are fewer; n
and k stay.
"""

import random

import pytest

torch = pytest.importorskip("torch", reason="deep_gemm is a module over torch")

import deep_gemm
from deep_gemm import bench_kineto, calc_diff, ceil_div, get_col_major_tma_aligned_tensor
from deep_gemm.utils import per_block_cast_to_fp8, per_token_cast_to_fp8

ON_GPU = torch.cuda.is_available()
DEVICE = "cuda" if ON_GPU else "cpu"
DENSE = [(7168, 2112), (1536, 24576), (512, 32768), (16384, 7168), (7168, 4096), (2048, 7168)]  # (k, n)
GROUPED = [(7168, 4096), (2048, 7168)]
# A CPU takes seconds for one large product: there the small layers, and few rows.
DENSE_M, DENSE_CASES = ((64, 128, 4096), DENSE) if ON_GPU else ((64,), DENSE[:1] + DENSE[-1:])
CONTIGUOUS_GROUPS = ((4, 8192), (8, 4096)) if ON_GPU else ((2, 128),)
MASKED_GROUPS = ((1, 1024), (2, 512), (4, 256)) if ON_GPU else ((2, 64),)
GROUPED_CASES = GROUPED if ON_GPU else [(512, 1024)]


def normal(*shape):
    return torch.randn(shape, device=DEVICE, dtype=torch.bfloat16)


def cast_batch(cast, x):
    pairs = [cast(matrix, False) for matrix in x]
    q = torch.stack([q.view(torch.uint8) for q, _ in pairs]).view(torch.float8_e4m3fn)
    return q, torch.stack([scale for _, scale in pairs])


def report(what, seconds, m, n, k, weights_read=1):
    tflops = 2 * m * n * k / seconds / 1e12
    gbytes = (m * k + weights_read * k * n + m * n * 2) / seconds / 1e9
    print(f"{what}, m={m}, n={n}, k={k}: {seconds * 1e6:.1f} us, {tflops:.1f} TFLOPS, {gbytes:.0f} GB/s")


@pytest.mark.parametrize("m", DENSE_M)
@pytest.mark.parametrize("k, n", DENSE_CASES)
def test_gemm(m, k, n):
    x, y, out = normal(m, k), normal(n, k), torch.empty((m, n), device=DEVICE, dtype=torch.bfloat16)
    q, scale = per_token_cast_to_fp8(x, False)
    lhs, rhs = (q, get_col_major_tma_aligned_tensor(scale)), per_block_cast_to_fp8(y, False)
    deep_gemm.gemm_fp8_fp8_bf16_nt(lhs, rhs, out)
    assert calc_diff(out, x @ y.T) < 1e-3
    if ON_GPU:
        report("dense", bench_kineto(lambda: deep_gemm.gemm_fp8_fp8_bf16_nt(lhs, rhs, out), "fp8_gemm", num_tests=10,
                                     suppress_kineto_output=True, flush_l2=True), m, n, k)


@pytest.mark.parametrize("groups, rows", CONTIGUOUS_GROUPS)
@pytest.mark.parametrize("k, n", GROUPED_CASES)
def test_m_grouped_gemm_contiguous(groups, rows, k, n):
    m = groups * rows
    assert rows % deep_gemm.get_m_alignment_for_contiguous_layout() == 0
    x, y, out = normal(m, k), normal(groups, n, k), torch.empty((m, n), device=DEVICE, dtype=torch.bfloat16)
    wanted = torch.cat([x[g * rows:(g + 1) * rows] @ y[g].T for g in range(groups)])
    q, scale = per_token_cast_to_fp8(x, False)
    lhs, rhs = (q, get_col_major_tma_aligned_tensor(scale)), cast_batch(per_block_cast_to_fp8, y)
    m_indices = torch.arange(groups, device=DEVICE, dtype=torch.int32).repeat_interleave(rows)
    deep_gemm.m_grouped_gemm_fp8_fp8_bf16_nt_contiguous(lhs, rhs, out, m_indices)
    assert calc_diff(out, wanted) < 1e-3
    if ON_GPU:
        report(f"contiguous, {groups} groups", bench_kineto(
            lambda: deep_gemm.m_grouped_gemm_fp8_fp8_bf16_nt_contiguous(lhs, rhs, out, m_indices), "fp8_gemm", num_tests=10,
            suppress_kineto_output=True, flush_l2=True), m, n, k, groups)


@pytest.mark.parametrize("groups, max_m", MASKED_GROUPS)
@pytest.mark.parametrize("k, n", GROUPED_CASES)
def test_m_grouped_gemm_masked(groups, max_m, k, n):
    x, y = normal(groups, max_m, k), normal(groups, n, k)
    out = torch.empty((groups, max_m, n), device=DEVICE, dtype=torch.bfloat16)
    wanted = torch.einsum("gmk,gnk->gmn", x, y)
    q, scale = cast_batch(per_token_cast_to_fp8, x)
    lhs, rhs = (q, get_col_major_tma_aligned_tensor(scale)), cast_batch(per_block_cast_to_fp8, y)
    candidates = [rows for rows in (1, 13, 64, 128, 192, 256, 384) if rows <= max_m]
    for _ in range(3):
        rows = [random.choice(candidates) for _ in range(groups)]
        masked_m = torch.tensor(rows, device=DEVICE, dtype=torch.int32)
        expected_m = ceil_div(sum(rows), groups)
        deep_gemm.m_grouped_gemm_fp8_fp8_bf16_nt_masked(lhs, rhs, out, masked_m, expected_m)
        for g, count in enumerate(rows):
            assert calc_diff(out[g, :count], wanted[g, :count]) < 1e-3
    if ON_GPU:
        full = torch.full((groups,), max_m, device=DEVICE, dtype=torch.int32)
        report(f"masked, {groups} groups", bench_kineto(
            lambda: deep_gemm.m_grouped_gemm_fp8_fp8_bf16_nt_masked(lhs, rhs, out, full, max_m), "fp8_gemm", num_tests=10,
            suppress_kineto_output=True, flush_l2=True), groups * max_m, n, k, groups)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__, "-q", "-s"]))
