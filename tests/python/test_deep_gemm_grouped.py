"""The grouped products of deep_gemm: contiguous by index and by ends, masked; every name, spelling and refusal."""

import pytest

torch = pytest.importorskip("torch", reason="deep_gemm is a module over torch")

import deep_gemm
from fp8_problems import DEVICE, Contiguous, Masked, bf16, check, dequantised

N, K = 200, 336
CONTIGUOUS = ["m_grouped_fp8_gemm_nt_contiguous", "m_grouped_fp8_fp4_gemm_nt_contiguous",
              "m_grouped_gemm_fp8_fp8_bf16_nt_contiguous"]
MASKED = ["m_grouped_fp8_gemm_nt_masked", "m_grouped_fp8_fp4_gemm_nt_masked", "fp8_m_grouped_gemm_nt_masked",
          "m_grouped_gemm_fp8_fp8_bf16_nt_masked"]


@pytest.fixture(scope="module")
def contiguous():
    return Contiguous([130, 0, 128, 17], N, K)


@pytest.fixture(scope="module")
def masked():
    return Masked([5, 0, 40, 17], 40, N, K)


@pytest.mark.parametrize("name", CONTIGUOUS)
def test_rows_of_nobody_become_zeros(contiguous, name):
    d = bf16(contiguous.m, N)
    assert getattr(deep_gemm, name)(contiguous.a, contiguous.b, d, contiguous.m_indices) is None
    contiguous.check(d, padding=0)


@pytest.mark.parametrize("spelling", [
    lambda p: ((p.m_indices,), {}), lambda p: ((), {"grouped_layout": p.m_indices}), lambda p: ((), {"m_indices": p.m_indices}),
    lambda p: ((p.m_indices, None, "nk", True), {}),  # until 2026
    lambda p: ((p.m_indices,), {"disable_ue8m0_cast": True, "compiled_dims": "", "ensure_zero_padding": False}),
    lambda p: ((p.m_indices,), {"recipe": (1, 128, 128)}),
    lambda p: ((p.m_indices,), {"recipe_a": (1, 128), "recipe_b": (128, 128), "use_psum_layout": False})])
def test_spellings_of_the_index_form(contiguous, spelling):
    words, options = spelling(contiguous)
    d = bf16(contiguous.m, N)
    deep_gemm.m_grouped_fp8_gemm_nt_contiguous(contiguous.a, contiguous.b, d, *words, **options)
    contiguous.check(d, padding=0)


@pytest.mark.parametrize("name", ["m_grouped_fp8_gemm_nn_contiguous", "m_grouped_fp8_fp4_gemm_nn_contiguous"])
def test_b_as_a_transposed_view(contiguous, name):
    b = tuple(tensor.transpose(1, 2) for tensor in contiguous.b)
    d = bf16(contiguous.m, N)
    getattr(deep_gemm, name)(contiguous.a, b, d, contiguous.m_indices)
    contiguous.check(d, padding=0)


@pytest.mark.parametrize("hint", [{}, {"expected_m_for_psum_layout": 100}, {"ensure_zero_padding": False}])
def test_ends_leave_the_gaps_alone(contiguous, hint):
    d = bf16(contiguous.m, N)
    deep_gemm.m_grouped_fp8_gemm_nt_contiguous(contiguous.a, contiguous.b, d, contiguous.group_end, use_psum_layout=True, **hint)
    contiguous.check(d, padding=-777)


def test_ends_in_a_buffer_for_the_worst_case(contiguous):
    """Rows behind the last group are nobody's."""
    room = 256
    a = tuple(torch.cat([tensor.view(torch.uint8), torch.full((room, tensor.size(1) * tensor.element_size()), 0xFF,
                         dtype=torch.uint8, device=DEVICE)]).view(tensor.dtype) for tensor in contiguous.a)
    d = bf16(contiguous.m + room, N)
    deep_gemm.m_grouped_fp8_gemm_nt_contiguous(a, contiguous.b, d, contiguous.group_end, use_psum_layout=True)
    contiguous.check(d[:contiguous.m], padding=-777)
    assert torch.all(d[contiguous.m:] == -777)


@pytest.mark.parametrize("alignment", [16, 32, 64, 128, 256])
def test_alignment_of_the_process(alignment):
    problem = Contiguous([alignment + 3, 5, 0, alignment], 64, 128, alignment)
    d = bf16(problem.m, 64)
    deep_gemm.set_mk_alignment_for_contiguous_layout(alignment)
    try:
        assert deep_gemm.get_m_alignment_for_contiguous_layout() == alignment
        deep_gemm.m_grouped_fp8_gemm_nt_contiguous(problem.a, problem.b, d, problem.m_indices)
        problem.check(d, padding=0)
        d.fill_(-777)
        deep_gemm.m_grouped_fp8_gemm_nt_contiguous(problem.a, problem.b, d, problem.group_end, use_psum_layout=True)
        problem.check(d, padding=-777)
    finally:
        deep_gemm.set_mk_alignment_for_contiguous_layout(128)


def test_no_rows():
    problem = Contiguous([0, 0], 64, 128)
    deep_gemm.m_grouped_fp8_gemm_nt_contiguous(problem.a, problem.b, bf16(0, 64), problem.m_indices)


@pytest.mark.parametrize("name", MASKED)
def test_only_the_first_rows_of_each_group(masked, name):
    d = masked.d.clone()
    assert getattr(deep_gemm, name)(masked.a, masked.b, d, masked.masked_m, 20) is None
    masked.check(d)


@pytest.mark.parametrize("spelling", [
    lambda p: ((), {"masked_m": p.masked_m, "expected_m": 1}), lambda p: ((p.masked_m,), {"expected_m": 4096}),
    lambda p: ((p.masked_m, 20, None, "nk", True), {}),  # until 2026
    lambda p: ((p.masked_m, 20), {"disable_ue8m0_cast": False, "compiled_dims": "nk"}),
    lambda p: ((p.masked_m, 20), {"recipe_a": (1, 128), "recipe_b": (128, 128)}),
    lambda p: ((p.masked_m, 20), {"enable_overlap": False, "max_block_n": 256, "signal": None})])
def test_spellings_of_the_masked_form(masked, spelling):
    words, options = spelling(masked)
    d = masked.d.clone()
    deep_gemm.m_grouped_fp8_gemm_nt_masked(masked.a, masked.b, d, *words, **options)
    masked.check(d)


@pytest.mark.parametrize("max_m", [8, 16, 24, 72])
def test_groups_shorter_than_a_tile(max_m):
    """Heights that are no multiple of a tile: upstream's last tile of a group reached into the next."""
    problem = Masked([max_m, 1, max_m - 1], max_m, 128, 256)
    d = problem.d.clone()
    deep_gemm.m_grouped_fp8_gemm_nt_masked(problem.a, problem.b, d, problem.masked_m, max_m)
    problem.check(d)


def test_scales_as_engines_lay_them_out(masked):
    """[groups, max_m, k / 128] with max_m contiguous: strides (T K', 1, T), T a multiple of 4."""
    aligned = deep_gemm.get_mn_major_tma_aligned_tensor(masked.a[1])
    assert aligned.stride()[1] == 1
    d = masked.d.clone()
    deep_gemm.m_grouped_fp8_gemm_nt_masked((masked.a[0], aligned), masked.b, d, masked.masked_m, 20)
    masked.check(d)


def test_overlap_of_the_fork_is_refused(masked):
    for options in ({"enable_overlap": True}, {"signal": torch.zeros(4, dtype=torch.int32)}):
        with pytest.raises(NotImplementedError, match="enable_overlap and signal"):
            deep_gemm.m_grouped_fp8_gemm_nt_masked(masked.a, masked.b, masked.d, masked.masked_m, 20, **options)


def test_refusals(contiguous, masked):
    d = bf16(contiguous.m, N)
    call = deep_gemm.m_grouped_fp8_gemm_nt_contiguous

    def refused(text, function, *words, **options):
        with pytest.raises(deep_gemm.DeepGemmError, match=text):
            function(*words, **options)

    refused("grouped_layout has shape", call, contiguous.a, contiguous.b, d, contiguous.m_indices[:-1])
    refused("grouped_layout has dtype", call, contiguous.a, contiguous.b, d, contiguous.m_indices.long())
    refused("grouped_layout has shape", call, contiguous.a, contiguous.b, d, contiguous.group_end[:-1], use_psum_layout=True)
    refused("expected_m_for_psum_layout", call, contiguous.a, contiguous.b, d, contiguous.m_indices, expected_m_for_psum_layout=9)
    refused("grouped products are written as bf16", call, contiguous.a, contiguous.b, d.float(), contiguous.m_indices)
    refused("it needs 200 rows", call, contiguous.a, contiguous.b, d, contiguous.m_indices, recipe=(1, 1, 128))
    masked_call = deep_gemm.m_grouped_fp8_gemm_nt_masked
    refused("expected_m is 0", masked_call, masked.a, masked.b, masked.d, masked.masked_m, 0)
    refused("masked_m has shape", masked_call, masked.a, masked.b, masked.d, masked.masked_m[:-1], 20)
    refused("a has shape", masked_call, (masked.a[0][:-1], masked.a[1][:-1]), masked.b, masked.d, masked.masked_m, 20)
    assert torch.all(d == -777) and torch.all(masked.d == -777)
    with pytest.raises(TypeError, match="expected_m is None"):
        masked_call(masked.a, masked.b, masked.d, masked.masked_m, None)
    for options in ({}, {"grouped_layout": contiguous.m_indices, "m_indices": contiguous.m_indices}):
        with pytest.raises(TypeError, match="give the groups once"):
            call(contiguous.a, contiguous.b, d, **options)
    deep_gemm.set_mk_alignment_for_contiguous_layout(160)
    try:
        refused("16, 32, 64, 128 or 256", call, contiguous.a, contiguous.b, d, contiguous.m_indices)
    finally:
        deep_gemm.set_mk_alignment_for_contiguous_layout(128)


def test_groups_see_only_their_own_weights(contiguous):
    d = bf16(contiguous.m, N)
    deep_gemm.m_grouped_fp8_gemm_nt_contiguous(contiguous.a, contiguous.b, d, contiguous.m_indices)
    rows = slice(contiguous.starts[2], contiguous.ends[2])
    one = bf16(128, N)
    deep_gemm.fp8_gemm_nt((contiguous.a[0][rows], contiguous.a[1][rows]), (contiguous.b[0][2], contiguous.b[1][2]), one)
    check(one, dequantised(contiguous.a[0][rows], contiguous.a[1][rows]), dequantised(contiguous.b[0][2], contiguous.b[1][2], rows=128))
    torch.testing.assert_close(d[rows], one, rtol=2.0 ** -7, atol=1e-2)
