"""What the README shows is what is there: its programs are the examples, its commands run, its make targets exist."""

import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("FATHOM_BUILD", ROOT / "build/release"))
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)


def blocks(language):
    return [text for name, text in BLOCKS if name == language]


@pytest.mark.parametrize("language, example", [("cpp", "quickstart.cpp"), ("c", "quickstart.c")])
def test_programs_are_the_examples_that_are_built_and_run(language, example):
    assert [text.strip() for text in blocks(language)] == [(ROOT / "examples" / example).read_text().strip()]


COMMANDS = [line[2:] for text in blocks("console") for line in text.splitlines() if line.startswith("$ ")]


def test_every_console_line_is_a_command():
    assert COMMANDS
    assert [line for text in blocks("console") for line in text.splitlines() if not line.startswith("$ fathom ")] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_command_runs(command, tmp_path):
    environment = {**os.environ, "PATH": f"{BUILD}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_make_targets_exist():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    used = {word for text in blocks("sh") for word in re.findall(r"^make (\w+)", text, re.MULTILINE)}
    assert used and used <= targets
