"""The package `fathom` on torch tensors, on the CPU and on each kind of device that this machine has, against FP64 in torch."""

import pytest

torch = pytest.importorskip("torch")

import eplb  # needs torch
import fathom

HOPPER = torch.cuda.is_available() and torch.cuda.get_device_capability() == (9, 0)
DEVICES = ["cpu", "cuda"] if HOPPER else ["cpu"]
HALF_ULP = {torch.bfloat16: 2.0**-8, torch.float32: 2.0**-24}
SHARE = {"cpu": 2.0**-17, "cuda": 2.0**-11}  # c of docs/numerics.md

pytestmark = pytest.mark.parametrize("device", DEVICES)


def widened(q, scale, rows_per_scale):
    spread = scale.double().repeat_interleave(rows_per_scale, 0).repeat_interleave(128, 1)
    return q.to(torch.float64) * spread[:q.shape[0], :q.shape[1]]


def assert_close(got, a, b, plus=0.0):
    exact = plus + a @ b.T
    magnitude = abs(plus) + a.abs() @ b.abs().T
    bound = HALF_ULP[got.dtype] * exact.abs() + SHARE[got.device.type] * magnitude
    assert ((got.double() - exact).abs() <= bound).all()


class Problem:
    def __init__(self, device, m=65, n=200, k=300, groups=0, seed=20261121):
        generator = torch.Generator().manual_seed(seed)
        x = torch.randn(m, k, generator=generator).to(device, torch.bfloat16)
        self.a, self.scale_a = fathom.quantize_1x128(x)
        self.exact_a = widened(self.a, self.scale_a, 1)
        weights = [fathom.quantize_128x128(torch.randn(n, k, generator=generator).to(device)) for _ in range(max(groups, 1))]
        self.exact_b = [widened(q, scale, 128) for q, scale in weights]
        if groups:
            padded = torch.zeros(groups, n, -(-k // 16) * 16, dtype=torch.uint8, device=device)
            for group, (q, _) in enumerate(weights):
                padded[group, :, :k] = q.view(torch.uint8)
            self.b, self.scale_b = padded.view(torch.float8_e4m3fn)[:, :, :k], torch.stack([scale for _, scale in weights])
        else:
            self.b, self.scale_b = weights[0]

    def operands(self):
        return self.a, self.scale_a, self.b, self.scale_b


@pytest.mark.parametrize("m, n, k", [(1, 576, 512), (65, 200, 300), (130, 64, 2112), (128, 576, 7168)])
@pytest.mark.parametrize("dtype", ["bf16", "fp32"])
def test_gemm(device, m, n, k, dtype):
    problem = Problem(device, m, n, k)
    d = fathom.gemm(*problem.operands(), dtype=dtype)
    assert d.dtype == {"bf16": torch.bfloat16, "fp32": torch.float32}[dtype] and d.device == problem.a.device
    assert_close(d, problem.exact_a, problem.exact_b[0])


def test_gemm_makes_bf16_and_writes_what_is_given(device):
    problem = Problem(device)
    assert fathom.gemm(*problem.operands()).dtype == torch.bfloat16
    d = torch.full((65, 208), float("nan"), dtype=torch.bfloat16, device=device)
    assert fathom.gemm(*problem.operands(), d[:, :200]).data_ptr() == d.data_ptr()
    assert_close(d[:, :200], problem.exact_a, problem.exact_b[0])
    assert d[:, 200:].isnan().all()


def test_accumulate(device):
    problem = Problem(device)
    start = torch.randn(65, 200, device=device)
    d = fathom.gemm(*problem.operands(), start.clone(), accumulate=True)
    assert_close(d, problem.exact_a, problem.exact_b[0], plus=start.double())


def test_calls_of_one_layout_read_their_own_operands(device):
    """All but the addresses of a call is kept for the next of its layout."""
    other_context = fathom.Context(num_threads=1)
    for seed in range(4):
        problem = Problem(device, seed=seed)
        d = torch.empty(65, 208, dtype=torch.bfloat16, device=device)[:, :200]
        fathom.gemm(*problem.operands(), d, context=other_context if seed == 2 else None)
        assert_close(d, problem.exact_a, problem.exact_b[0])
    with pytest.raises(ValueError, match="multiple of 16 bytes"):
        fathom.gemm(*problem.operands(), torch.empty(65 * 208 + 1, dtype=torch.bfloat16, device=device)[1:].as_strided(
            (65, 200), (208, 1)))
    with pytest.raises(ValueError, match="must not overlap"):
        shared = torch.zeros(65 * 416 + 600, dtype=torch.uint8, device=device)
        d = shared[:65 * 416].view(torch.bfloat16).as_strided((65, 200), (208, 1))
        a = shared[:65 * 304].view(torch.float8_e4m3fn).as_strided((65, 300), (304, 1))
        fathom.gemm(a, *problem.operands()[1:], d)


def test_a_kept_call_keeps_the_name_of_its_config(device):
    problem = Problem(device)
    config = fathom.plan(*problem.operands()).config
    wanted, taken = fathom.gemm(*problem.operands()), []
    for _ in range(3):
        assert torch.equal(fathom.gemm(*problem.operands(), config=config), wanted)
        taken += [b"?" * len(config) for _ in range(1000)]  # memory that nobody owns any more


def test_scales_in_either_order(device):
    problem = Problem(device)
    other = problem.scale_a.contiguous()
    assert other.stride() != problem.scale_a.stride()
    assert torch.equal(fathom.gemm(problem.a, other, problem.b, problem.scale_b), fathom.gemm(*problem.operands()))
    copy = fathom.copy_scales(other)
    assert torch.equal(copy, other) and copy.stride()[0] == 1 and copy.stride()[1] % 4 == 0


def test_a_plan_reads_what_the_operands_hold_at_launch(device):
    problem, other = Problem(device), Problem(device, seed=1)
    plan = fathom.plan(*problem.operands())
    assert plan.backend == device and plan.config
    for source in (problem, other):
        problem.a.copy_(source.a)
        problem.scale_a.copy_(source.scale_a)
        plan.launch()
        assert_close(plan.d, source.exact_a, problem.exact_b[0])


@pytest.mark.parametrize("index_type", [torch.int32, torch.int64])
def test_grouped_offsets(device, index_type):
    problem = Problem(device, groups=3)
    offsets = torch.tensor([0, 10, 10, 60], dtype=index_type, device=device)
    d = torch.full((65, 200), 7.0, dtype=torch.bfloat16, device=device)
    fathom.grouped_gemm(*problem.operands(), d, offsets=offsets)
    assert_close(d[:10], problem.exact_a[:10], problem.exact_b[0])
    assert_close(d[10:60], problem.exact_a[10:60], problem.exact_b[2])
    assert (d[60:] == 7).all()


def test_grouped_masked(device):
    problem = Problem(device, m=64, groups=2)
    a = torch.zeros(2, 64, 304, dtype=torch.uint8, device=device)
    a[:, :, :300] = problem.a.view(torch.uint8)
    a = a.view(torch.float8_e4m3fn)[:, :, :300]
    scale_a = fathom.copy_scales(torch.stack([problem.scale_a] * 2))
    d = fathom.grouped_gemm(a, scale_a, problem.b, problem.scale_b, rows=torch.tensor([5, 64], dtype=torch.int32, device=device))
    assert_close(d[0, :5], problem.exact_a[:5], problem.exact_b[0])
    assert_close(d[1], problem.exact_a, problem.exact_b[1])


def test_casts_have_the_bits_of_the_cpu(device):
    x = torch.randn(130, 384).to(torch.bfloat16)
    for cast in (fathom.quantize_1x128, fathom.quantize_128x128, fathom.quantize_1x128_transposed):
        q, scale = cast(x.to(device))
        wanted, wanted_scale = cast(x)
        assert torch.equal(q.cpu().view(torch.uint8), wanted.view(torch.uint8)) and torch.equal(scale.cpu(), wanted_scale)
    q, scale = fathom.quantize_1x128(x.to(device))
    back = fathom.dequantize(q, scale)
    torch.testing.assert_close(back.cpu(), x.float(), rtol=2.0**-4, atol=2.0**-9)


def test_parameters_and_tensors_that_want_gradients(device):
    problem = Problem(device)
    d = torch.nn.Parameter(torch.zeros(65, 200, device=device))
    fathom.gemm(*problem.operands(), d)
    assert_close(d.detach(), problem.exact_a, problem.exact_b[0])


def test_codes_as_bytes_need_a_view(device):
    problem = Problem(device)
    with pytest.raises(ValueError, match=r"a has the type torch.uint8.*fathom.view\(array, 'e4m3'\)"):
        fathom.gemm(problem.a.view(torch.uint8), problem.scale_a, problem.b, problem.scale_b)
    d = fathom.gemm(fathom.view(problem.a.view(torch.uint8), "e4m3"), *problem.operands()[1:])
    assert_close(d, problem.exact_a, problem.exact_b[0])


def test_a_lazily_negated_tensor_is_refused(device):
    z = torch.randn(5, 1, dtype=torch.complex64, device=device)
    x = z.conj().imag
    fathom.quantize_1x128(z.imag)  # of the same layout
    with pytest.raises(ValueError, match=r"quantize_1x128: x is negated .* resolve_neg\(\)"):
        fathom.quantize_1x128(x)
    q, scale = fathom.quantize_1x128(x.resolve_neg())
    torch.testing.assert_close(fathom.dequantize(q, scale), x, rtol=2.0**-4, atol=0)


def test_errors(device):
    problem = Problem(device)
    with pytest.raises(ValueError, match=r"scale_a has shape \[64, 3\]"):
        fathom.gemm(problem.a, problem.scale_a[:64], problem.b, problem.scale_b)
    with pytest.raises(ValueError, match="is on the device meta"):
        fathom.gemm(problem.a.to("meta"), problem.scale_a, problem.b, problem.scale_b)
    if device == "cuda":
        with pytest.raises(ValueError, match="all tensors of a call must be on one device"):
            fathom.gemm(problem.a, problem.scale_a.cpu(), problem.b, problem.scale_b)


def test_eplb_gives_the_published_tables(device):
    weight = torch.tensor([[90, 132, 40, 61, 104, 165, 39, 4, 73, 56, 183, 86],
                           [20, 107, 104, 64, 19, 197, 187, 157, 172, 86, 16, 27]], device=device)
    phy2log, log2phy, logcnt = eplb.rebalance_experts(weight, 16, 4, 2, 8)
    assert phy2log.tolist() == [[5, 6, 5, 7, 8, 4, 3, 4, 10, 9, 10, 2, 0, 1, 11, 1],
                                [7, 10, 6, 8, 6, 11, 8, 9, 2, 4, 5, 1, 5, 0, 3, 1]]
    assert {table.dtype for table in (phy2log, log2phy, logcnt)} == {torch.int64}
    assert log2phy.shape == (2, 12, int(logcnt.max())) and logcnt.sum(1).tolist() == [16, 16]
    for kind in (ValueError, AssertionError):  # the second is what upstream raises
        with pytest.raises(kind, match="num_replicas is 7"):
            eplb.rebalance_experts(weight[:, :4], 7, 1, 1, 4)


def test_eplb_on_the_cases_of_its_users(device):
    table = eplb.rebalance_experts(torch.tensor([[10.0, 20, 30, 40]], device=device), 6, 1, 1, 1)
    assert table[2].sum() == 6 and sorted(set(table[0][0].tolist())) == [0, 1, 2, 3]  # one GPU
    small = eplb.rebalance_experts(torch.tensor([[100.0, 50, 200, 75, 150, 25, 300, 80]], device=device), 12, 4, 2, 4)
    for slot, expert in enumerate(small[0][0].tolist()):  # groups of two stay on one node of six slots
        mates = [s // 6 for s, e in enumerate(small[0][0].tolist()) if e // 2 == expert // 2]
        assert set(mates) == {slot // 6}
    for expert in range(8):  # -1 only behind the slots of an expert, and every slot once
        slots = small[1][0, expert].tolist()
        count = int(small[2][0, expert])
        assert min(slots[:count]) >= 0 and set(slots[count:]) <= {-1}
    assert sorted(s for s in small[1][0].flatten().tolist() if s >= 0) == list(range(12))
