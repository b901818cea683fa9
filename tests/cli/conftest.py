"""What the tests of the command line share: how to run it, and what every JSON answer must be."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools/demo"))  # fp8.py: e4m3 and the casts in NumPy, independent of the program
BINARY = pathlib.Path(os.environ.get("FATHOM_BINARY", ROOT / "build" / "release" / "fathom"))


class Answer:
    """Exit status, the JSON object on standard output, and standard error."""

    def __init__(self, done):
        self.status = done.returncode
        self.error_text = done.stderr
        self.json = json.loads(done.stdout)  # fails unless it is exactly one value
        assert self.json["schema"] == 1 and list(self.json)[0] == "schema"

    @property
    def error(self):
        error = self.json["error"]
        assert set(error) == {"code", "message"} and set(self.json) == {"schema", "error"}
        return error

    def __getitem__(self, field):
        return self.json[field]


def run_process(*arguments, **options):
    options.setdefault("timeout", 300)
    return subprocess.run([str(BINARY), *map(str, arguments)], capture_output=True, text=True, **options)


def run(*arguments, **options):
    """Runs with --json and asks nothing of the exit status."""
    return Answer(run_process(*arguments, "--json", **options))


def succeed(*arguments, **options):
    answer = run(*arguments, **options)
    assert answer.status == 0, answer.json
    return answer


def fail(status, code, *arguments, **options):
    """The message of an error that must have this exit status and code."""
    answer = run(*arguments, **options)
    assert answer.status == status, answer.json
    assert answer.error["code"] == code
    return answer.error["message"]


@pytest.fixture
def no_gpu():
    """An environment in which no CUDA driver is found."""
    return os.environ | {"FATHOM_LIBCUDA": "/nonexistent/libcuda.so.1"}
