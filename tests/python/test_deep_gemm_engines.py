"""The call sequences of vLLM and SGLang on Hopper, as their model code goes through them: preparation at load time, warm-up,
prefill, decode. On a GPU also CUDA graphs, side streams and threads."""

import concurrent.futures
import contextlib

import pytest

torch = pytest.importorskip("torch", reason="deep_gemm is a module over torch")

import deep_gemm
from deep_gemm.utils.layout import get_mn_major_tma_aligned_tensor
from fp8_problems import DEVICE, Contiguous, Masked, activations, bf16, check, dequantised, weights

ON_GPU = DEVICE == "cuda"
# (n, k) of the field's shape lists that are cheap enough for a CPU; on a GPU all of them. K = 2112 and 576 are data gradients.
SHAPES = [(2112, 7168), (576, 7168), (7168, 2112), (7168, 576)] + [
    (24576, 1536), (32768, 512), (7168, 16384), (4096, 7168), (7168, 2048)] * ON_GPU
GROUPED_SHAPES = [(512, 256)] + [(6144, 7168), (7168, 3072), (4096, 4096), (4096, 2048)] * ON_GPU


@contextlib.contextmanager
def num_sms(count):
    """How engines leave SMs to communication."""
    saved = deep_gemm.get_num_sms()
    deep_gemm.set_num_sms(count)
    try:
        yield
    finally:
        deep_gemm.set_num_sms(saved)


@pytest.mark.parametrize("n, k", SHAPES)
@pytest.mark.parametrize("m", [1, 128])
def test_linear_layer(m, n, k):
    """vLLM: the weight's scale is transformed at load time; the cast writes the activations' scale column-major."""
    w, ws = weights(n, k)
    ws = deep_gemm.transform_sf_into_required_layout(sf=ws, mn=n, k=k, recipe=(1, 128, 128), num_groups=None, is_sfa=False,
                                                     disable_ue8m0_cast=True)
    q, s = activations(m, k)
    out = bf16(m, n)
    deep_gemm.fp8_gemm_nt((q, get_mn_major_tma_aligned_tensor(s)), (w, ws), out, disable_ue8m0_cast=True)
    check(out, dequantised(q, s), dequantised(w, ws, rows=128))


@pytest.mark.parametrize("n, k", GROUPED_SHAPES)
@pytest.mark.parametrize("psum", [False, True])
def test_experts_at_prefill(n, k, psum):
    """An index buffer filled with -1, experts padded to the library's alignment, a workspace for the worst case."""
    alignment = deep_gemm.get_mk_alignment_for_contiguous_layout()
    assert alignment == 128
    problem = Contiguous([130, 7, 0, 256, 1], n, k, alignment)
    deep_gemm.transform_sf_into_required_layout(sf=problem.b[1], mn=n, k=k, recipe=(1, 128, 128), num_groups=5, is_sfa=False)
    aligned = (problem.a[0], deep_gemm.get_mn_major_tma_aligned_tensor(problem.a[1]))
    out = bf16(problem.m, n)
    if psum:
        deep_gemm.m_grouped_fp8_gemm_nt_contiguous(aligned, problem.b, out, problem.group_end, use_psum_layout=True,
                                                   recipe_a=(1, 128), recipe_b=(128, 128))
    else:
        deep_gemm.m_grouped_fp8_gemm_nt_contiguous(aligned, problem.b, out, problem.m_indices, disable_ue8m0_cast=True)
    problem.check(out, padding=-777 if psum else 0)


@pytest.mark.parametrize("n, k", GROUPED_SHAPES)
def test_experts_at_decode(n, k):
    """SGLang: [groups, max_m] buffers filled by the dispatch, scales aligned, the mean as a hint."""
    problem = Masked([3, 64, 0, 17, 1, 40], 64, n, k)
    scales = deep_gemm.get_mn_major_tma_aligned_tensor(problem.a[1])
    out = problem.d.clone()
    deep_gemm.fp8_m_grouped_gemm_nt_masked((problem.a[0], scales), problem.b, out, problem.masked_m, 21)
    problem.check(out)


def test_engines_scales_with_a_pitch_of_their_own():
    """vLLM: [experts, T, k / 128] with strides (T k / 128, 1, T)."""
    problem = Masked([3, 8], 8, 256, 512)
    s = torch.empty((2, 4, 8), device=DEVICE).transpose(1, 2).copy_(problem.a[1])
    assert s.stride() == (32, 1, 8)
    out = problem.d.clone()
    deep_gemm.m_grouped_fp8_gemm_nt_masked((problem.a[0], s), problem.b, out, problem.masked_m, 4)
    problem.check(out)


def test_sm_partition():
    a, b, d = activations(300, 512), weights(520, 512), bf16(300, 520)
    wanted = dequantised(*a), dequantised(*b, rows=128)
    for count in (78, 1, 33):
        with num_sms(count):
            assert deep_gemm.get_num_sms() == count
            d.fill_(-777)
            deep_gemm.fp8_gemm_nt(a, b, d)
            check(d, *wanted)
    deep_gemm.set_num_sms(0)


def test_programmatic_launch_of_dependent_products():
    """Each product reads what the one before it wrote."""
    deep_gemm.set_pdl(True)
    try:
        for offset in range(8):
            a, b, d = activations(64, 512, offset), weights(512, 512, offset + 50), bf16(64, 512)
            deep_gemm.fp8_gemm_nt(a, b, d)
            a2 = deep_gemm.per_token_cast_to_fp8(d, False)
            d2 = bf16(64, 512)
            deep_gemm.fp8_gemm_nt(a2, b, d2)
            check(d, dequantised(*a), dequantised(*b, rows=128))
            check(d2, dequantised(*a2), dequantised(*b, rows=128))
    finally:
        deep_gemm.set_pdl(False)


def test_warm_up_by_real_calls():
    """vLLM's relaxed list for one layer."""
    n, k = 512, 256
    b = weights(n, k)
    a, out = activations(512, k), bf16(512, n)
    for m in [1, 2, 4, *range(8, 65, 8), *range(128, 513, 64)]:
        deep_gemm.fp8_gemm_nt((a[0][:m], a[1][:m]), b, out[:m])
    check(out, dequantised(*a), dequantised(*b, rows=128))


def test_precompilation_in_compile_mode():
    """SGLang: every M, planned and compiled without a launch where the module has set_compile_mode."""
    n, k = 512, 256
    b, a, out = weights(n, k), activations(256, k), bf16(256, n)
    deep_gemm.set_compile_mode(1)
    try:
        for m in range(1, 257):
            deep_gemm.fp8_gemm_nt((a[0][:m], a[1][:m]), b, out[:m])
        problem = Contiguous([128, 128], n, k)
        deep_gemm.m_grouped_fp8_gemm_nt_contiguous(problem.a, problem.b, bf16(problem.m, n), problem.m_indices)
    finally:
        deep_gemm.set_compile_mode(0)
    assert torch.all(out == -777)


def test_threads():
    """Eight threads, each with shapes and tensors of its own and some in common."""
    b = weights(264, 256)

    def work(seed):
        results = []
        for m in (1, 16, 33, 64):
            a = activations(m + seed, 256, offset=seed)
            d = bf16(m + seed, 264)
            deep_gemm.fp8_gemm_nt(a, b, d)
            results.append((a, d))
        return results

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for results in pool.map(work, range(16)):
            for a, d in results:
                check(d, dequantised(*a), dequantised(*b, rows=128))


def test_many_addresses():
    """More kinds of calls than plans are kept."""
    from deep_gemm import calls

    a, b, d = activations(8, 128), weights(16, 128), bf16(8, 16)
    most, calls._MOST_PLANS = calls._MOST_PLANS, 4
    try:
        for m in (1, 2, 3, 4, 5, 6, 7, 8):
            deep_gemm.fp8_gemm_nt((a[0][:m], a[1][:m]), b, d[:m])
        assert len(calls._plans) <= 4
    finally:
        calls._MOST_PLANS = most
    check(d, dequantised(*a), dequantised(*b, rows=128))


if ON_GPU:  # nothing of this exists without one

    def test_cuda_graph_with_sizes_that_change():
        problem = Masked([3, 64, 0, 17], 64, 512, 256)
        dense_a, dense_b, dense_d = activations(64, 256), weights(512, 256), bf16(64, 512)
        out = problem.d.clone()

        def step():
            deep_gemm.fp8_gemm_nt(dense_a, dense_b, dense_d)
            deep_gemm.m_grouped_fp8_gemm_nt_masked(problem.a, problem.b, out, problem.masked_m, 21)

        step()
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            step()
        for rows in ([3, 64, 0, 17], [0, 1, 0, 0], [2, 5, 0, 16]):
            problem.rows = rows
            problem.masked_m.copy_(torch.tensor(rows, dtype=torch.int32))
            out.fill_(-777)
            dense_d.fill_(-777)
            graph.replay()
            problem.check(out)
            check(dense_d, dequantised(*dense_a), dequantised(*dense_b, rows=128))

    def test_side_streams():
        """Work goes to the current stream: it waits for what that stream waits for."""
        b = weights(4096, 4096)
        a, d = activations(512, 4096), bf16(512, 4096)
        deep_gemm.fp8_gemm_nt(a, b, d)
        torch.cuda.synchronize()
        side = torch.cuda.Stream()
        source = tuple(t.clone() for t in a)
        a[0].view(torch.uint8).zero_()
        with torch.cuda.stream(side):
            side.wait_stream(torch.cuda.default_stream())
            torch.cuda._sleep(20_000_000)
            a[0].view(torch.uint8).copy_(source[0].view(torch.uint8))
            deep_gemm.fp8_gemm_nt(a, b, d)
        side.synchronize()
        check(d, dequantised(*source), dequantised(*b, rows=128))

    def test_two_devices_in_one_process():
        """The device comes from the tensors; with one GPU this is that GPU twice."""
        for device in range(torch.cuda.device_count()):
            a, b, d = activations(64, 256), weights(512, 256), bf16(64, 512)
            a, b, d = tuple(t.to(device) for t in a), tuple(t.to(device) for t in b), d.to(device)
            deep_gemm.fp8_gemm_nt(a, b, d)
            check(d, dequantised(*a), dequantised(*b, rows=128))
        assert torch.cuda.current_device() == 0

    def test_a_cpu_tensor_among_those_of_a_gpu_is_refused():
        a, b, d = activations(64, 256), weights(512, 256), bf16(64, 512)
        with pytest.raises(deep_gemm.DeepGemmError, match="scale_b"):
            deep_gemm.fp8_gemm_nt(a, (b[0], b[1].cpu()), d)
