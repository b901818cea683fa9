"""The dense products of deep_gemm: every name, every spelling of the arguments, every refusal."""

import contextlib
import types

import pytest

torch = pytest.importorskip("torch", reason="deep_gemm is a module over torch")

import deep_gemm
from deep_gemm import cublaslt
from deep_gemm.utils import per_token_cast_to_fp8
from fp8_problems import DEVICE, activations, bf16, check, dequantised, random, weights

M, N, K = 20, 200, 336  # neither is a multiple of 128; k of 16
GENERATIONS = ["fp8_gemm_nt", "fp8_fp4_gemm_nt", "gemm_fp8_fp8_bf16_nt"]


@pytest.fixture(scope="module")
def problem():
    a, b = activations(M, K), weights(N, K)
    return a, b, dequantised(*a), dequantised(*b, rows=128)


@pytest.mark.parametrize("name", GENERATIONS)
def test_each_generation_computes_the_product(problem, name):
    a, b, exact_a, exact_b = problem
    d = bf16(M, N)
    assert getattr(deep_gemm, name)(a, b, d) is None
    check(d, exact_a, exact_b)


@pytest.mark.parametrize("m, n, k", [(1, 2112, 7168), (64, 576, 7168), (13, 7168, 2112), (128, 4096, 576), (1, 8, 16), (300, 136, 1152)])
def test_sizes_of_the_field(m, n, k):
    a, b = activations(m, k), weights(n, k)
    d = bf16(m, n)
    deep_gemm.fp8_gemm_nt(a, b, d)
    check(d, dequantised(*a), dequantised(*b, rows=128))


def test_the_form_of_old_pages_allocates_the_result(problem):
    a, b, exact_a, exact_b = problem
    result = deep_gemm.gemm_fp8_fp8_bf16_nt(a[0], b[0], a[1], b[1])
    assert result.dtype == torch.bfloat16 and result.shape == (M, N)
    check(result, exact_a, exact_b)
    by_name = deep_gemm.gemm_fp8_fp8_bf16_nt(a[0], b[0], lhs_scale=a[1], rhs_scale=b[1])
    assert torch.equal(result, by_name)


@pytest.mark.parametrize("options", [
    {"c": None, "recipe": None, "recipe_a": None, "recipe_b": None, "compiled_dims": "nk", "disable_ue8m0_cast": True},
    {"recipe": (1, 128, 128)}, {"recipe": [1, 128, 128]}, {"recipe_a": (1, 128), "recipe_b": (128, 128)}, {"compiled_dims": ""},
])
def test_keywords_of_2026(problem, options):
    a, b, exact_a, exact_b = problem
    d = bf16(M, N)
    deep_gemm.fp8_gemm_nt(a, b, d, **options)
    check(d, exact_a, exact_b)


def test_positions_of_2025(problem):
    """.., c, recipe, compiled_dims, disable_ue8m0_cast: recipe_a and recipe_b were put between in January 2026."""
    a, b, exact_a, exact_b = problem
    for name in ("fp8_gemm_nt", "fp8_fp4_gemm_nt"):
        d = bf16(M, N)
        getattr(deep_gemm, name)(a, b, d, None, None, "nk", True)
        check(d, exact_a, exact_b)


def test_the_keyword_of_2025_wrappers(problem):
    a, b, exact_a, exact_b = problem
    d = bf16(M, N)
    deep_gemm.gemm_fp8_fp8_bf16_nt(a, b, d, disable_ue8m0_cast=True)
    check(d, exact_a, exact_b)


def test_operands_as_lists(problem):
    a, b, exact_a, exact_b = problem
    d = bf16(M, N)
    deep_gemm.fp8_gemm_nt(list(a), list(b), d)
    check(d, exact_a, exact_b)


@pytest.mark.parametrize("layout", ["nt", "nn", "tn", "tt"])
@pytest.mark.parametrize("prefix", ["fp8_gemm_", "fp8_fp4_gemm_"])
def test_transposed_spellings_are_views(problem, prefix, layout):
    """Upstream's nn, tn and tt only transpose views, and Hopper multiplies operands contiguous along k."""
    a, b, exact_a, exact_b = problem
    d = bf16(M, N)
    left = a if layout[0] == "n" else (a[0].T, a[1].T)
    right = b if layout[1] == "t" else (b[0].T, b[1].T)
    getattr(deep_gemm, prefix + layout)(left, right, d)
    check(d, exact_a, exact_b)
    with pytest.raises(deep_gemm.DeepGemmError, match="must be contiguous along k|contiguous"):
        wrong = a[0].T.contiguous().T, a[1]
        getattr(deep_gemm, prefix + "nt")(wrong, b, d)


def test_scales_in_either_order(problem):
    a, b, _, _ = problem
    d, other = bf16(M, N), bf16(M, N)
    deep_gemm.fp8_gemm_nt(a, b, d)
    aligned = deep_gemm.get_mn_major_tma_aligned_tensor(a[1])
    assert aligned.stride(0) == 1
    deep_gemm.fp8_gemm_nt((a[0], aligned), (b[0], b[1].T.contiguous().T), other)
    assert torch.equal(d, other)


def test_rows_apart(problem):
    """A pitch that is a multiple of 16 bytes, in a, b and d."""
    a, b, exact_a, exact_b = problem
    wide_a = torch.empty((M, K + 32), dtype=torch.uint8, device=DEVICE).view(torch.float8_e4m3fn)[:, :K]
    wide_a.view(torch.uint8).copy_(a[0].view(torch.uint8))
    wide = bf16(M, N + 8)
    deep_gemm.fp8_gemm_nt((wide_a, a[1]), b, wide[:, :N])
    check(wide[:, :N], exact_a, exact_b)
    assert torch.all(wide[:, N:] == -777)


@pytest.mark.parametrize("options", [{"recipe": (1, 1, 128)}, {"recipe_a": (1, 128), "recipe_b": (1, 128)}])
@pytest.mark.parametrize("same", [True, False])
def test_fp32_accumulates(options, same):
    a, b = activations(M, K), per_token_cast_to_fp8(random(N, K, offset=5), False)
    c = torch.randn(M, N).to(DEVICE)
    before = c.clone()
    d = c if same else torch.full((M, N), -777.0, device=DEVICE)
    deep_gemm.fp8_gemm_nt(a, b, d, c=c, **options)
    check(d, dequantised(*a), dequantised(*b), before)


def test_weight_gradient_of_may_2025():
    a, b = activations(M, K), per_token_cast_to_fp8(random(N, K, offset=5), False)
    out = torch.ones((M, N), device=DEVICE)
    assert deep_gemm.wgrad_gemm_fp8_fp8_fp32_nt(a, b, out) is None
    check(out, dequantised(*a), dequantised(*b), torch.ones((M, N)))


def test_fp32_without_accumulating(problem):
    a, b, exact_a, exact_b = problem
    d = torch.full((M, N), -777.0, device=DEVICE)
    deep_gemm.fp8_gemm_nt(a, b, d)
    check(d, exact_a, exact_b)


def test_nothing_to_do():
    none = torch.empty((0, K), dtype=torch.float8_e4m3fn, device=DEVICE), torch.empty((0, 3), device=DEVICE)
    deep_gemm.fp8_gemm_nt(none, weights(N, K), bf16(0, N))
    deep_gemm.fp8_gemm_nt(activations(M, K), none, bf16(M, 0))
    deep_gemm.fp8_gemm_nt((none[0], deep_gemm.get_mn_major_tma_aligned_tensor(none[1])), none, bf16(0, 0))


@pytest.mark.parametrize("change, text", [
    (lambda a, none: ((none[0], torch.empty((7, 3))), weights(N, K), bf16(0, N)), r"scale_a has shape \[7, 3\]"),
    (lambda a, none: (none, (torch.empty((N, 17), dtype=torch.int32), torch.empty(5)), bf16(0, N)), r"b has shape"),
    (lambda a, none: (none, weights(N, K), bf16(0, N).half()), r"d has dtype fp16"),
    (lambda a, none: (a, none, bf16(M + 1, 0)), r"d is torch.bfloat16 \[21, 0\]; .* it must be .* \[20, 0\]"),
    (lambda a, none: (a, (none[0][:, 1:], none[1]), bf16(M, 0)), r"b is torch.float8_e4m3fn \[0, 335\]"),
    (lambda a, none: (a, (none[0], none[1].double()), bf16(M, 0)), r"scale_b is torch.float64"),
    (lambda a, none: ((a[0].view(torch.int8), a[1]), none, bf16(M, 0)), r"float8_e4m3fn only"),
])
def test_nothing_to_do_is_checked_as_well(change, text):
    none = torch.empty((0, K), dtype=torch.float8_e4m3fn, device=DEVICE), torch.empty((0, 3), device=DEVICE)
    with pytest.raises(deep_gemm.DeepGemmError, match=text):
        deep_gemm.fp8_gemm_nt(*change(activations(M, K), none))


def test_k_of_zero():
    a = torch.empty((M, 0), dtype=torch.float8_e4m3fn, device=DEVICE), torch.empty((M, 0), device=DEVICE)
    b = torch.empty((N, 0), dtype=torch.float8_e4m3fn, device=DEVICE), torch.empty((2, 0), device=DEVICE)
    d = bf16(M, N)
    deep_gemm.fp8_gemm_nt(a, b, d)
    assert torch.all(d == 0)
    c = torch.ones((M, N), device=DEVICE)
    accumulated = torch.zeros((M, N), device=DEVICE)
    deep_gemm.fp8_gemm_nt(a, b, accumulated, c=c)
    assert torch.equal(accumulated, c)


def test_other_tensors_at_the_same_addresses(problem):
    """A plan is found again by all that it is bound to, not by addresses alone."""
    a, b, exact_a, exact_b = problem
    d = bf16(M, N)
    deep_gemm.fp8_gemm_nt(a, b, d)
    d.fill_(-777)
    half = M // 2
    deep_gemm.fp8_gemm_nt((a[0][:half], a[1][:half]), b, d[:half])
    check(d[:half], exact_a[:half], exact_b)
    assert torch.all(d[half:] == -777)


def test_one_layout_at_many_addresses(problem):
    """Described once; then only the addresses differ."""
    _, b, _, exact_b = problem
    for offset in range(4):
        a, d = activations(M, K, offset=offset), bf16(M, N)
        deep_gemm.fp8_gemm_nt(a, b, d)
        check(d, dequantised(*a), exact_b)


REFUSALS = {
    "a scale short of a column": (lambda a, b, d: ((a[0], a[1][:, :-1]), b, d), {}, r"fp8_gemm_nt: scale_a has shape"),
    "k of b": (lambda a, b, d: (a, (b[0][:, :-16], b[1]), d), {}, r"b has shape"),
    "a bfloat16 a": (lambda a, b, d: ((a[0].to(torch.bfloat16), a[1]), b, d), {}, r"a has dtype bf16"),
    "packed FP4": (lambda a, b, d: ((a[0].view(torch.int8), a[1]), b, d), {}, r"float8_e4m3fn only"),
    "a half scale": (lambda a, b, d: ((a[0], a[1].half()), b, d), {}, r"scale_a has dtype fp16"),
    "a half d": (lambda a, b, d: (a, b, d.half()), {}, r"d has dtype fp16"),
    "shape of d": (lambda a, b, d: (a, b, d[:-1]), {}, r"d has shape"),
    "d transposed": (lambda a, b, d: (a, b, d.T.contiguous().T), {}, r"d has strides"),
    "c for bfloat16": (lambda a, b, d: (a, b, d), {"c": "like d"}, r"only a float32 d adds to c"),
    "c of another type": (lambda a, b, d: (a, b, d.float()), {"c": "like d"}, r"it must be like d"),
    "both recipes": (lambda a, b, d: (a, b, d), {"recipe": (1, 128, 128), "recipe_a": (1, 128), "recipe_b": (128, 128)}, r"give recipe alone"),
    "half a pair": (lambda a, b, d: (a, b, d), {"recipe_a": (1, 128)}, r"give recipe alone"),
    "blocks of 32": (lambda a, b, d: (a, b, d), {"recipe": (1, 1, 32)}, r"on Hopper"),
    "a scale that contradicts": (lambda a, b, d: (a, b, d), {"recipe": (1, 1, 128)}, r"it needs 200 rows"),
    "off 16 bytes": (lambda a, b, d: ((a[0][:, 1:], a[1]), (b[0][:, 1:], b[1]), d), {}, r"16 bytes"),
}


@pytest.mark.parametrize("case", REFUSALS, ids=lambda case: case.replace(" ", "_"))
def test_refusals_write_nothing_and_are_both_errors(problem, case):
    a, b, _, _ = problem
    d = bf16(M, N)
    change, options, text = REFUSALS[case]
    options = {name: d if value == "like d" else value for name, value in options.items()}
    with pytest.raises(deep_gemm.DeepGemmError, match=text) as error:
        deep_gemm.fp8_gemm_nt(*change(a, b, d), **options)
    assert isinstance(error.value, RuntimeError) and isinstance(error.value, AssertionError)
    assert str(error.value).startswith("deep_gemm.fp8_gemm_nt: ")
    assert torch.all(d == -777)


def test_a_refused_call_does_not_copy_c(problem):
    a, b, _, _ = problem
    d, c = torch.full((M, N), -777.0, device=DEVICE), torch.ones((M, N), device=DEVICE)
    with pytest.raises(deep_gemm.DeepGemmError, match="scale_b has shape"):
        deep_gemm.fp8_gemm_nt(a, (b[0], b[1][:1]), d, c=c)
    assert torch.all(d == -777)


@pytest.mark.parametrize("change", [
    lambda a, b, d: (a[0], b, d), lambda a, b, d: (a, b, None), lambda a, b, d: ((a[0], None), b, d), lambda a, b, d: ((*a, None), b, d),
    lambda a, b, d: (a, ([1.0], b[1]), d), lambda a, b, d: (a, b, d, None, 128)])
def test_wrong_kinds_are_type_errors(problem, change):
    a, b, _, _ = problem
    with pytest.raises(TypeError, match="deep_gemm.fp8_gemm_nt: "):
        deep_gemm.fp8_gemm_nt(*change(a, b, bf16(M, N)))


def test_what_torch_refuses_has_our_words_too(problem):
    a, b, _, _ = problem
    sparse = torch.eye(M, K, device=DEVICE).to_sparse()
    with pytest.raises(deep_gemm.DeepGemmError, match="a has the layout torch.sparse_coo; it must be dense"):
        deep_gemm.fp8_gemm_nt((sparse, a[1]), b, bf16(M, N))
    negated = torch.ones(a[1].shape, dtype=torch.complex64, device=DEVICE).conj().imag
    with pytest.raises(deep_gemm.DeepGemmError, match=r"scale_a is negated .* resolve_neg\(\)"):
        deep_gemm.fp8_gemm_nt((a[0], negated), b, bf16(M, N))
    memory = torch.zeros(M + 4, N, device=DEVICE)
    with pytest.raises(deep_gemm.DeepGemmError, match="c cannot be copied to d: .* Give d memory of its own"):
        deep_gemm.fp8_gemm_nt(a, b, memory[:M], c=memory[4:])


def test_wrong_kinds_in_the_old_form(problem):
    a, b, _, _ = problem
    with pytest.raises(TypeError, match="rhs, lhs_scale and rhs_scale"):
        deep_gemm.gemm_fp8_fp8_bf16_nt(a[0], b[0], a[1])
    with pytest.raises(TypeError, match="out is missing"):
        deep_gemm.gemm_fp8_fp8_bf16_nt(a, b)


@pytest.mark.parametrize("layout", ["nt", "nn", "tn", "tt"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_cublaslt(layout, dtype):
    a, b = random(32, 48), random(64, 48, offset=1)
    expected = a.float() @ b.float().T
    left = a if layout[0] == "n" else a.T.contiguous()
    right = b if layout[1] == "t" else b.T.contiguous()
    call = getattr(deep_gemm, "cublaslt_gemm_" + layout)
    d = torch.empty((32, 64), dtype=dtype, device=DEVICE)
    assert call(left, right, d) is None
    torch.testing.assert_close(d.float(), expected, rtol=2.0 ** -7, atol=1e-2)
    c = torch.ones((32, 64), dtype=dtype, device=DEVICE)
    call(left, right, d, c=c)
    torch.testing.assert_close(d.float(), expected + 1, rtol=2.0 ** -7, atol=1e-2)


def test_cublaslt_multiplies_raw_fp8(problem):
    a, b, _, _ = problem
    d = bf16(16, N)
    deep_gemm.cublaslt_gemm_nt(a[0][:16], b[0], d)
    check(d, a[0][:16].double().cpu(), b[0].double().cpu())
    with pytest.raises(deep_gemm.DeepGemmError, match="their sizes must agree"):
        deep_gemm.cublaslt_gemm_nt(a[0], b[0], d.T)
    with pytest.raises(TypeError, match="no scales"):
        deep_gemm.cublaslt_gemm_nt(a, b, d)


class OnGpu(torch.Tensor):
    """A CPU tensor that says it is not."""

    is_cuda = True


@pytest.mark.parametrize("layout", ["nt", "nn", "tn", "tt"])
def test_refusals_of_cublaslt_name_the_function(layout, monkeypatch):
    monkeypatch.setattr(cublaslt, "_library", types.SimpleNamespace(cublasLtCreate=lambda *words: 15))
    monkeypatch.setattr(torch.cuda, "device", lambda device: contextlib.nullcontext())
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: types.SimpleNamespace(cuda_stream=0))
    square = torch.zeros(16, 16).as_subclass(OnGpu)
    with pytest.raises(deep_gemm.DeepGemmError, match=f"deep_gemm.cublaslt_gemm_{layout}: cublasLtCreate answered 15"):
        getattr(deep_gemm, "cublaslt_gemm_" + layout)(square, square, square.clone())


@pytest.mark.parametrize("name", ["DG_USE_TEMP_CUBLASLT_WORKSPACE", "DG_USE_PYTORCH_CUBLASLT_HANDLE"])
def test_cublaslt_with_another_workspace_or_handle(name, monkeypatch):
    a, b = random(32, 48), random(64, 48, offset=1)
    d, other = bf16(32, 64), bf16(32, 64)
    deep_gemm.cublaslt_gemm_nt(a, b, d)
    monkeypatch.setenv(name, "1")
    deep_gemm.cublaslt_gemm_nt(a, b, other)
    torch.testing.assert_close(other, d, rtol=2.0 ** -7, atol=1e-2)
