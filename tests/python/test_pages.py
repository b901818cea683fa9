"""The commands and programs in README.md and docs/ work as they are printed.

A fence's language says what happens to it: `sh` is run line by line, `console` where a line begins with `$ ` (commands of the
Makefile are only looked up: this test is one of them), `cpp` and `c` are compiled against the built library and run when they
hold a main function, `python` is run, and only compiled when it asks for torch and there is none. Blocks of one page share a folder, in which the page finds the files that its examples name.
"""

import importlib.util
import os
import pathlib
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("FATHOM_BUILD", ROOT / "build/release"))
sys.path.insert(0, str(ROOT / "tools/demo"))

import tensor_file

FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
PAGES = [page for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
         if page.exists() and "decisions" not in page.parts and FENCE.search(page.read_text())]
LOOKED_UP = ("make", "git", "cd", "sudo", "cmake", "pip")


def commands_of(language, block):
    """Lines of a shell block, continuation lines joined, comments left out; of a console block what was typed."""
    lines = [line.strip() for line in block.replace("\\\n", " ").splitlines()]
    if language == "console":
        return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    return [line for line in lines if line and not line.startswith("#")]


def make_inputs(folder):
    """The files that examples read: a small model and activations that fit it."""
    rng = np.random.default_rng(1)
    weights = {f"model.layers.{i}.mlp.up.weight": rng.standard_normal((256, 384), np.float32) for i in range(2)}
    tensor_file.write(folder / "model.safetensors", weights | {"layer.weight": rng.standard_normal((256, 384), np.float32)})
    tensor_file.write(folder / "x.safetensors", {"x": rng.standard_normal((64, 384), np.float32)})


def run(command, folder, **options):
    env = os.environ | {"PATH": f"{BUILD}:{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def run_shell_block(language, block, folder):
    for command in commands_of(language, block):
        words = shlex.split(command, comments=True)
        if words[0] == "make":
            targets = [word for word in words[1:] if "=" not in word]
            for target in targets:
                assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE), command
        elif words[0] not in LOOKED_UP:
            run(["bash", "-c", command.replace("build/release/fathom", "fathom")], folder)


def run_program_block(language, block, folder):
    source, program = folder / f"block.{language}", folder / "block"
    source.write_text(block)
    has_main = re.search(r"\bint main\(", block)
    compiler = ["c++", "-std=c++20"] if language == "cpp" else ["cc", "-std=c11"]
    flags = ["-Wall", "-Wextra", f"-I{ROOT}/include"]
    if not has_main:
        run([*compiler, *flags, "-fsyntax-only", source], folder)
        return
    run([*compiler, *flags, source, "-o", program, f"-L{BUILD}", f"-Wl,-rpath,{BUILD}", "-lfathom"], folder)
    run([program], folder)


def run_python_block(block, folder):
    without_torch = "import torch" in block and importlib.util.find_spec("torch") is None
    if without_torch:
        compile(block, "block", "exec")
    else:
        run([sys.executable, "-c", block], folder)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_blocks_of(page, tmp_path):
    make_inputs(tmp_path)
    for language, block in FENCE.findall(page.read_text()):
        if language in ("sh", "console"):
            run_shell_block(language, block, tmp_path)
        elif language in ("cpp", "c"):
            run_program_block(language, block, tmp_path)
        elif language == "python":
            run_python_block(block, tmp_path)
