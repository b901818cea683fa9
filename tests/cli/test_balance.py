"""fathom balance: the published sample, equality with a port in NumPy, properties of the better plan, files, bad input."""

import json
import math
import xml.etree.ElementTree

import numpy as np
import pytest

import numpy_eplb
from conftest import fail, run_process, succeed

SAMPLE = [[90, 132, 40, 61, 104, 165, 39, 4, 73, 56, 183, 86],
          [20, 107, 104, 64, 19, 197, 187, 157, 172, 86, 16, 27]]
SAMPLE_FLAGS = ("--replicas", 16, "--groups", 4, "--nodes", 2, "--gpus", 8)
SAMPLE_PHY2LOG = [[5, 6, 5, 7, 8, 4, 3, 4, 10, 9, 10, 2, 0, 1, 11, 1],
                  [7, 10, 6, 8, 6, 11, 8, 9, 2, 4, 5, 1, 5, 0, 3, 1]]


@pytest.fixture
def sample(tmp_path):
    path = tmp_path / "loads.json"
    path.write_text(json.dumps(SAMPLE))
    return path


def balance(loads, *flags):
    return succeed("balance", "--loads", loads, *flags)


def max_over_mean(weight, phy2log, logcnt, gpus):
    """Of the worst layer."""
    worst = 0
    for row, slots, counts in zip(np.asarray(weight, np.float64), np.asarray(phy2log), np.asarray(logcnt)):
        loads = (row / counts)[slots].reshape(gpus, -1).sum(1)
        worst = max(worst, loads.max() / loads.mean())
    return worst


def test_the_published_sample_is_exact(sample):
    answer = balance(sample, *SAMPLE_FLAGS, "--policy", "published")
    assert answer["phy2log"] == SAMPLE_PHY2LOG
    _, log2phy, logcnt = numpy_eplb.rebalance(SAMPLE, 16, 4, 2, 8)
    assert answer["log2phy"] == log2phy.tolist()
    assert answer["logcnt"] == logcnt.tolist()
    assert answer["logcnt"] == [[1, 2, 1, 1, 2, 2, 1, 1, 1, 1, 2, 1], [1, 2, 1, 1, 1, 2, 2, 1, 2, 1, 1, 1]]
    assert answer["max_over_mean"] == pytest.approx(max_over_mean(SAMPLE, answer["phy2log"], answer["logcnt"], 8))
    assert answer["moves"] == 0


def random_weights(rng, layers, experts):
    kind = rng.integers(4)
    if kind == 0:  # ties and zeros
        return rng.integers(0, 4, (layers, experts)).astype(np.float64)
    if kind == 1:
        return rng.random((layers, experts)) * 1000
    if kind == 2:  # a few hot experts
        return rng.random((layers, experts)) ** -1.5
    return rng.integers(0, 100000, (layers, experts)).astype(np.float64)


@pytest.mark.parametrize("seed", range(40))
def test_the_published_policy_equals_the_port(seed, tmp_path):
    """40 deployments of 60 layers each: 2,400 problems."""
    rng = np.random.default_rng(seed)
    nodes = int(rng.choice([1, 1, 2, 3, 4]))
    gpus = nodes * int(rng.integers(1, 9))
    groups = int(rng.choice([1, 2, 3, 4, 8, 12]))
    while True:
        replicas = gpus * int(rng.integers(1, 9))
        experts = groups * int(rng.integers(1, max(replicas // groups, 1) + 1))
        if experts <= replicas:
            break
    weight = random_weights(rng, 60, experts)
    np.save(tmp_path / "loads.npy", weight)
    answer = balance(tmp_path / "loads.npy", "--policy", "published", "--replicas", replicas, "--groups", groups,
                     "--nodes", nodes, "--gpus", gpus)
    phy2log, log2phy, logcnt = numpy_eplb.rebalance(weight, replicas, groups, nodes, gpus)
    assert answer["phy2log"] == phy2log.tolist()
    assert answer["log2phy"] == log2phy.tolist()
    assert answer["logcnt"] == logcnt.tolist()


@pytest.mark.parametrize("exponent", [0.3, 0.6, 1.0, 1.2])
@pytest.mark.parametrize("replicas, nodes, gpus", [(256, 1, 8), (272, 1, 8), (288, 4, 32), (288, 18, 144)])
def test_the_better_policy_is_never_worse(exponent, replicas, nodes, gpus, tmp_path):
    rng = np.random.default_rng(1)
    ranks = np.stack([rng.permutation(256) + 1.0 for _ in range(4)])
    weight = (1e6 * ranks ** -exponent).astype(np.float32)
    np.save(tmp_path / "loads.npy", weight)
    flags = ("--replicas", replicas, "--groups", 8, "--nodes", nodes, "--gpus", gpus)
    better = balance(tmp_path / "loads.npy", *flags)
    published = balance(tmp_path / "loads.npy", *flags, "--policy", "published")
    assert better["max_over_mean"] <= published["max_over_mean"] * (1 + 1e-9)
    assert better["duplicates"] == 0
    assert better["bound"] <= better["max_over_mean"]
    assert better["max_over_mean"] == pytest.approx(max_over_mean(weight, better["phy2log"], better["logcnt"], gpus))
    for slots in better["phy2log"]:
        assert set(slots) == set(range(256))
        if 8 % nodes == 0:  # groups stay on nodes
            node_of_group = {(expert // 32, slot * nodes // replicas) for slot, expert in enumerate(slots)}
            assert len(node_of_group) == 8


def test_a_drifting_load_moves_few_experts(tmp_path):
    rng = np.random.default_rng(2)
    log_load = -0.8 * np.log(rng.permutation(256) + 1.0)
    flags = ("--replicas", 288, "--groups", 8, "--nodes", 4, "--gpus", 32)
    np.save(tmp_path / "loads.npy", np.exp(log_load)[None])
    plan = balance(tmp_path / "loads.npy", *flags)
    for _ in range(5):
        (tmp_path / "plan.json").write_text(json.dumps(plan.json))
        log_load += 0.05 * rng.standard_normal(256)
        np.save(tmp_path / "loads.npy", np.exp(log_load)[None])
        plan = balance(tmp_path / "loads.npy", *flags, "--current", tmp_path / "plan.json", "--max-moves", 51)
        assert plan["moves"] <= 51
        assert len(plan["transfers"]) == plan["moves"]
        assert plan["max_over_mean"] <= plan["max_over_mean_before"]


def test_the_forms_of_a_loads_file_agree(tmp_path):
    weight = np.array([[3, 1, 2, 8], [0, 5, 5, 1]])
    (tmp_path / "a.json").write_text(json.dumps(weight.tolist()))
    (tmp_path / "b.csv").write_text("3, 1,2,8\r\n\n0,5.0,5,1e0")
    np.save(tmp_path / "c.npy", weight)
    np.save(tmp_path / "d.npy", np.asfortranarray(weight.astype(np.float32)))
    np.save(tmp_path / "e.npy", weight.astype(np.uint8))
    answers = [balance(tmp_path / name, "--replicas", 6, "--gpus", 2)
               for name in ("a.json", "b.csv", "c.npy", "d.npy", "e.npy")]
    for answer in answers:
        times = {"seconds": 0, "cpu_seconds": 0}
        assert answer.json | times == answers[0].json | times


def test_the_text_and_the_picture(sample, tmp_path):
    picture = tmp_path / "loads.svg"
    done = run_process("balance", "--loads", sample, *SAMPLE_FLAGS, "--svg", picture)
    assert done.returncode == 0 and done.stderr == ""
    lines = done.stdout.splitlines()
    assert sum("#" in line for line in lines) == 8  # one for each GPU
    assert any(line.split()[:1] == ["worst"] for line in lines)
    root = xml.etree.ElementTree.parse(picture).getroot()
    bars = [rect for rect in root.iter("{http://www.w3.org/2000/svg}rect") if rect.get("fill") in ("#8c8c8c", "#2b7a4b")]
    assert len(bars) == 16
    assert all(float(bar.get("height")) >= 0 for bar in bars)


def test_the_text_of_one_of_each(tmp_path):
    (tmp_path / "loads.json").write_text("[[1]]")
    done = run_process("balance", "--loads", tmp_path / "loads.json", "--replicas", 1, "--gpus", 1)
    assert done.stdout.startswith("1 layer of 1 expert in 1 slot on 1 GPU of 1 node, policy better\n")


def test_unequal_gpus(tmp_path):
    (tmp_path / "loads.csv").write_text(",".join(["10"] * 12))
    answer = balance(tmp_path / "loads.csv", "--replicas", 12, "--gpus", 3, "--slots-per-gpu", "6,3,3", "--gpu-speed", "2,1,1")
    assert answer["max_over_mean"] == 1


def test_zero_loads_have_a_plan(tmp_path):
    (tmp_path / "loads.json").write_text("[[0, 0, 0, 0]]")
    answer = balance(tmp_path / "loads.json", "--replicas", 6, "--gpus", 2)
    assert answer["max_over_mean"] == 1 and math.isfinite(answer["bound"])


@pytest.mark.parametrize("text, told", [
    ("[[1, 2, -3, 4]]", "-3"),
    ("[[1, 2, NaN, 4]]", "no valid JSON"),
    ("[[1, 2, 1e999, 4]]", "no valid JSON"),
    ("[[1, 2, 1e300, 4]]", "inf"),
    ("[[1, 2, 3, 4], [1, 2, 3]]", "layer 1 has 3 loads"),
    ("[1, 2, 3, 4]", "a layer is of type number"),
    ('{"loads": [[1]]}', "of type object"),
    ('[[1, 2, "3", 4]]', "of type string"),
    ("[]", "no layer"),
    ("[[]]", "layer 0 is empty"),
    ("", "no valid JSON: parse error"),
])
def test_bad_json_is_refused(text, told, tmp_path):
    path = tmp_path / "loads.json"
    path.write_text(text)
    assert told in fail(2, "invalid_argument", "balance", "--loads", path, "--replicas", 4, "--gpus", 2)


@pytest.mark.parametrize("name, text, told", [
    ("loads.csv", b"1,2,nan,4", "nan"),
    ("loads.csv", b"1,2,-inf,4", "-inf"),
    ("loads.csv", b"1,2,,4", "no number"),
    ("loads.csv", b"a,b,c,d", "no number"),
    ("loads.txt", b"1,2,3,4", ".json, .csv or .npy"),
    ("loads.npy", b"", "does not start"),
    ("loads.npy", b"\x93NUMPY\x01\x00\xff\xff", "breaks off"),
])
def test_bad_files_are_refused(name, text, told, tmp_path):
    path = tmp_path / name
    path.write_bytes(text)
    assert told in fail(2, "invalid_argument", "balance", "--loads", path, "--replicas", 4, "--gpus", 2)


@pytest.mark.parametrize("array", [np.ones(4), np.ones((1, 4), np.complex64), np.ones((1, 4), ">f4"), np.ones((0, 4))])
def test_arrays_that_are_no_loads_are_refused(array, tmp_path):
    np.save(tmp_path / "loads.npy", array)
    fail(2, "invalid_argument", "balance", "--loads", tmp_path / "loads.npy", "--replicas", 4, "--gpus", 2)


def test_a_shortened_array_is_refused(tmp_path):
    np.save(tmp_path / "loads.npy", np.ones((2, 4)))
    data = (tmp_path / "loads.npy").read_bytes()
    for size in range(0, len(data), 7):
        (tmp_path / "loads.npy").write_bytes(data[:size])
        fail(2, "invalid_argument", "balance", "--loads", tmp_path / "loads.npy", "--replicas", 4, "--gpus", 2)


@pytest.mark.parametrize("flags, told", [
    (("--replicas", 17, "--gpus", 4), "no multiple of --gpus"),
    (("--replicas", 8, "--gpus", 4), "every expert needs a slot"),
    (("--replicas", 16, "--gpus", 8, "--groups", 5), "does not divide the 12 experts"),
    (("--replicas", 16, "--gpus", 8, "--nodes", 3), "no multiple of --nodes"),
    (("--replicas", 16, "--gpus", 0), "--gpus: \"0\" is"),
    (("--replicas", -16, "--gpus", 8), "--replicas: \"-16\" is"),
    (("--replicas", 10**9, "--gpus", 8), "at most"),
    (("--replicas", 16, "--gpus", 32), "every GPU needs a slot"),
    (("--replicas", 16, "--gpus", 8, "--max-moves", 3), "no current placement"),
    (("--replicas", 16, "--gpus", 8, "--max-moves", -3), "--max-moves"),
    (("--replicas", 16, "--gpus", 8, "--policy", "best"), "none of published|better"),
    (("--replicas", 16, "--gpus", 8, "--slots-per-gpu", "8,8"), "--slots-per-gpu has 2 entries"),
    (("--replicas", 16, "--gpus", 2, "--slots-per-gpu", "8,9"), "adds up to 17"),
    (("--replicas", 16, "--gpus", 2, "--slots-per-gpu", "6,10", "--policy", "published"), "equal GPUs only"),
    (("--replicas", 16, "--gpus", 2, "--gpu-speed", "1,0"), "--gpu-speed[1] is 0"),
    (("--replicas", 16, "--gpus", 8, "--time-budget", -1), "--time-budget is -1"),
    (("--gpus", 8), "--replicas"),
])
def test_impossible_deployments_are_refused(flags, told, sample):
    assert told in fail(2, "invalid_argument", "balance", "--loads", sample, *flags)


def test_seven_replicas_on_four_gpus_are_refused(tmp_path):
    (tmp_path / "loads.json").write_text("[[1, 2, 3, 4, 5, 6]]")
    for policy in ("published", "better"):
        message = fail(2, "invalid_argument", "balance", "--loads", tmp_path / "loads.json", "--replicas", 7,
                       "--gpus", 4, "--policy", policy)
        assert "--replicas is 7" in message and "use 8" in message


@pytest.mark.parametrize("text, told", [
    ("{}", "phy2log"),
    ('{"phy2log": 3}', "of type number"),
    ('{"phy2log": [[0, 1], [2]]}', "not as long"),
    ('{"phy2log": [[0.5]]}', "of type number"),
    ('{"phy2log": [[0, 1]]}', "has 2 entries"),
    ("[", "no valid JSON"),
])
def test_bad_plans_are_refused(text, told, sample, tmp_path):
    plan = tmp_path / "plan.json"
    plan.write_text(text)
    assert told in fail(2, "invalid_argument", "balance", "--loads", sample, *SAMPLE_FLAGS, "--current", plan)


def test_plans_that_break_the_rules_are_refused(sample, tmp_path):
    plan = tmp_path / "plan.json"
    for slots, told in (([slot or 9 for slot in SAMPLE_PHY2LOG[0]], "no slot"), ([99] * 16, "slot 0"), ([*range(12), 0, 0, 0, 0], "group")):
        plan.write_text(json.dumps({"phy2log": [slots, slots]}))
        assert told in fail(2, "invalid_argument", "balance", "--loads", sample, *SAMPLE_FLAGS, "--current", plan)


def test_files_that_are_missing_or_unwritable(sample, tmp_path):
    fail(5, "io", "balance", "--loads", tmp_path / "none.json", *SAMPLE_FLAGS)
    fail(5, "io", "balance", "--loads", sample, *SAMPLE_FLAGS, "--current", tmp_path / "none.json")
    fail(5, "io", "balance", "--loads", sample, *SAMPLE_FLAGS, "--svg", tmp_path / "none" / "a.svg")
    fail(5, "io", "balance", "--loads", sample, *SAMPLE_FLAGS, "--svg", "")
