"""fathom.configs, fathom.compile and fathom.explain for a GPU that is not here: NVRTC comes from the wheels of PyPI."""

import threading
import time

import fathom
import numpy as np
import pytest


@pytest.fixture
def context(tmp_path):
    return fathom.Context(cache_dir=str(tmp_path / "cache"))


def test_configs_of_a_range_are_among_all():
    everything = fathom.configs()
    chosen = fathom.configs(n=7168, k=2048, max_m=256, device="h200")
    assert len(everything) == len(set(everything)) > 20
    assert 0 < len(chosen) < len(everything) and set(chosen) <= set(everything)
    assert set(fathom.configs(n=7168, k=2048, max_m=64, device="h200")) <= set(chosen)


@pytest.mark.parametrize("options, word", [({"n": 7168, "k": 2048}, "range of m is 1 to 0"), ({"n": -1, "k": 1, "max_m": 1}, "n is -1"),
                                           ({"n": 2**64 + 1, "k": 1, "max_m": 1}, "configs: n is"),
                                           ({"n": 1, "k": 1, "max_m": 1, "max_sms": 2**32}, "configs: max_sms is"),
                                           ({"n": 1, "k": 1, "max_m": 1, "layout": "rows"}, "one of dense"),
                                           ({"n": 1, "k": 1, "max_m": 1, "dtype": "fp16"}, "bf16"),
                                           ({"n": 1, "k": 1, "max_m": 1, "device": "b200"}, "b200")])
def test_ranges_without_meaning_are_refused(options, word):
    with pytest.raises(ValueError, match=word):
        fathom.configs(**options)


def test_compile_fills_the_cache_and_tells_how_far_it_is(context):
    tags = fathom.configs(n=576, k=512, max_m=64, device="h200")[:2]
    seen = []
    kernels = fathom.compile(tags, context=context, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(i + 1, len(tags)) for i in range(len(tags))]
    assert [kernel["config"] for kernel in kernels] == tags
    assert all(not kernel["cached"] and kernel["on_disk"] and kernel["spill_bytes"] == 0 for kernel in kernels)
    assert all(kernel["cached"] for kernel in fathom.compile(tags, context=context))
    assert fathom.compile([], context=context) == []


def test_other_threads_run_while_it_compiles(context):
    longest, running = 0.0, True

    def watch():
        nonlocal longest
        last = time.monotonic()
        while running:
            time.sleep(0.001)
            longest, last = max(longest, time.monotonic() - last), time.monotonic()

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.monotonic()
    fathom.compile(fathom.configs()[:3], jobs=1, context=context)  # long beside what a busy machine keeps a thread waiting
    elapsed = time.monotonic() - start
    running = False
    watcher.join()
    assert longest < elapsed / 2, (longest, elapsed)


def test_what_progress_raises_stops_the_compilation(context):
    calls = []

    def stop(done, total):
        calls.append(done)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fathom.compile(fathom.configs(n=576, k=512, max_m=64, device="h200"), jobs=1, context=context, progress=stop)
    assert calls == [1]


def test_unknown_tags_and_missing_compilers(tmp_path):
    with pytest.raises(ValueError, match="7x7"):
        fathom.compile(["7x7"])
    with pytest.raises(ValueError, match="compile: jobs is 4294967297"):
        fathom.compile(["7x7"], jobs=2**32 + 1)
    without = fathom.Context(compiler="none", cache_dir=str(tmp_path))
    with pytest.raises(fathom.CompileError) as caught:
        fathom.compile(fathom.configs()[:1], context=without)
    assert isinstance(caught.value, RuntimeError) and caught.value.status == "compile_failed"


def test_explain_for_a_gpu_elsewhere():
    q, scale = fathom.quantize_1x128(np.ones((64, 512), np.float32))
    w, scale_w = fathom.quantize_128x128(np.ones((576, 512), np.float32))
    explained = fathom.explain(q, scale, w, scale_w, device="h200")
    assert explained["config"]["tag"] in fathom.configs(n=576, k=512, max_m=64, dtype="fp32", device="h200")
    assert explained["candidates"]
    with pytest.raises(ValueError, match="b200"):
        fathom.explain(q, scale, w, scale_w, device="b200")
