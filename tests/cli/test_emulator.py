"""--backend emulator: the GPU kernels on this machine's cores, under a schedule that a seed decides."""

import json
import os
import re

import numpy as np
import pytest
import raw_safetensors

from conftest import ROOT, fail, run, run_process, succeed

PROBLEM = ["verify", "--m", 70, "--n", 72, "--k", 300]


def emulate(*arguments):
    answer = succeed(*PROBLEM, "--backend", "emulator", *arguments)
    assert answer["passed"] and answer["findings"] == "" and answer["backend"] == "emulator"
    return answer


def configs_for(*arguments):
    """The kernels of the emulator that fit the problem, by fathom plan."""
    answer = succeed("plan", *PROBLEM[1:], "--backend", "emulator", *arguments)
    assert "emulator" in answer["device"]["name"] and answer["candidates"][0]["tag"] == answer["config"]["tag"]
    return [candidate["tag"] for candidate in answer["candidates"]]


def test_exact_data_is_right_to_the_bit():
    assert emulate("--data", "exact")["bit_equal"] is True


def test_run_names_it_as_verify_does(tmp_path):
    path = tmp_path / "in"
    raw_safetensors.write(path, {"x": ("F32", np.ones((8, 128), np.float32)), "w": ("F32", np.ones((16, 128), np.float32))})
    product = ["run", "--a", f"{path}::x", "--b", f"{path}::w", "-o", tmp_path / "d", "--backend", "emulator"]
    assert succeed(*product)["backend"] == "emulator"
    assert " on emulator (" in run_process(*product).stdout


def test_a_seed_is_a_schedule():
    first, other = emulate("--schedule-seed", 3), emulate("--schedule-seed", 4)
    assert emulate("--schedule-seed", 3)["trace_hash"] == first["trace_hash"] != other["trace_hash"]
    assert first["schedule_seed"] == 3 and len(first["trace_hash"]) == 16
    text = run_process(*PROBLEM, "--backend", "emulator", "--schedule-seed", 3).stdout
    assert f"trace_hash {first['trace_hash']}\n" in text and "passed on emulator" in text


def test_plans_stay_inside_the_list():
    listed = (ROOT / "emulator/kernels/configs.txt").read_text().splitlines()
    for arguments in ([], ["--layout", "masked", "--num-groups", 4], ["--scale-b", "1x128"]):
        tags = configs_for(*arguments)
        assert tags and {re.sub("_s[0-9]+", "", tag) for tag in tags} <= set(listed)
    assert emulate()["config"] == configs_for()[0]


def test_other_outputs_and_scales_are_planned_inside_the_list():
    assert emulate("--out-dtype", "fp32", "--accumulate")["config"].endswith("fp32")
    assert emulate("--scale-b", "1x128")["config"].endswith("sb1")


@pytest.mark.parametrize("layout", ["offsets", "row_group", "group_end", "masked"])
def test_rows_in_groups(layout):
    groups = ["--layout", layout, "--groups-random", 4, "--alignment", 16]
    answer = emulate(*groups)
    assert answer["config"].startswith("grouped_") and answer["layout"] == layout and answer["groups"] == 4
    assert emulate(*groups, "--scale-b", "1x128")["config"].endswith("sb1")
    for config in configs_for("--layout", layout, "--num-groups", 4):
        assert emulate(*groups, "--config", config, "--data", "exact")["bit_equal"] is True


def test_a_groups_file_and_its_schedule(tmp_path):
    path = tmp_path / "groups.json"
    path.write_text(json.dumps({"offsets": [0, 0, 33, 34, 34, 90]}))
    problem = ["verify", "--n", 200, "--k", 300, "--groups", path, "--backend", "emulator"]
    hashes = [succeed(*problem, "--schedule-seed", seed)["trace_hash"] for seed in (8, 9, 8)]
    assert hashes[0] == hashes[2] != hashes[1]


def test_a_kernel_that_is_not_built_in_is_refused():
    answer = run(*PROBLEM, "--backend", "emulator", "--config", "192x128_w3_s4_bf16")
    assert answer.status in (2, 3)  # no such tag, or none of the emulator's
    message = fail(3, "unsupported", *PROBLEM, "--backend", "emulator", "--config", "64x64_w1_s8_bf16")
    assert "built into it" in message


def test_a_setting_that_is_no_number_is_refused():
    for variable in ("FATHOM_EMULATOR_SEED", "FATHOM_EMULATOR_THREADS"):
        done = run_process(*PROBLEM, "--backend", "emulator", env={**os.environ, variable: "two"})
        assert done.returncode not in (0, 1) and f'{variable} is "two"' in done.stderr


def test_where_it_means_nothing_is_refused():
    without = {name: value for name, value in os.environ.items() if name != "FATHOM_LIBCUDA"}
    message = fail(2, "invalid_argument", "bench", "--backend", "emulator", "--m", 1, "--n", 16, "--k", 16, env=without)
    assert "plan, run and verify" in message
    assert "--backend emulator" in fail(2, "invalid_argument", *PROBLEM, "--schedule-seed", 3)

