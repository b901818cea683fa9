"""What only a GPU can show of the package `fathom`: CUDA graphs, streams, threads, two devices, launches that wait for nothing."""

import threading

import pytest

torch = pytest.importorskip("torch")
if not (torch.cuda.is_available() and torch.cuda.get_device_capability() == (9, 0)):
    pytest.skip("needs a Hopper GPU", allow_module_level=True)

import fathom

M, N, K = 64, 576, 512


def operands(device="cuda", seed=1, m=M):
    torch.manual_seed(seed)
    a, scale_a = fathom.quantize_1x128(torch.randn(m, K, device=device))
    b, scale_b = fathom.quantize_128x128(torch.randn(N, K, device=device))
    return a, scale_a, b, scale_b


def test_a_captured_plan_reads_what_the_operands_hold_at_replay():
    first, second = operands(), operands(seed=2)
    plan = fathom.plan(*first)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        plan.launch()
    plan.d.zero_()
    graph.replay()
    assert torch.equal(plan.d, fathom.gemm(*first))
    for mine, new in zip(first[:2], second[:2]):
        mine.copy_(new)
    graph.replay()
    assert torch.equal(plan.d, fathom.gemm(second[0], second[1], first[2], first[3]))


def test_one_calls_and_casts_can_be_captured():
    x = torch.randn(M, K, device="cuda")
    _, _, b, scale_b = operands()
    q, scale = fathom.quantize_1x128(x)
    d = fathom.gemm(q, scale, b, scale_b)  # what is missing is compiled before the capture
    wanted = d.clone()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        fathom.quantize_1x128(x, q=q, scale=scale)
        fathom.gemm(q, scale, b, scale_b, d)
    d.zero_()
    graph.replay()
    torch.cuda.synchronize()
    assert torch.equal(d, wanted)


def test_groups_without_blocks_of_k_can_be_captured():
    """Such a product is computed on operands of zeros, which the first call of a device makes and later ones find."""
    call = (torch.empty(M, 0, device="cuda", dtype=torch.float8_e4m3fn), torch.empty(M, 0, device="cuda"),
            torch.empty(2, N, 0, device="cuda", dtype=torch.float8_e4m3fn), torch.empty(2, 5, 0, device="cuda"))
    offsets = torch.tensor([0, 20, M - 4], dtype=torch.int32, device="cuda")
    d = torch.ones(M, N, device="cuda", dtype=torch.bfloat16)
    plan = fathom.plan(*call, d, offsets=offsets)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        plan.launch()
    graph.replay()
    torch.cuda.synchronize()
    assert not d[:M - 4].any() and (d[M - 4:] == 1).all()


def test_the_current_stream_is_used_and_another_on_demand():
    call = operands()
    plan = fathom.plan(*call)
    wanted = fathom.gemm(*call)
    assert wanted.any()  # and torch has its kernels: loading one waits for the GPU
    for stream in (torch.cuda.Stream(), torch.cuda.Stream()):
        plan.d.zero_()
        torch.cuda.synchronize()
        with torch.cuda.stream(stream):
            torch.cuda._sleep(100_000_000)  # tens of milliseconds of this stream alone
            plan.launch()
        torch.cuda.current_stream().synchronize()
        assert not plan.d.any(), "the launch did not wait for its stream"
        stream.synchronize()
        assert torch.equal(plan.d, wanted)
    plan.d.zero_()
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    plan.launch(stream=side.cuda_stream)
    side.synchronize()
    assert torch.equal(plan.d, wanted)


def stream_of(tensor):
    """The stream that torch's memory of this tensor belongs to."""
    (segment,) = [segment for segment in torch.cuda.memory_snapshot()
                  if segment["address"] <= tensor.data_ptr() < segment["address"] + segment["total_size"]]
    return segment["stream"]


def test_what_a_call_makes_belongs_to_its_stream():
    call = operands()
    wanted = fathom.gemm(*call)
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    d = fathom.gemm(*call, stream=side.cuda_stream)
    q, scale = fathom.quantize_1x128(wanted, stream=side.cuda_stream)
    assert [stream_of(tensor) for tensor in (wanted, d, q, scale)] == [0] + [side.cuda_stream] * 3
    side.synchronize()
    assert torch.equal(d, wanted)
    with torch.cuda.stream(side):
        for default in (0, 1):
            assert stream_of(fathom.gemm(*call, stream=default)) == 0
        assert stream_of(fathom.gemm(*call)) == side.cuda_stream
    torch.cuda.synchronize()


def test_launches_return_before_the_gpu_is_done():
    call = operands()
    plan = fathom.plan(*call)
    fathom.gemm(*call)
    torch.cuda.synchronize()
    torch.cuda._sleep(1_000_000_000)
    plan.launch()
    fathom.gemm(*call, plan.d)
    assert not torch.cuda.current_stream().query(), "a launch synchronised"


def test_eight_threads_on_streams_of_their_own():
    calls = [operands(seed=seed, m=16 * (seed + 1)) for seed in range(8)]
    wanted = [fathom.gemm(*call) for call in calls]
    torch.cuda.synchronize()
    wrong = []

    def work(number):
        with torch.cuda.stream(torch.cuda.Stream()):
            plan = fathom.plan(*calls[number])
            for _ in range(200):
                plan.launch()
                d = fathom.gemm(*calls[number])
            torch.cuda.current_stream().synchronize()
            if not (torch.equal(d, wanted[number]) and torch.equal(plan.d, wanted[number])):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_each_device_computes_its_own_tensors():
    """Every GPU of the machine gives the bits of the first, and the current device stays as it was."""
    call = operands("cuda:0")
    wanted = fathom.gemm(*call)
    for index in range(torch.cuda.device_count()):
        there = [tensor.to(f"cuda:{index}") for tensor in call]
        before = torch.cuda.current_device()
        d = fathom.gemm(*there)
        plan = fathom.plan(*there)
        plan.launch()
        assert d.device.index == index and torch.cuda.current_device() == before
        assert torch.equal(d.cpu(), wanted.cpu()) and torch.equal(plan.d, d)


def test_operands_of_two_devices_are_refused():
    if torch.cuda.device_count() < 2:
        a, scale_a, b, scale_b = operands()
        with pytest.raises(ValueError, match="on one device"):
            fathom.gemm(a, scale_a.cpu(), b, scale_b)
        return
    a, scale_a, b, scale_b = operands("cuda:0")
    with pytest.raises(ValueError, match="on one device"):
        fathom.gemm(a, scale_a.to("cuda:1"), b, scale_b)
