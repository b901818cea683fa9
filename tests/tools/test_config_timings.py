"""The table of timings that tools/config_timings.py makes of measurements."""

import json
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import config_timings


def row(m, config, us=None, layout="dense"):
    times = {"error": "no"} if us is None else {"median_us": us}
    return {"m": m, "n": 512, "k": 256, "layout": layout, "config": config} | times


def result(path, *rows):
    path.write_text(json.dumps({"gpu": {"name": "NVIDIA H200"}, "driver": "580", "results": list(rows)}))
    return path


def table_of(path):
    return {(p["m"], p["n"], p["k"]): p["us"] for p in json.loads(path.read_text())["problems"]}


def test_new_times_of_a_problem_replace_all_its_old_ones(tmp_path):
    table = tmp_path / "table.json"
    first = result(tmp_path / "a.json", row(8, "x", 5.004), row(8, "y", 4.0), row(8, "z", 6.5), row(1, "x", 3.0), row(1, "w"))
    config_timings.main([str(table), str(first), "--about", "two problems"])
    assert table_of(table) == {(1, 512, 256): {"x": 3.0}, (8, 512, 256): {"y": 4.0, "x": 5.0}}
    config_timings.main([str(table), str(result(tmp_path / "b.json", row(8, "z", 2.0)))])
    assert table_of(table) == {(1, 512, 256): {"x": 3.0}, (8, 512, 256): {"z": 2.0}}
    head = json.loads(table.read_text())
    assert head["about"] == "two problems" and head["gpu"] == "NVIDIA H200, driver 580"
    assert len(table.read_text().splitlines()) == 4


def test_refuses_what_it_cannot_tell(tmp_path):
    with pytest.raises(SystemExit):
        config_timings.main([str(tmp_path / "new.json"), str(result(tmp_path / "a.json"))])
    with pytest.raises(ValueError, match="masked rows"):
        config_timings.main([str(tmp_path / "t"), str(result(tmp_path / "b", row(1, "x", 1.0, "masked"))), "--about", ""])
