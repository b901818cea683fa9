"""The package `fathom` on NumPy arrays and on others' tensors through DLPack and the array interface, against FP64."""

import ctypes

import fathom
import ml_dtypes
import numpy as np
import pytest
from oracle import assert_close, bf16_values, widened

SEED = 20261121


class Problem:
    """Quantised operands of one product, and what they stand for."""

    def __init__(self, m=65, n=200, k=300, groups=0, seed=SEED):
        rng = np.random.default_rng(seed)
        self.x = rng.standard_normal((m, k), np.float32)
        self.a, self.scale_a = fathom.quantize_1x128(self.x)
        self.exact_a = widened(self.a.array, self.scale_a, 1)
        self.exact_b, codes, scales = [], [], []
        for _ in range(max(groups, 1)):
            b, scale = fathom.quantize_128x128(rng.standard_normal((n, k), np.float32))
            self.exact_b.append(widened(b.array, scale, 128))
            codes.append(np.array(b.array))
            scales.append(np.array(scale))
        if groups:
            padded = np.zeros((groups, n, -(-k // 16) * 16), np.uint8)
            padded[:, :, :k] = codes
            self.b, self.scale_b = fathom.view(padded[:, :, :k], "e4m3"), np.stack(scales)
        else:
            self.b, self.scale_b = b, scales[0]

    def operands(self):
        return self.a, self.scale_a, self.b, self.scale_b


@pytest.mark.parametrize("m, n, k", [(1, 1, 1), (1, 576, 512), (65, 200, 300), (130, 64, 2112), (3, 129, 0), (0, 8, 16)])
def test_gemm_makes_and_fills_d(m, n, k):
    problem = Problem(m, n, k)
    d = fathom.gemm(*problem.operands())
    assert d.dtype == np.float32 and d.shape == (m, n)
    if m:
        assert_close(d, problem.exact_a, problem.exact_b[0], "fp32")


def test_a_bf16_result_is_a_view_of_its_codes():
    problem = Problem()
    d = fathom.gemm(*problem.operands(), dtype="bf16")
    assert d.dtype == "bf16" and d.array.dtype == np.uint16
    assert_close(bf16_values(d.array), problem.exact_a, problem.exact_b[0], "bf16")


def test_accumulate_adds_to_d():
    problem = Problem()
    start = np.random.default_rng(1).standard_normal((65, 200), np.float32)
    d = start.copy()
    assert fathom.gemm(*problem.operands(), d, accumulate=True) is d
    assert_close(d, problem.exact_a, problem.exact_b[0], "fp32", plus=start.astype(np.float64))


@pytest.mark.parametrize("backend", ["auto", "cpu", "reference"])
def test_a_plan_reads_what_the_operands_hold_at_launch(backend):
    problem, other = Problem(), Problem(seed=SEED + 1)
    plan = fathom.plan(*problem.operands(), backend=backend)
    assert plan.backend == ("reference" if backend == "reference" else "cpu")
    plan.launch()
    assert_close(plan.d, problem.exact_a, problem.exact_b[0], "fp32")
    problem.a.array[:] = other.a.array
    problem.scale_a[:] = other.scale_a
    plan.launch()
    assert_close(plan.d, other.exact_a, problem.exact_b[0], "fp32")


def test_explain_tells_what_runs():
    problem = Problem()
    explained = fathom.explain(*problem.operands())
    assert explained["backend"] == "cpu" and explained["problem"]["k"] == 300
    assert explained["config"]["tag"] == fathom.plan(*problem.operands()).config


GROUPS = {"offsets": (np.array([0, 10, 10, 60], np.int64), [(0, 0, 10), (2, 10, 60)]),
          "group_end": (np.array([10, 30, 60], np.int32), [(0, 0, 10), (1, 16, 30), (2, 32, 60)]),
          "row_group": (np.array([2] * 16 + [0] * 10 + [-1] * 6 + [1] * 33, np.int32), [(2, 0, 16), (0, 16, 26), (1, 32, 65)])}


@pytest.mark.parametrize("form", GROUPS)
def test_grouped_rows(form):
    problem = Problem(groups=3)
    index, spans = GROUPS[form]
    untouched = 0x7fc1  # a NaN that no kernel writes
    d = fathom.view(np.full((65, 200), untouched, np.uint16), "bf16")
    options = {} if form == "offsets" else {"alignment": 16}
    assert fathom.grouped_gemm(*problem.operands(), d, **{form: index}, **options) is d
    nobody = np.ones(65, bool)
    for group, begin, end in spans:
        nobody[begin:end] = False
        assert_close(bf16_values(d.array[begin:end]), problem.exact_a[begin:end], problem.exact_b[group], "bf16")
    assert np.all(d.array[nobody] == untouched)


def test_grouped_masked():
    problem = Problem(m=64, groups=2)
    padded = np.zeros((2, 64, 304), np.uint8)
    padded[:, :, :300] = problem.a.array
    a = fathom.view(padded[:, :, :300], "e4m3")
    scale_a = np.stack([np.ascontiguousarray(problem.scale_a)] * 2)
    d = fathom.grouped_gemm(a, scale_a, problem.b, problem.scale_b, rows=np.array([5, 64], np.int32), expected_m=32)
    for group, rows in enumerate((5, 64)):
        assert_close(bf16_values(d.array[group, :rows]), problem.exact_a[:rows], problem.exact_b[group], "bf16")


def test_casts_in_both_directions():
    x = np.random.default_rng(SEED).standard_normal((130, 260), np.float32)
    for cast, block in ((fathom.quantize_1x128, "1x128"), (fathom.quantize_128x128, "128x128"),
                        (fathom.quantize_1x128_transposed, "1x128_transposed")):
        q, scale = cast(x, power_of_two_scales=True)
        assert np.all(np.frexp(scale)[0] == 0.5)
        back = fathom.dequantize(q, scale, block=block)
        # Half a step of e4m3's 3 bits of mantissa, or of its smallest number 2^-9 times a scale of at most amax / 448 * 2.
        assert np.all(np.abs(back - x) <= np.abs(x) / 16 + 2.0**-10 * scale.max())
        assert fathom.dequantize(q, scale, block=block, dtype="bf16").dtype == "bf16"


def test_copy_scales_changes_the_order_alone():
    scale = np.random.default_rng(SEED).random((65, 3), np.float32)
    copy = fathom.copy_scales(scale)
    np.testing.assert_array_equal(copy, scale)
    assert copy.strides[0] == 4 and copy.strides[1] % 16 == 0


class DlpackOnly:
    """A tensor of a library that offers one protocol alone."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


class InterfaceOnly:
    def __init__(self, array):
        self.array = array
        self.__array_interface__ = array.__array_interface__


@pytest.mark.parametrize("wrap", [DlpackOnly, InterfaceOnly])
def test_tensors_of_other_libraries(wrap):
    problem = Problem()
    a, b = (fathom.view(wrap(codes.array), "e4m3") for codes in (problem.a, problem.b))
    d = np.zeros((65, 200), np.float32)
    fathom.gemm(a, wrap(problem.scale_a), b, wrap(problem.scale_b), wrap(d))
    assert_close(d, problem.exact_a, problem.exact_b[0], "fp32")


def test_ml_dtypes_need_no_view():
    problem = Problem()
    d = np.zeros((65, 200), ml_dtypes.bfloat16)
    fathom.gemm(problem.a.array.view(ml_dtypes.float8_e4m3fn), problem.scale_a,
                problem.b.array.view(ml_dtypes.float8_e4m3fn), problem.scale_b, d)
    assert_close(d.astype(np.float64), problem.exact_a, problem.exact_b[0], "bf16")


def refused(kind, words, call, *operands, **options):
    with pytest.raises(kind) as caught:
        call(*operands, **options)
    for word in words:
        assert word in str(caught.value), str(caught.value)
    return caught.value


def test_a_wrong_shape_is_a_value_error_that_says_what_is_needed():
    problem = Problem()
    error = refused(ValueError, ["gemm: scale_a has shape [64, 3]", "it needs [65, 3]"], fathom.gemm, problem.a,
                    problem.scale_a[:64], problem.b, problem.scale_b)
    assert isinstance(error, fathom.InvalidArgumentError) and isinstance(error, fathom.Error)
    assert error.status == "invalid_argument"


def test_can_implement_gives_the_reason_that_gemm_raises():
    problem = Problem()
    assert fathom.can_implement(*problem.operands()) is None
    reason = fathom.can_implement(problem.a, problem.scale_a[:64], problem.b, problem.scale_b)
    error = refused(ValueError, [], fathom.gemm, problem.a, problem.scale_a[:64], problem.b, problem.scale_b,
                    np.empty((65, 200), np.float32))
    assert reason == str(error)


def test_bytes_without_a_meaning_are_refused():
    problem = Problem()
    refused(ValueError, ["gemm: a has the type uint8", "fathom.view(array, 'e4m3')"], fathom.gemm, problem.a.array,
            problem.scale_a, problem.b, problem.scale_b)
    refused(ValueError, ["view", "1 bytes an element", "bf16 has 2"], fathom.view, problem.a.array, "bf16")
    refused(ValueError, ["dtype is 'fp4'"], fathom.view, problem.a.array, "fp4")


def test_what_is_no_tensor_is_a_type_error():
    problem = Problem()
    refused(TypeError, ["gemm: scale_a is a list"], fathom.gemm, problem.a, [1.0], problem.b, problem.scale_b)


def test_a_read_only_d_is_refused():
    d = np.zeros((65, 200), np.float32)
    d.flags.writeable = False
    refused(ValueError, ["gemm: d is read-only"], fathom.gemm, *Problem().operands(), d)


def test_foreign_byte_order_and_torn_strides_are_refused():
    problem = Problem()
    refused(ValueError, ["big-endian"], fathom.gemm, problem.a, problem.scale_a.astype(">f4"), problem.b, problem.scale_b)
    refused(ValueError, ["Python objects"], fathom.gemm, problem.a, problem.scale_a.astype(object), problem.b, problem.scale_b)
    refused(ValueError, ["scale_a has the type datetime64[us]"], fathom.gemm, problem.a, problem.scale_a.astype("M8[us]"), problem.b,
            problem.scale_b)
    record = np.zeros((65, 3), [("value", "f4"), ("tag", "i1")])["value"]
    refused(ValueError, ["multiples of its 4 bytes"], fathom.gemm, problem.a, record, problem.b, problem.scale_b)


class InterfaceWithAMask:
    """As columns of tables are that lack entries."""

    def __init__(self, array):
        self.array = array
        self.__array_interface__ = {**array.__array_interface__, "mask": np.zeros(array.shape, bool)}


@pytest.mark.parametrize("wrap", [np.ma.masked_array, InterfaceWithAMask])
def test_masked_arrays_are_refused(wrap):
    refused(ValueError, ["quantize_1x128: x is a masked array"], fathom.quantize_1x128, wrap(np.ones((2, 128), np.float32)))


def test_one_kind_of_groups_is_needed():
    problem = Problem(groups=3)
    refused(ValueError, ["grouped_gemm: groups.form is none"], fathom.grouped_gemm, *problem.operands())
    refused(ValueError, ["got offsets and rows"], fathom.grouped_gemm, *problem.operands(), offsets=GROUPS["offsets"][0],
            rows=np.array([1, 1, 1], np.int32))
    refused(ValueError, ["offsets"], fathom.grouped_gemm, *problem.operands(), offsets=np.array([0, 9, 4, 65]))


@pytest.mark.parametrize("option, value, word", [("backend", "gpu", "one of auto"), ("config", "7x7", "7x7"),
                                                 ("max_sms", -1, "max_sms"),
                                                 ("max_sms", 2**32 + 5, "gemm: max_sms is 4294967301; .* to 2147483647"), ("dtype", "fp16", "bf16 or fp32")])
def test_options_without_meaning_are_refused(option, value, word):
    with pytest.raises(ValueError, match=word):
        fathom.gemm(*Problem().operands(), **{option: value})


@pytest.mark.parametrize("option", ["alignment", "expected_m"])
def test_numbers_of_groups_that_c_would_cut_are_refused(option):
    refused(ValueError, [f"grouped_gemm: {option} is 18446744073709551744"], fathom.grouped_gemm, *Problem(groups=3).operands(),
            offsets=GROUPS["offsets"][0], **{option: 2**64 + 128})


def test_the_gpu_backend_refuses_arrays_of_the_host():
    refused(ValueError, ["is on the CPU and the backend is cuda"], fathom.gemm, *Problem().operands(), backend="cuda")


def test_a_library_that_cannot_be_loaded_is_not_implemented_here():
    context = fathom.Context(openblas="/nonexistent/libopenblas.so")
    error = refused(NotImplementedError, ["gemm on the CPU needs OpenBLAS", "/nonexistent"], fathom.gemm,
                    *Problem().operands(), context=context)
    assert error.status == "unsupported"


def test_the_context_passes_messages_on_and_refuses_nonsense(monkeypatch):
    refused(ValueError, ["log_level is 'loud'"], fathom.Context, log_level="loud")
    refused(ValueError, ["num_threads is -1"], fathom.Context, num_threads=-1)
    refused(ValueError, ["Context: num_threads is 4294967297"], fathom.Context, num_threads=2**32 + 1)
    refused(ValueError, ["Context: cache_limit_mib is -9223372036854775809"], fathom.Context, cache_limit_mib=-2**63 - 1)
    monkeypatch.setenv("FATHOM_NUM_THREADS", "many")
    refused(ValueError, ["FATHOM_NUM_THREADS", "many"], fathom.Context.from_env)
    fathom.Context()  # reads no environment


def test_many_threads_share_a_context():
    import threading

    problem, results = Problem(), {}

    def work(number):
        for _ in range(20):
            results[number] = fathom.gemm(*problem.operands())

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8
    for result in results.values():
        np.testing.assert_array_equal(result, results[0])


def test_the_structs_are_those_of_the_header():
    from fathom import _library

    # Sizes by the C rules on a 64-bit machine, from c_api.h: any slip in a field's type or order moves what follows.
    assert ctypes.sizeof(_library.Tensor) == 88
    assert _library.GemmArgs.group_form.offset == 8 + 6 * 88
    assert ctypes.sizeof(_library.GemmArgs) == 8 + 6 * 88 + 8 + 24 + 8 + 8
    assert ctypes.sizeof(_library.QuantizeArgs) == 8 + 3 * 88 + 8 + 8
