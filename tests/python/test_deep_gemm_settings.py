"""Settings, variables and the testing helpers of deep_gemm."""

import os

import pytest

torch = pytest.importorskip("torch", reason="deep_gemm is a module over torch")

import deep_gemm
from deep_gemm import calls, testing

from fp8_problems import DEVICE, activations, bf16, check, dequantised, weights


@pytest.fixture(autouse=True)
def restored():
    yield
    deep_gemm.set_num_sms(0)
    deep_gemm.set_pdl(False)
    deep_gemm.set_allow_transform(False)
    deep_gemm.set_compile_mode(0)
    deep_gemm.set_tc_util(0)
    deep_gemm.set_ignore_compile_dims(False)
    deep_gemm.set_block_size_multiple_of(1)
    deep_gemm.set_mk_alignment_for_contiguous_layout(128)


def test_num_sms():
    everything = deep_gemm.get_num_sms()
    deep_gemm.set_num_sms(7)
    assert deep_gemm.get_num_sms() == 7
    deep_gemm.set_num_sms(everything)
    assert deep_gemm.get_num_sms() == everything
    for wrong in (-1, 1.5, None, "all"):
        with pytest.raises(deep_gemm.DeepGemmError, match="num_sms is"):
            deep_gemm.set_num_sms(wrong)
    if torch.cuda.is_available():
        with pytest.raises(deep_gemm.DeepGemmError, match="from 1 to"):
            deep_gemm.set_num_sms(everything + 1)


def test_the_others():
    deep_gemm.set_tc_util(30)
    assert deep_gemm.get_tc_util() == 30
    deep_gemm.set_tc_util(0)
    assert deep_gemm.get_tc_util() == 100
    deep_gemm.set_pdl(True)
    assert deep_gemm.get_pdl() is True
    deep_gemm.set_ignore_compile_dims(True)
    deep_gemm.set_block_size_multiple_of((1, 8))
    assert deep_gemm.get_theoretical_mk_alignment_for_contiguous_layout() == 128
    assert deep_gemm.get_theoretical_mk_alignment_for_contiguous_layout(64) == 128
    assert deep_gemm.get_theoretical_mk_alignment_for_contiguous_layout(64, 8) == 128
    deep_gemm.set_mk_alignment_for_contiguous_layout(64)
    assert deep_gemm.get_mk_alignment_for_contiguous_layout() == deep_gemm.get_k_alignment_for_contiguous_layout() == 64
    for call, wrong in ((deep_gemm.set_tc_util, 101), (deep_gemm.set_block_size_multiple_of, (1, 2, 3)),
                        (deep_gemm.set_mk_alignment_for_contiguous_layout, 0), (deep_gemm.set_compile_mode, 2)):
        with pytest.raises(deep_gemm.DeepGemmError, match=call.__name__):
            call(wrong)


def test_results_do_not_depend_on_settings():
    a, b = activations(40, 256), weights(264, 256)
    wanted = bf16(40, 264)
    deep_gemm.fp8_gemm_nt(a, b, wanted)
    check(wanted, dequantised(*a), dequantised(*b, rows=128))
    for setting in (lambda: deep_gemm.set_pdl(True), lambda: deep_gemm.set_num_sms(1), lambda: deep_gemm.set_num_sms(33),
                    lambda: deep_gemm.set_tc_util(50), lambda: deep_gemm.set_ignore_compile_dims(True)):
        setting()
        d = bf16(40, 264)
        deep_gemm.fp8_gemm_nt(a, b, d)
        torch.testing.assert_close(d, wanted, rtol=2.0 ** -7, atol=1e-2)


def bound_scales():
    """Strides of scale_a and scale_b in the plan that was made last."""
    layout = list(calls._plans)[-1][0]
    return layout[10], layout[18]


@pytest.mark.parametrize("fine", [False, True])
@pytest.mark.parametrize("m", [40, 72])
def test_scales_are_copied_only_where_that_is_allowed_and_pays(fine, m):
    a, b = activations(m, 384), weights(264, 384)
    if fine:
        b = deep_gemm.per_token_cast_to_fp8(torch.ones(264, 384, device=DEVICE), use_ue8m0=False)
    results = []
    for allowed in (False, True):
        deep_gemm.set_allow_transform(allowed)
        assert deep_gemm.get_allow_transform() is allowed
        copied = allowed and m >= 64
        d = torch.ones((m, 264), dtype=torch.float32, device=DEVICE)
        calls._plans.clear()
        deep_gemm.fp8_gemm_nt(a, b, d, c=d)
        assert bound_scales() == ((1, m) if copied else (3, 1), (1, 264) if copied and fine else (3, 1))
        results.append(d)
    assert torch.equal(*results)
    with pytest.raises(deep_gemm.DeepGemmError, match="scale_a has dtype fp64"):
        deep_gemm.fp8_gemm_nt((a[0], a[1].double()), b, results[0])


def test_copied_scales_of_groups():
    groups, rows = 3, 24
    a, b = activations(groups * rows, 256), weights(264 * groups, 256)
    a = a[0].view(groups, rows, 256), a[1].view(groups, rows, 2)
    b = b[0].view(groups, 264, 256), torch.rand(groups, 3, 2, device=DEVICE)
    masked_m = torch.tensor([20, 0, 7], dtype=torch.int32, device=DEVICE)
    results = []
    for allowed in (False, True):
        deep_gemm.set_allow_transform(allowed)
        d = torch.zeros((groups, rows, 264), dtype=torch.bfloat16, device=DEVICE)
        calls._plans.clear()
        deep_gemm.m_grouped_fp8_gemm_nt_masked(a, b, d, masked_m, 10)
        assert bound_scales()[0] == ((48, 1, 24) if allowed else (48, 2, 1))
        results.append(d)
    assert torch.equal(*results)


def test_compile_mode_launches_nothing():
    a, b, d = activations(40, 256), weights(264, 256), bf16(40, 264)
    deep_gemm.set_compile_mode(1)
    assert deep_gemm.get_compile_mode() == 1
    deep_gemm.fp8_gemm_nt(a, b, d)
    assert torch.all(d == -777)
    deep_gemm.set_compile_mode(0)
    deep_gemm.fp8_gemm_nt(a, b, d)
    assert not torch.any(d == -777)


def test_compile_mode_copies_nothing():
    a, b, c = activations(40, 256), weights(264, 256), torch.ones((40, 264), device=DEVICE)
    d = torch.full((40, 264), -777.0, device=DEVICE)
    deep_gemm.set_compile_mode(1)
    deep_gemm.fp8_gemm_nt(a, b, d, c=c)
    assert torch.all(d == -777)


@pytest.mark.parametrize("name, rows", [("DG_PRINT_CONFIGS", 41), ("DG_PRINT_AUTOTUNE", 43)])
def test_printing_what_was_chosen(name, rows, monkeypatch, capfd):
    a, b, d = activations(rows + 1, 256), weights(264, 256), bf16(rows + 1, 264)
    monkeypatch.setenv(name, "1")
    for _ in range(2):  # the second call is of the same kind
        deep_gemm.fp8_gemm_nt((a[0][:rows], a[1][:rows]), b, d[:rows])
    assert capfd.readouterr().out.count("deep_gemm.fp8_gemm_nt: {") == 1
    monkeypatch.setenv(name, "0")
    deep_gemm.fp8_gemm_nt(a, b, d)
    assert capfd.readouterr().out == ""


def test_options_of_the_context(monkeypatch):
    from deep_gemm import environment

    for name in environment.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name in ("FATHOM_CACHE_DIR", "FATHOM_LINE_INFO", "FATHOM_LOG"):
        monkeypatch.delenv(name, raising=False)
    assert environment.context_options() == {}
    monkeypatch.setenv("DG_CACHE_DIR", "old")
    assert environment.context_options() == {"cache_dir": "old"}
    monkeypatch.setenv("DG_JIT_CACHE_DIR", "new")
    assert environment.context_options() == {"cache_dir": "new"}
    monkeypatch.setenv("FATHOM_CACHE_DIR", "own")
    assert environment.context_options() == {}
    monkeypatch.setenv("DG_JIT_DEBUG", "1")
    assert environment.context_options()["log_level"] == "debug"
    monkeypatch.setenv("FATHOM_LINE_INFO", "")
    monkeypatch.setenv("DG_JIT_WITH_LINEINFO", "1")
    assert environment.context_options()["line_info"] is True
    assert os.environ["FATHOM_LINE_INFO"] == ""
    monkeypatch.setenv("FATHOM_LINE_INFO", "0")
    assert "line_info" not in environment.context_options()


def test_calc_diff():
    x = torch.tensor([1.0, 2.0, -3.0])
    assert testing.calc_diff(x, x) == 0
    assert abs(testing.calc_diff(x, -x) - 2) < 1e-12
    assert testing.calc_diff(torch.zeros(3), torch.zeros(3)) == 0.0
    assert abs(testing.calc_diff(x, 2 * x) - 0.2) < 1e-12


def test_count_bytes():
    x = torch.zeros(3, 5)
    assert testing.count_bytes(x, (x.half(), None), [x.to(torch.float8_e4m3fn)]) == 15 * (4 + 2 + 1)
    assert deep_gemm.utils.count_bytes([x, x]) == 120  # one iterable, as in 2025


def test_bitwise_equality():
    x = torch.tensor([1.0, float("nan")])
    testing.assert_bitwise_equal(x, x.clone(), "same")
    with pytest.raises(AssertionError, match="here: 1 of 8 bytes"):
        testing.assert_bitwise_equal(torch.tensor([0.0, 1.0]), torch.tensor([-0.0, 1.0]), "here")


def test_conditions(monkeypatch, capsys):
    calls = []

    @testing.test_filter(lambda: False)
    def left_out():
        calls.append("left out")

    @testing.test_filter(lambda: True)
    @testing.ignore_env("DG_JIT_DEBUG", lambda: True)
    def kept():
        calls.append(os.environ.get("DG_JIT_DEBUG"))

    monkeypatch.setenv("DG_JIT_DEBUG", "1")
    left_out()
    kept()
    assert calls == [None] and os.environ["DG_JIT_DEBUG"] == "1"
    assert "left_out" in capsys.readouterr().out
    assert testing.get_arch_major() == (torch.cuda.get_device_capability()[0] if torch.cuda.is_available() else 9)


def test_bench_counts_seconds_and_of_old_milliseconds():
    a, b, d = activations(64, 512), weights(512, 512), bf16(64, 512)

    def call():
        deep_gemm.fp8_gemm_nt(a, b, d)

    seconds, milliseconds = testing.bench(call), deep_gemm.bench(call)
    assert 1e-7 < seconds < 1
    assert 1e-4 < milliseconds < 1e3


def test_bench_kineto_measures_our_kernel():
    a, b, d = activations(64, 512), weights(512, 512), bf16(64, 512)

    def call():
        deep_gemm.fp8_gemm_nt(a, b, d)

    for name in ("gemm_", "fp8_gemm"):
        assert 1e-7 < testing.bench_kineto(call, name, num_tests=3, suppress_kineto_output=True) < 1
        assert 1e-7 < deep_gemm.bench_kineto(call, name, num_tests=3) < 1
    times = testing.bench_kineto(call, ("gemm_", "no such kernel"), num_tests=3, suppress_kineto_output=True)
    assert len(times) == 2 and times[0] > 0
    if DEVICE == "cuda":
        assert times[1] == 0
        with pytest.raises(deep_gemm.DeepGemmError, match="0 kernels"):
            deep_gemm.bench_kineto(call, "no such kernel", num_tests=3)


@pytest.mark.parametrize("name", ["DG_USE_NVIDIA_TOOLS", "DG_NSYS_PROFILING"])
def test_bench_kineto_leaves_the_field_to_another_profiler(monkeypatch, name):
    monkeypatch.setenv(name, "1")
    calls = []
    assert testing.bench_kineto(lambda: calls.append(1), "gemm_") == 1
    assert testing.bench_kineto(lambda: calls.append(1), ("a", "b")) == (1, 1)
    assert len(calls) == 2


def test_suppressing_output(capfd):
    with testing.suppress_stdout_stderr():
        os.write(1, b"lost")
        print("lost too")
    with testing.empty_suppress():
        os.write(1, b"kept")
    assert capfd.readouterr().out == "kept"
