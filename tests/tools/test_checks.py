"""The checks of the tree find what is planted, and find nothing in the tree as it is."""

import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import check_layers
import check_tree
import depgraph


@pytest.fixture
def tree(tmp_path):
    """A small repository; tree(path=text) adds files and returns its root."""
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)

    def add(files):
        for path, text in files.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text)
        return tmp_path

    add({
        "include/fathom/error.hpp": "", "include/fathom/gemm.hpp": "#include <fathom/error.hpp>\n",
        "src/support/files.hpp": "", "src/plan/gemm_problem.hpp": "", "src/plan/gemm_plan.hpp": "",
        "src/api/gemm.cpp": '#include "plan/gemm_plan.hpp"\n#include "jit/cache.hpp"\n',
        "src/jit/cache.hpp": '#include <string>\n#include "support/files.hpp"\n',
        "src/cuda/driver.hpp": "", "src/cpu/gemm.hpp": '#include "plan/gemm_problem.hpp"\n',
        "device/base/types.hpp": "", "device/ptx/wgmma.cuh": 'asm volatile("");\n', "device/gemm/config.hpp": "",
        "device/gemm/kernel.cuh": '#include "gemm/config.hpp"\n#include "ptx/wgmma.cuh"\n',
        "device/quantize/config.hpp": "",
    })
    return add


def layer_problems(root):
    return check_layers.check(root)[1]


def test_a_tree_that_follows_the_table_passes(tree):
    assert layer_problems(tree({})) == []


@pytest.mark.parametrize("path, line", [
    ("include/fathom/bad.hpp", '#include "plan/gemm_problem.hpp"'),
    ("include/fathom/bad.hpp", "#include <fmt/format.h>"),
    ("src/plan/bad.cpp", '#include "jit/cache.hpp"'),
    ("src/plan/bad.cpp", '#include "gemm/kernel.cuh"'),
    ("src/plan/bad.cpp", '#include "support/files.hpp"'),
    ("src/plan/bad.cpp", "#include <chrono>"),
    ("src/jit/bad.cpp", '#include "cuda/driver.hpp"'),
    ("src/jit/bad.cpp", "#include <fathom/gemm.hpp>"),
    ("src/cuda/bad.cpp", '#include "plan/gemm_plan.hpp"'),
    ("src/cuda/bad.cpp", "#include <cuda.h>"),
    ("src/cpu/bad.cpp", '#include "plan/gemm_plan.hpp"'),
    ("src/cpu/bad.cpp", "#include <iostream>"),
    ("src/support/bad.cpp", "#include <fathom/gemm.hpp>"),
    ("src/reference/bad.cpp", '#include "../cpu/gemm.hpp"'),
    ("src/api/bad.cpp", '#include "no/such.hpp"'),
    ("device/gemm/bad.cuh", "#include <cstdint>"),
    ("device/gemm/bad.cuh", '#include "quantize/config.hpp"'),
    ("device/gemm/bad.hpp", '#include "gemm/kernel.cuh"'),
    ("device/base/bad.hpp", '#include "gemm/config.hpp"'),
    ("device/gemm/bad.cuh", 'asm volatile("bar.sync 0;");'),
    ("device/gemm/bad.cuh", "  __syncthreads();"),
    ("device/gemm/bad.cuh", "  extern __shared__ char smem[];"),
    ("device/gemm/bad.cuh", "  int lane = threadIdx.x % 32;"),
    ("device/gemm/bad.cpp", ""),
    ("src/brand_new/bad.cpp", ""),
    ("examples/bad.cpp", '#include "cpu/gemm.hpp"'),
])
def test_a_planted_violation_is_caught(tree, path, line):
    problems = layer_problems(tree({path: f"// a file\n{line}\n"}))
    assert len(problems) == 1, problems
    assert problems[0].startswith(path)


def test_comments_may_speak_of_asm(tree):
    assert layer_problems(tree({"device/gemm/good.cuh": "// no asm here: it stands in ptx/\n/* __syncthreads() */\n__device__ int f();\n"})) == []


def tree_problems(root):
    return [problem for path in check_tree.tracked_files(root) for problem in check_tree.check_file(root, path)]


def test_a_clean_tree_passes(tree):
    assert tree_problems(tree({"README.md": "# One\n[two](docs/a.md#two-words) [web](https://example.org)\n",
                               "docs/a.md": "# Two words\n[up](../README.md)\n"})) == []


@pytest.mark.parametrize("path, text", [
    ("docs/a.md", "run /" + "work/x/y\n"),
    ("src/plan/a.hpp", 'open("/' + 'root/x");\n'),
    ("README.md", "[gone](docs/gone.md)\n"),
    ("README.md", "![picture](images/none.svg)\n"),
    ("README.md", "# A\n[b](#b)\n"),
    ("build/x.txt", "made\n"),
    ("lib/libx.so", "binary\n"),
    ("src/plan/a.hpp", "// TO" + "DO later\n"),
    ("src/plan/a.hpp", "int x; \n"),
    ("src/plan/a.hpp", "int x;"),
])
def test_what_must_not_be_tracked_is_caught(tree, path, text):
    problems = tree_problems(tree({path: text}))
    assert len(problems) == 1, problems
    assert problems[0].startswith(path)


def test_links_in_code_blocks_are_no_links(tree):
    assert tree_problems(tree({"README.md": "```\n[a](gone.md)\n```\n"})) == []


def test_picture_names_folders_that_exist():
    folders = re.findall(r"<br>([a-z/]+)", depgraph.drawing())
    assert "src/plan" in folders and "bench" in folders
    assert [folder for folder in folders if not (ROOT / folder).is_dir()] == []
