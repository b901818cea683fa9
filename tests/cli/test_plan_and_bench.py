"""fathom plan and fathom bench."""

import json
import os
import subprocess
import time

import pytest
from conftest import BINARY, fail, run, run_process, succeed


@pytest.mark.parametrize("layout", ["dense", "offsets", "row_group", "group_end", "masked"])
def test_plan(layout, no_gpu):
    groups = [] if layout == "dense" else ["--num-groups", 3]
    arguments = ["plan", "--op", "gemm", "--m", 256, "--n", 7168, "--k", 2048, "--layout", layout, *groups]
    answer = succeed(*arguments, env=no_gpu)
    assert answer["backend"] == "cpu" and answer["config"]["tag"]
    assert isinstance(answer["launch"], dict) and isinstance(answer["candidates"], list)
    assert (answer["problem"]["m"], answer["problem"]["n"], answer["problem"]["k"]) == (256, 7168, 2048)
    assert answer["problem"]["layout"] == layout
    for flags in ([], ["--json"]):
        texts = {run_process(*arguments, *flags, env=no_gpu).stdout for _ in range(3)}
        assert len(texts) == 1 and texts != {""}


def test_plan_on_the_cpu_in_words(no_gpu):
    for backend in ("cpu", "reference"):
        arguments = ["plan", "--m", 4, "--n", 8, "--k", 16, "--backend", backend]
        tag = succeed(*arguments, env=no_gpu)["config"]["tag"]
        assert run_process(*arguments, env=no_gpu).stdout.startswith(f"gemm on {backend}\n\n{tag}: ")


def test_plan_refuses_what_it_would_ignore(no_gpu):
    shape = ["plan", "--m", 4, "--n", 8, "--k", 16]
    for flags, words in [(["--num-groups", 3], "--num-groups is 3"), (["--expected-m", -1], "--expected-m"),
                         (["--backend", "cpu", "--device", "h200"], "--backend is cpu"),
                         (["--backend", "reference", "--sms", 7], "--backend is reference")]:
        assert words in fail(2, "invalid_argument", *shape, *flags, env=no_gpu)


def test_plan_of_sizes_that_no_memory_holds(no_gpu):
    largest = 2**31 - 1
    assert succeed("plan", "--m", largest, "--n", 10**6, "--k", 10**6, env=no_gpu)["config"]["tag"]
    fail(2, "invalid_argument", "plan", "--m", largest + 1, "--n", 1, "--k", 1)
    fail(2, "invalid_argument", "plan", "--m", 1, "--n", 0, "--k", 1)
    assert "alignment" in fail(2, "invalid_argument", "plan", "--m", 1, "--n", 8, "--k", 1, "--layout", "row_group",
                               "--alignment", 7)


@pytest.mark.parametrize("device, sms", [("h200", 132), ("h100", 132), ("h800", 132), ("h20", 78), ("gh200", 132)])
def test_plan_for_a_device(device, sms, no_gpu):
    arguments = ["plan", "--op", "gemm", "--m", 256, "--n", 7168, "--k", 2048, "--device", device]
    answer = succeed(*arguments, env=no_gpu)
    assert answer["backend"] == "cuda" and answer["device"] == {"name": device, "sms": sms}
    config, launch = answer["config"], answer["launch"]
    for field in ("tag", "block_m", "block_n", "num_stages", "cluster_m", "cluster_n", "swap_ab"):
        assert field in config
    assert 1 <= launch["grid"] <= 3 * sms and launch["block"] % 128 == 0 and launch["cluster"] >= 1
    assert 0 < launch["smem_bytes"] <= 232448
    costs = [candidate["cost_us"] for candidate in answer["candidates"]]
    assert len(costs) > 10 and costs == sorted(costs)
    assert answer["candidates"][0]["tag"] == config["tag"] and config["tag"] in answer["why"]
    for flags in ([], ["--json"]):
        texts = {run_process(*arguments, *flags, env=no_gpu).stdout for _ in range(3)}
        assert len(texts) == 1 and config["tag"] in texts.pop()


def test_plan_within_an_sm_budget(no_gpu):
    shape = ["plan", "--m", 256, "--n", 7168, "--k", 2048]
    for sms in (1, 7, 77, 131):
        assert succeed(*shape, "--sms", sms, env=no_gpu)["launch"]["grid"] <= sms
    fail(2, "invalid_argument", *shape, "--sms", 0)
    tag = succeed(*shape, "--device", "h200", env=no_gpu)["candidates"][3]["tag"]
    forced = succeed(*shape, "--device", "h200", "--config", tag, env=no_gpu)
    assert forced["config"]["tag"] == tag and "forced" in forced["why"]
    assert "none of the" in fail(2, "invalid_argument", *shape, "--device", "h200", "--config", "1x1")
    fail(3, "unsupported", *shape, "--device", "h200", "--config", tag, "--out-dtype", "fp32")
    invariant = succeed("plan", "--m", 1, "--n", 2112, "--k", 7168, "--device", "h200", "--batch-invariant", env=no_gpu)
    assert invariant["config"]["split_k"] == 1


def test_bench(tmp_path):
    path = tmp_path / "bench.json"
    answer = succeed("bench", "--m", "4,8", "--n", "24,40", "--k", "128,300", "--backend", "cpu", "--iterations", 5, "-o", path)
    assert json.loads(path.read_text()) == answer.json
    for field in ("version", "commit", "command", "cpu"):
        assert answer[field]
    assert "--iterations 5" in answer["command"] and answer["complete"] is True
    assert [(r["m"], r["n"], r["k"]) for r in answer["results"]] == [(4, 24, 128), (4, 40, 300), (8, 24, 128), (8, 40, 300)]
    for result in answer["results"]:
        assert result["iterations"] == 5 and result["backend"] == "cpu" and result["clock"] == "wall"
        assert 0 < result["min_us"] <= result["p10_us"] <= result["median_us"] <= result["p90_us"] <= result["max_us"]
        flops = 2 * result["m"] * result["n"] * result["k"]
        assert result["tflops"] == pytest.approx(flops / result["median_us"] * 1e-6)
        assert result["gb_per_s"] > 0 and result["loops"]["tflops"] > 0


def test_bench_grouped():
    answer = succeed("bench", "--m", 50, "--n", 24, "--k", 128, "--layout", "masked", "--groups-random", 3, "--iterations", 3,
                     "--no-loops")
    assert answer["results"][0]["groups"] == 3 and "loops" not in answer["results"][0]


def test_bench_refuses(tmp_path):
    shape = ["bench", "--m", 8, "--n", 8, "--k", 16]
    assert "--iterations" in fail(2, "invalid_argument", *shape, "--iterations", -3)
    assert "--iterations" in fail(2, "invalid_argument", *shape, "--iterations", 10001)
    for flag, value in (("--configs", "x"), ("--candidates", 3), ("--suite", "decode"), ("--flush", "write"),
                        ("--timer", "cupti"), ("--rounds", 3), ("--rest", 100), ("--sms", 7), ("--vendor-workspace", 1)):
        message = fail(2, "invalid_argument", *shape, "--backend", "cpu", flag, value)
        assert f"{flag} is for a Hopper GPU" in message
    assert "--no-vendor is for" in fail(2, "invalid_argument", *shape, "--backend", "cpu", "--no-vendor")
    message = fail(2, "invalid_argument", *shape, "--layout", "masked")
    assert "--groups-random" in message and "--groups " not in message
    assert "the path is empty" in fail(5, "io", *shape, "-o", "")
    assert fail(3, "unsupported", "bench", "--m", 2**31 - 1, "--n", 2**31 - 1, "--k", 16).startswith("the product needs")


def test_bench_on_a_gpu_refuses_what_it_would_ignore():
    """Before it measures: the emulator stands in for the GPU."""
    gpu = os.environ | {"FATHOM_LIBCUDA": str(BINARY.parent / "libcuda_emulator.so")}
    for flags in (["--m", 8], ["--n", 8], ["--k", 128]):
        message = fail(2, "invalid_argument", "bench", "--backend", "cuda", "--suite", "decode", *flags, env=gpu)
        assert "--suite has shapes of its own" in message
    shape = ["bench", "--backend", "cuda", "--m", 8, "--n", 8, "--k", 128]
    assert "--groups-random" in fail(3, "unsupported", *shape, "--groups-random", 3, env=gpu)
    assert "on the GPU" in fail(3, "unsupported", "bench", *shape[3:], "--accumulate", env=gpu), "auto is the GPU where there is one"
    for flags in (["--configs", "a"], ["--candidates", 3]):
        assert "excludes" in fail(2, "invalid_argument", *shape, *flags, "--config", "b", env=gpu)


def bench_file(path, *results):
    common = {"layout": "dense", "groups": 1, "out_dtype": "bf16", "scale_b": "128x128", "backend": "cpu", "config": "c"}
    path.write_text(json.dumps({"schema": 1, "results": [
        common | {"m": m, "n": 1, "k": 1, "median_us": us} for m, us in results]}))
    return path


def test_bench_compare(tmp_path):
    before = bench_file(tmp_path / "a", (1, 10.0), (2, 10.0), (3, 1.0))
    after = bench_file(tmp_path / "b", (1, 5.0), (2, 20.0), (4, 1.0))
    answer = succeed("bench", "compare", before, after)
    assert [result["speedup"] for result in answer["results"]] == [2.0, 0.5]
    assert answer["geomean_speedup"] == pytest.approx(1.0) and answer["passed"] is True
    assert len(answer["only_before"]) == 1 and len(answer["only_after"]) == 1
    answer = run("bench", "compare", before, after, "--most-slower", 1.05)
    assert answer.status == 1 and answer["passed"] is False
    assert [result["slower"] for result in answer["results"]] == [False, True]
    done = run_process("bench", "compare", before, after, "--most-slower", 1.05)
    assert done.returncode == 1 and "SLOWER" in done.stdout
    for ratio in (0, -1, "nan"):
        assert "--most-slower" in fail(2, "invalid_argument", "bench", "compare", before, after, "--most-slower", ratio)
    other = bench_file(tmp_path / "c", (9, 1.0))
    answer = run("bench", "compare", before, other)
    assert answer.status == 1 and answer["passed"] is False, "a check that compared nothing"
    assert answer["geomean_speedup"] is None


def test_bench_compare_tells_rows_of_one_shape_apart(tmp_path):
    paths = []
    for name, us in (("a", 1.0), ("b", 2.0)):
        path = bench_file(tmp_path / name, (1, us), (1, us), (1, us), (1, 1.0))
        file = json.loads(path.read_text())
        for row, mark in zip(file["results"], ({}, {"name": "even"}, {"name": "skewed"}, {"requested_config": "c"})):
            row |= mark
        path.write_text(json.dumps(file))
        paths.append(path)
    answer = run("bench", "compare", *paths, "--most-slower", 1.05)
    assert answer.status == 1 and [result["slower"] for result in answer["results"]] == [True, False, True, True]
    for row in ("even: dense m=1", "skewed: dense m=1", "bf16 128x128 cpu c"):
        assert sum(row in result["problem"] for result in answer["results"]) == 1
    twice = bench_file(tmp_path / "twice", (1, 1.0), (1, 2.0))
    assert "two results" in fail(2, "invalid_argument", "bench", "compare", paths[0], twice)


def test_bench_compare_of_rows_without_a_time(tmp_path):
    good = bench_file(tmp_path / "good", (1, 1.0), (2, 1.0))
    file = json.loads(good.read_text())
    del file["results"][1]["median_us"]
    file["results"][1]["error"] = "too many rows"
    bad = tmp_path / "bad"
    bad.write_text(json.dumps(file))
    for before, after, status in ((good, bad, 1), (bad, good, 0), (bad, bad, 0)):
        answer = run("bench", "compare", before, after)
        assert answer.status == status and answer["passed"] is (status == 0) and len(answer["results"]) == 1
        (left,) = answer["not_compared"]
        assert "m=2" in left["problem"]
        assert [left["before_error"] != "", left["after_error"] != ""] == [before is bad, after is bad]
        assert "not compared" in run_process("bench", "compare", before, after).stdout


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"results": [{}]}', '{"results": 3}', "[" * 100000])
def test_bench_compare_of_other_files(tmp_path, text):
    (tmp_path / "x").write_text(text)
    assert "fathom bench" in fail(2, "invalid_argument", "bench", "compare", tmp_path / "x", tmp_path / "x")
    fail(5, "io", "bench", "compare", tmp_path / "none", tmp_path / "x")


def test_bench_keeps_what_it_measured_when_it_is_killed(tmp_path):
    path = tmp_path / "bench.json"
    process = subprocess.Popen([BINARY, "bench", "--m", "64", "--n", "24,4096", "--k", "128,4096", "--backend", "cpu", "--no-loops",
                                "--iterations", "3000", "-o", path], stdout=subprocess.DEVNULL)
    try:
        for _ in range(600):
            if path.exists():
                break
            assert process.poll() is None
            time.sleep(0.1)
    finally:
        process.kill()
        process.wait()
    kept = json.loads(path.read_text())
    assert kept["complete"] is False and [result["n"] for result in kept["results"]] == [24]
