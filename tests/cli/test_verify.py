"""fathom verify: every layout on odd shapes, the model sizes, groups files, and the dump against NumPy."""

import json
import random

import numpy as np
import pytest
import raw_safetensors
from conftest import BINARY, fail, run, run_process, succeed
from fp8 import decode_bf16, dequantize

SEED = 20251121
LAYOUTS = ["dense", "offsets", "row_group", "group_end", "masked"]
MODEL_SIZES = [(2112, 7168), (24576, 1536), (32768, 512), (7168, 16384), (4096, 7168), (7168, 2048)]
FIELDS = {"passed": bool, "rel_error": float, "max_abs": float, "calc_diff": float, "tolerance": float, "backend": str,
          "config": str}


def verify(*arguments, **options):
    answer = succeed("verify", "--op", "gemm", *arguments, **options)
    for field, kind in FIELDS.items():
        assert isinstance(answer[field], kind), field
    assert answer["passed"] is True and answer["damage"] == "" and answer["wrong_rows"] == []
    return answer


def odd_shapes():
    """(arguments) for each layout, m, n, k in 1..300 at random."""
    source = random.Random(SEED)
    cases = []
    for layout in LAYOUTS:
        for _ in range(8):
            m, n, k = (source.randint(1, 300) for _ in range(3))
            case = ["--layout", layout, "--m", m, "--n", n, "--k", k, "--seed", source.randint(0, 10**6),
                    "--data", source.choice(["random", "exact", "outliers"]),
                    "--scale-b", source.choice(["128x128", "1x128"])]
            if layout == "dense":
                case += source.choice([["--out-dtype", "bf16"], ["--out-dtype", "fp32"],
                                       ["--out-dtype", "fp32", "--accumulate"]])
            else:
                case += ["--groups-random", source.randint(1, 9)]
            if layout in ("row_group", "group_end"):
                case += ["--alignment", source.choice([16, 32, 64, 128, 256])]
            cases.append(list(map(str, case)))
    return cases


@pytest.mark.parametrize("arguments", odd_shapes(), ids=" ".join)
def test_odd_shapes(arguments):
    answer = verify(*arguments)
    if "exact" in arguments:
        assert answer["bit_equal"] is True


@pytest.mark.parametrize("backend", ["cpu", "reference"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_backends(layout, backend):
    groups = [] if layout == "dense" else ["--groups-random", 3]
    answer = verify("--layout", layout, "--m", 70, "--n", 130, "--k", 129, "--backend", backend, "--data", "exact", *groups)
    assert answer["backend"] == backend and answer["bit_equal"] is True


@pytest.mark.parametrize("n, k", MODEL_SIZES)
def test_model_sizes(n, k):
    answer = verify("--m", 1 + (n + k) % 3, "--n", n, "--k", k)
    assert answer["rel_error"] <= answer["tolerance"]


@pytest.mark.parametrize("layout, n, k", [("masked", 4096, 7168), ("row_group", 7168, 2048), ("offsets", 2112, 7168)])
def test_model_sizes_grouped(layout, n, k):
    verify("--m", 3, "--n", n, "--k", k, "--layout", layout, "--groups-random", 2)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("m, k", [(0, 20), (7, 0), (0, 0)])
def test_nothing_to_compute_is_legal(layout, m, k):
    groups = [] if layout == "dense" else ["--groups-random", 2]
    verify("--layout", layout, "--m", m, "--n", 40, "--k", k, *groups)
    if layout == "dense":
        verify("--m", m, "--n", 40, "--k", k, "--out-dtype", "fp32", "--accumulate", "--data", "exact")


def test_same_seed_same_answer():
    def numbers(seed):
        answer = verify("--m", 33, "--n", 40, "--k", 300, "--seed", seed)
        return answer["rel_error"], answer["max_abs"]

    assert numbers(5) == numbers(5) != numbers(6)


def write_groups(tmp_path, groups):
    path = tmp_path / "groups.json"
    path.write_text(json.dumps(groups))
    return path


@pytest.mark.parametrize("groups, layout, valid, rows", [
    ({"offsets": [0, 3, 3, 10]}, "offsets", 10, 10),
    ({"offsets": [2, 5]}, "offsets", 3, 5),
    ({"row_group": [1] * 5 + [-1] * 11 + [-1] * 16 + [0] * 16, "alignment": 16}, "row_group", 21, 48),
    ({"row_group": [0] * 128}, "row_group", 128, 128),
    ({"row_group": []}, "row_group", 0, 0),
    ({"group_end": [5, 130], "alignment": 128}, "group_end", 7, 130),
    ({"group_end": [5, 16, 17], "alignment": 16}, "group_end", 6, 17),
    ({"rows": [0, 20, 7], "max_m": 20}, "masked", 27, 60),
])
def test_groups_files(tmp_path, groups, layout, valid, rows):
    path = write_groups(tmp_path, groups)
    for given in ([], ["--layout", layout]):
        answer = verify("--n", 24, "--k", 200, "--groups", path, "--data", "exact", *given)
        assert (answer["layout"], answer["valid_rows"], answer["rows"]) == (layout, valid, rows)
        assert answer["bit_equal"] is True
    if layout == "offsets":
        verify("--n", 24, "--k", 200, "--groups", path, "--index-dtype", "int64")


def test_alignment_of_a_groups_file(tmp_path):
    base = ["--n", 24, "--k", 200, "--alignment", 16, "--groups"]
    bare = {"row_group": [0] * 16 + [1] * 16}
    assert verify(*base, write_groups(tmp_path, bare))["alignment"] == 16, "the file leaves it open"
    ends = write_groups(tmp_path, {"group_end": [5, 130], "alignment": 128})
    assert verify(*base, ends)["alignment"] == 128, "the file's own comes first"


@pytest.mark.parametrize("groups, message", [
    ({"offsets": [0, 5, 3]}, "3"),
    ({"offsets": [0]}, "at least 2"),
    ({"offsets": [0, 3000000000]}, "2^31 - 1"),
    ({"offsets": [-1, 3]}, "-1"),
    ({"row_group": [0, 1] + [0] * 126}, "1"),
    ({"row_group": [-2] * 16, "alignment": 16}, "-2"),
    ({"row_group": [0] * 16, "alignment": 17}, "17"),
    ({"row_group": [0] * 16, "alignment": 0}, "alignment"),
    ({"group_end": [5, 3]}, "3"),
    ({"group_end": []}, "at least 1"),
    ({"rows": [21], "max_m": 20}, "21"),
    ({"rows": [1], "max_m": -1}, "-1"),
    ({"rows": [1]}, "max_m"),
    ({"what": [1]}, "what"),
    ([], "groups file"),
])
def test_metadata_against_its_rules(tmp_path, groups, message):
    text = fail(2, "invalid_argument", "verify", "--n", 24, "--k", 200, "--groups", write_groups(tmp_path, groups),
                "--dump", tmp_path / "dump")
    assert message in text
    assert not (tmp_path / "dump").exists()


def test_flags_that_contradict(tmp_path):
    groups = write_groups(tmp_path, {"offsets": [0, 3]})
    base = ["verify", "--n", 8, "--k", 16]
    for arguments, message in [
        (["--groups", groups, "--groups-random", 2], "one of them"),
        (["--groups", groups, "--layout", "masked"], "offsets"),
        (["--groups", groups, "--m", 64], "leave --m out"),
        (["--m", 5, "--layout", "masked"], "--groups-random"),
        (["--m", 5, "--groups-random", 2], "--layout"),
        (["--m", 5, "--accumulate"], "fp32"),
        (["--m", 5, "--layout", "offsets", "--groups-random", 0], "--groups-random"),
        (["--m", 5, "--layout", "row_group", "--groups-random", 1, "--alignment", 8], "16, 32"),
        ([], "--m is missing"),
        (["--m", -1], "-1"),
        (["--m", 2147483648], "from 0 to 2147483647"),
        (["--m", 5, "--index-dtype", "int64"], "--index-dtype"),
    ]:
        assert message in fail(2, "invalid_argument", *base, *arguments)
    assert "--n" in fail(2, "invalid_argument", "verify", "--m", 5, "--n", 0, "--k", 16)
    fail(5, "io", *base, "--groups", tmp_path / "none.json")
    fail(5, "io", *base, "--groups", "")
    assert "the path is empty" in fail(5, "io", *base, "--m", 5, "--dump", "")


def test_config_can_be_forced():
    tag = verify("--m", 5, "--n", 8, "--k", 16, "--backend", "cpu")["config"]
    assert verify("--m", 5, "--n", 8, "--k", 16, "--backend", "cpu", "--config", tag)["config"] == tag
    answer = run("verify", "--m", 5, "--n", 8, "--k", 16, "--backend", "cpu", "--config", "no_such_config")
    assert answer.status in (2, 3) and "no_such_config" in answer.error["message"]


def rows_of_groups(tensors, metadata):
    """The group of each row of D (masked: of each [group, row]), -1 = nobody's: from the metadata alone."""
    layout, m = metadata["layout"], int(metadata["m"])
    if layout == "dense":
        return np.zeros(m, int)
    if layout == "row_group":
        return tensors["row_group"].astype(int)
    groups = np.full(m, -1)
    if layout == "offsets":
        for group, (begin, end) in enumerate(zip(tensors["offsets"], tensors["offsets"][1:])):
            groups[begin:end] = group
        return groups
    if layout == "group_end":
        alignment, begin = int(metadata["alignment"]), 0
        for group, end in enumerate(tensors["group_end"]):
            groups[begin:end] = group
            begin = -(-end // alignment) * alignment
        return groups
    rows = tensors["rows"]
    return np.concatenate([np.where(np.arange(m) < count, group, -1) for group, count in enumerate(rows)])


def check_dump(path):
    """D and the reference from the operands alone, in NumPy."""
    tensors, dtypes, metadata = raw_safetensors.read(path)
    n, k = int(metadata["n"]), int(metadata["k"])
    groups = rows_of_groups(tensors, metadata)
    a = dequantize(tensors["a"].reshape(-1, k), tensors["scale_a"].reshape(groups.size, -1), 1)
    b = tensors["b"].reshape(-1, n, k)
    scale_b = tensors["scale_b"].reshape(b.shape[0], -1, -(-k // 128))
    scale_rows = 1 if scale_b.shape[1] == n and n > 1 else 128
    d = tensors["d"].reshape(-1, n)
    d = decode_bf16(d) if dtypes["d"] == "BF16" else d
    reference = tensors["reference"].reshape(-1, n)
    start = tensors["c"].reshape(-1, n) if metadata["accumulate"] == "true" else np.zeros_like(reference)
    checked = 0
    for group in range(b.shape[0]):
        rows = np.flatnonzero(groups == group)
        b_values = dequantize(b[group], scale_b[group], scale_rows)
        wanted = a[rows] @ b_values.T + start[rows]
        magnitude = np.abs(a[rows]) @ np.abs(b_values.T)
        assert np.all(np.abs(reference[rows] - wanted) <= 1e-12 * magnitude + 1e-300)
        half_ulp = 2.0**-8 if dtypes["d"] == "BF16" else 2.0**-24
        assert np.all(np.abs(d[rows] - wanted) <= half_ulp * np.abs(wanted) + 2.0**-18 * magnitude)
        checked += rows.size
    assert checked == np.count_nonzero(groups >= 0)
    return tensors


@pytest.mark.parametrize("arguments", [
    ["--m", 37, "--n", 61, "--k", 300], ["--m", 37, "--n", 200, "--k", 300, "--scale-b", "1x128"],
    ["--m", 37, "--n", 61, "--k", 100, "--out-dtype", "fp32", "--accumulate"],
    ["--m", 100, "--n", 61, "--k", 200, "--layout", "offsets", "--groups-random", 4],
    ["--m", 100, "--n", 61, "--k", 200, "--layout", "row_group", "--groups-random", 4, "--alignment", 32],
    ["--m", 100, "--n", 61, "--k", 200, "--layout", "group_end", "--groups-random", 4],
    ["--m", 30, "--n", 61, "--k", 200, "--layout", "masked", "--groups-random", 4],
], ids=lambda arguments: " ".join(map(str, arguments)))
def test_dump_is_checked_by_numpy(tmp_path, arguments):
    path = tmp_path / "dump.safetensors"
    verify(*arguments, "--data", "outliers", "--dump", path)
    tensors = check_dump(path)
    k = arguments[arguments.index("--k") + 1]
    assert tensors["a"].shape[-1] == k and tensors["b"].shape[-1] == k, "logical shapes, no pitch"
    assert list(tmp_path.iterdir()) == [path]


def test_dump_is_read_by_the_official_package(tmp_path):
    from safetensors import safe_open

    path = tmp_path / "dump.safetensors"
    verify("--m", 5, "--n", 6, "--k", 7, "--dump", path)
    with safe_open(path, "np") as file:
        assert set(file.keys()) == {"a", "scale_a", "b", "scale_b", "d", "reference"}
        assert file.metadata()["layout"] == "dense"
        assert file.get_tensor("reference").shape == (5, 6)


@pytest.mark.parametrize("data", ["random", "exact"])
def test_wrong_result_fails_the_check(no_gpu, data):
    environment = no_gpu | {"FATHOM_OPENBLAS": str(BINARY.parent / "modules" / "wrong_openblas.so")}
    arguments = ["verify", "--m", 64, "--n", 64, "--k", 128, "--data", data]
    answer = run(*arguments, env=environment)
    assert answer.status == 1 and answer["passed"] is False and answer["backend"] == "cpu"
    assert 0 in answer["wrong_rows"] and 0 in answer["wrong_cols"]
    assert answer["bit_equal"] is (False if data == "exact" else None)
    done = run_process(*arguments, env=environment)
    assert done.returncode == 1 and "FAILED" in done.stdout


def test_text():
    done = run_process("verify", "--m", 64, "--n", 64, "--k", 128)
    assert done.returncode == 0 and "passed on" in done.stdout
