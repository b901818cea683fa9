"""What holds for every verb: --json, exit codes, --help, --version, --backend."""

import os
import re
import resource
import subprocess

import pytest
from conftest import BINARY, ROOT, fail, run, run_process, succeed

VERBS = ["info", "plan", "schedule", "quantize", "run", "verify", "bench"]


def test_info_fields(no_gpu):
    info = succeed("info", env=no_gpu | {"FATHOM_NUM_THREADS": "1"})
    for field in ("version", "commit", "build", "cpu", "threads", "openblas", "driver", "gpus", "compiler", "cache_dir"):
        assert field in info.json
    assert info["threads"] == info["cpu"]["threads"] == 1
    assert info["cpu"]["cores"] == len(os.sched_getaffinity(0))
    assert info["gpus"] == [] and info["driver"]["found"] is False and info["driver"]["reason"]
    settings = {setting["variable"]: setting for setting in info["settings"]}
    assert settings["FATHOM_NUM_THREADS"]["source"] == "environment"
    assert settings["FATHOM_NUM_THREADS"]["value"] == "1"
    assert settings["FATHOM_OPENBLAS"]["source"] == "default"


def test_info_text():
    done = run_process("info")
    assert done.returncode == 0 and done.stdout.startswith("fathom ") and done.stderr == ""


def test_bad_setting_is_bad_input():
    message = fail(2, "invalid_argument", "info", env=os.environ | {"FATHOM_NUM_THREADS": "two"})
    assert "FATHOM_NUM_THREADS" in message


def test_version_names_the_commit():
    version = succeed("--version")
    assert re.fullmatch(r"\d+\.\d+\.\d+", version["version"]) and version["commit"]
    assert run_process("--version").stdout == f"fathom {version['version']} ({version['commit']})\n"


@pytest.mark.parametrize("verb", [[], *[[verb] for verb in VERBS], ["bench", "compare"], ["compile"], ["cache"],
                                  ["cache", "path"], ["cache", "clear"]])
def test_help_has_examples(verb):
    done = run_process(*verb, "--help")
    assert done.returncode == 0
    assert f"Examples:\n  {' '.join(['fathom', *verb])}" in done.stdout
    assert f"Usage: {' '.join(['fathom', *verb])}" in done.stdout
    assert succeed(*verb, "--help")["help"] == done.stdout


@pytest.mark.parametrize("arguments", [
    [], ["nothing"], ["info", "extra"], ["info", "--unknown"], ["verify", "--m"], ["verify", "--m", "x"],
    ["verify", "--m", "99999999999999999999"], ["verify", "--m", "010"], ["verify", "--m", "0x10"], ["verify", "--m", ""], ["verify", "--backend", "gpu"], ["verify", "--op", "conv"],
    ["verify", "--layout", "dense3"], ["verify", "--out-dtype", "fp16"], ["quantize"], ["quantize", "x"], ["run"],
    ["bench"], ["bench", "compare", "x"], ["plan"], ["info", "--seed", "-1"],
    ["info", "--seed", "18446744073709551616"], ["info", "--seed", "010"],
    ["bench", "--rounds", "010"], ["compile", "--jobs", "01"], ["plan", "--sms", "0x8"], ["bench", "--m", "8,016"],
    ["balance", "--loads", "x", "--gpus", "4", "--replicas", "012"],
])
def test_usage_errors(arguments):
    message = fail(2, "invalid_argument", *arguments)
    assert message
    done = run_process(*arguments)
    assert done.returncode == 2 and done.stdout == "" and done.stderr.startswith("fathom: ")


@pytest.mark.parametrize("arguments, word, command", [
    (["nothing", "--m", 3], "nothing", "fathom"), (["cache", "nothing"], "nothing", "fathom cache"), (["--what"], "--what", "fathom"),
])
def test_unknown_verb_is_named(arguments, word, command):
    assert fail(2, "invalid_argument", *arguments) == f'"{word}" is no verb or flag; see "{command} --help"'


@pytest.mark.parametrize("arguments, words", [
    ([], "the verb is missing"), (["cache"], "the verb is missing"),
    (["verify", "--config", "a", "--config", "b"], "--config is given more than once"),
    (["verify", "--m", "1e3"], '--m: "1e3" is no whole number from 0 to 2147483647; write it in decimal'),
    (["bench", "--rounds", 101], '--rounds: "101" is no whole number from 1 to 100'),
    (["info", "--seed", -1], "from 0 to 18446744073709551615"),
    (["quantize", "-o", "x"], "IN.safetensors is required"), (["bench", "compare"], "BEFORE.json is required"),
    (["compile", "--list", "--config", "x"], "--config excludes --list"),
])
def test_usage_errors_use_the_words_of_the_help(arguments, words):
    assert words in fail(2, "invalid_argument", *arguments)


def test_a_flag_without_its_value():
    assert "--op is given without a value" in run_process("verify", "--op").stderr


def test_home_that_is_no_absolute_path():
    others = {name: value for name, value in os.environ.items() if name not in ("FATHOM_CACHE_DIR", "XDG_CACHE_HOME")}
    assert "no absolute path" in fail(5, "cache", "cache", "path", env=others | {"HOME": "relative"})


def test_json_by_its_value():
    assert '"schema": 1' in run_process("info", "--json=true").stdout
    assert '"error"' in run_process("verify", "--json=true", "--m", -1, "--n", 1, "--k", 1).stdout
    assert run_process("info", "--json=false").stdout.startswith("fathom ")


def test_json_may_stand_anywhere():
    for arguments in (["--json", "info"], ["info", "--json"]):
        assert '"schema": 1' in run_process(*arguments).stdout


@pytest.mark.parametrize("verb", [
    ["verify", "--m", "4", "--n", "8", "--k", "16"], ["plan", "--m", "4", "--n", "8", "--k", "16"],
    ["bench", "--m", "4", "--n", "8", "--k", "16"], ["info"],
])
def test_cuda_without_a_device(verb, no_gpu):
    message = fail(4, "no_device", *verb, "--backend", "cuda", env=no_gpu)
    assert "/nonexistent/libcuda.so.1" in message


def test_openblas_that_is_none_is_unsupported(no_gpu):
    environment = no_gpu | {"FATHOM_OPENBLAS": "/nonexistent/libopenblas.so"}
    arguments = ["verify", "--m", "4", "--n", "8", "--k", "16"]
    assert "/nonexistent/libopenblas.so" in fail(3, "unsupported", *arguments, "--backend", "cpu", env=environment)
    succeed(*arguments, "--backend", "reference", env=environment)


def test_full_standard_output_is_no_success():
    with open("/dev/full", "w") as full:
        done = subprocess.run([BINARY, "info"], stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 5


def test_out_of_memory_is_an_error_with_a_code():
    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (400 << 20, 400 << 20))

    answer = run("verify", "--backend", "reference", "--m", "20000", "--n", "20000", "--k", "1", preexec_fn=limit)
    assert answer.status == 6 and answer.error["code"] == "out_of_memory"


def test_problem_larger_than_the_machine_is_unsupported():
    message = fail(3, "unsupported", "verify", "--m", "2147483647", "--n", "2147483647", "--k", "2147483647")
    assert "GB of memory" in message


def test_documentation_is_up_to_date():
    done = subprocess.run([ROOT / "tools" / "generate_command_line_docs.py", "--check", BINARY])
    assert done.returncode == 0
