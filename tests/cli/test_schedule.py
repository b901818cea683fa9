"""fathom schedule: every row of every group once, by a script that knows nothing of the kernels."""

import collections
import json
import random

import pytest

from conftest import fail, succeed


def owners(groups):
    """The group of each row of d."""
    if "rows" in groups:
        return [g if row < count else -1 for g, count in enumerate(groups["rows"]) for row in range(groups["max_m"])]
    if "row_group" in groups:
        return groups["row_group"]
    begins, align, end = [], groups.get("alignment", 1), 0
    if "offsets" in groups:
        begins, ends = groups["offsets"][:-1], groups["offsets"][1:]
    else:
        ends = groups["group_end"]
        for e in ends:
            begins.append(-(-end // align) * align)
            end = e
    rows = [-1] * max(ends)
    for g, (begin, stop) in enumerate(zip(begins, ends)):
        rows[begin:max(begin, stop)] = [g] * max(0, stop - begin)
    return rows


def check(schedule, groups, n):
    rows = owners(groups)
    seen = collections.Counter()
    places, group_of_step = set(), {}
    for t in schedule["tiles"]:
        assert 0 <= t["cta"] < schedule["grid"] and t["cta"] // schedule["cluster_size"] == t["cluster"]
        assert (t["cta"], t["step"]) not in places
        places.add((t["cta"], t["step"]))
        assert group_of_step.setdefault((t["cluster"], t["step"]), t["group"]) == t["group"], "a pair in two groups"
        assert t["rows"] > 0 and t["cols"] > 0 and t["col0"] + t["cols"] <= n
        for row in range(t["row0"], t["row0"] + t["rows"]):
            assert rows[row] == t["group"]
            seen[row] += t["cols"]
    assert seen == {row: n for row, group in enumerate(rows) if group >= 0}


@pytest.mark.parametrize("groups", [
    {"offsets": [0, 5, 5, 300]}, {"offsets": [7, 8, 8, 8]}, {"rows": [3, 0, 64, 1], "max_m": 64},
    {"group_end": [100, 100, 300], "alignment": 128}, {"rows": [0, 0], "max_m": 8},
    {"row_group": [1] * 60 + [-1] * 4 + [-1] * 64 + [0] * 64 + [1] * 10, "alignment": 64},
])
@pytest.mark.parametrize("flags", [[], ["--sms", "7"], ["--expected-m", "200"]])
def test_each_row_once(tmp_path, groups, flags):
    path = tmp_path / "groups.json"
    path.write_text(json.dumps(groups))
    layout = {"offsets": "offsets", "rows": "masked", "group_end": "group_end", "row_group": "row_group"}[next(iter(groups))]
    schedule = succeed("schedule", "--op", "gemm", "--n", "300", "--k", "512", "--layout", layout, "--groups", str(path),
                       "--device", "h200", *flags)
    assert schedule["config"].startswith("grouped_")
    check(schedule, groups, 300)


def test_a_real_routing(tmp_path):
    random.seed(3)
    offsets = [0]
    for _ in range(128):
        offsets.append(offsets[-1] + (0 if random.random() < 0.5 else random.randrange(40)))
    path = tmp_path / "groups.json"
    path.write_text(json.dumps({"offsets": offsets}))
    schedule = succeed("schedule", "--n", "1536", "--k", "2048", "--groups", str(path))
    assert schedule["groups"] == 128
    check(schedule, {"offsets": offsets}, 1536)


def test_dense_needs_no_file():
    schedule = succeed("schedule", "--m", "300", "--n", "2112", "--k", "7168", "--sms", "78")
    assert schedule["grid"] <= 78
    check(schedule, {"offsets": [0, 300]}, 2112)


def test_more_tiles_than_anybody_reads_are_refused_at_once(tmp_path):
    for flags in (["--m", 200000, "--n", 200000], ["--m", 2 * 10**9, "--n", 16]):
        assert "tiles" in fail(3, "unsupported", "schedule", *flags, "--k", 128, timeout=10)
    path = tmp_path / "groups.json"
    for groups in ({"rows": [60000] * 32, "max_m": 60000}, {"offsets": [0, 2000000]}):
        path.write_text(json.dumps(groups))
        assert "tiles of" in fail(3, "unsupported", "schedule", "--n", 65536, "--k", 128, "--groups", path, timeout=10)
    path.write_text(json.dumps({"rows": [1] * 32, "max_m": 60000}))
    assert len(succeed("schedule", "--n", 65536, "--k", 128, "--groups", path)["tiles"]) < 100000, "rows count, not max_m"


@pytest.mark.parametrize("groups, words", [
    ({"offsets": [0, 9, 5]}, "ascend"), ({"rows": [9], "max_m": 8}, "0 to 8"), ({"offsets": [0]}, "one group or more"),
    ({"row_group": [0] * 16 + [1] * 16, "alignment": 32}, "one group"), ({"group_end": [3, 2]}, "group_end[1] is 2"),
    ({"rows": [1]}, "go together"),
])
def test_metadata_that_breaks_its_rules_is_named(tmp_path, groups, words):
    path = tmp_path / "groups.json"
    path.write_text(json.dumps(groups))
    message = fail(2, "invalid_argument", "schedule", "--n", "64", "--k", "128", "--groups", str(path))
    assert words in message


def test_the_layout_must_be_the_file_s(tmp_path):
    path = tmp_path / "groups.json"
    path.write_text('{"offsets": [0, 4]}')
    message = fail(2, "invalid_argument", "schedule", "--n", "64", "--k", "128", "--layout", "masked", "--groups", str(path))
    assert "holds offsets" in message
    assert "--groups" in fail(2, "invalid_argument", "schedule", "--n", "64", "--k", "128", "--m", "8", "--layout", "offsets")
    assert "4" in fail(2, "invalid_argument", "schedule", "--n", "64", "--k", "128", "--m", "3", "--groups", str(path))
    assert "--num-groups" in fail(2, "invalid_argument", "schedule", "--n", 64, "--k", 128, "--num-groups", 3, "--groups", path)
    assert "--num-groups" in fail(2, "invalid_argument", "schedule", "--m", 4, "--n", 64, "--k", 128, "--num-groups", 3)
    path.write_text('{"rows": [3], "max_m": 4}')
    assert "max_m" in fail(2, "invalid_argument", "schedule", "--n", 64, "--k", 128, "--m", 8, "--groups", path)
