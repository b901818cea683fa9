"""The wheels as their users get them: what is in them, what they ask for, what importing does."""

import ast
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import zipfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PACKAGES = [path.parent for path in sorted((ROOT / "python").glob("*/pyproject.toml"))]
SOURCES = [path for path in sorted((ROOT / "python").rglob("*.py")) if "build" not in path.parts]


def run(*words, **options):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel():
    found = sorted((ROOT / "dist").glob("fathom-*.whl"))
    assert len(found) == 1, f"{found}: tools/wheel makes one"
    return found[0]


@pytest.fixture(scope="module")
def library(wheel, tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    with zipfile.ZipFile(wheel) as archive:
        return archive.extract("fathom/libfathom.so", folder)


@pytest.fixture(scope="module")
def clean(wheel, tmp_path_factory):
    """The Python of a new environment that holds the wheel and what it requires: no torch, no NumPy."""
    folder = tmp_path_factory.mktemp("clean")
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    python = folder / "bin/python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", wheel)
    return python


def test_the_wheel_is_for_every_python_of_one_processor(wheel):
    assert re.fullmatch(rf"fathom-[\d.]+-py3-none-manylinux_\d+_\d+_{platform.machine()}\.whl", wheel.name)
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = archive.read(next(name for name in names if name.endswith("METADATA"))).decode()
    assert {"fathom/__init__.py", "fathom/balance.py", "fathom/libfathom.so", "fathom/py.typed"} <= set(names)
    assert {f"fathom/licenses/{name}.txt" for name in ("libfmt-dev", "libxxhash-dev", "nlohmann-json3-dev")} <= set(names)
    assert [name for name in names if name.endswith(".so")] == ["fathom/libfathom.so"]
    assert "Requires-Python: >=3.8" in metadata
    assert re.findall(r"Requires-Dist: (.*)", metadata) == ["scipy-openblas32", 'nvidia-cuda-nvrtc; extra == "cuda"']


def test_the_tag_names_the_oldest_glibc_that_will_do(wheel):
    tag = wheel.name.rsplit("-", 1)[1].removesuffix(".whl")
    report = " ".join(run(sys.executable, "-m", "auditwheel", "show", wheel).split())
    assert f'consistent with the following platform tag: "{tag}"' in report


def test_the_library_needs_libc_alone(library):
    needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", run("readelf", "-d", library)))
    assert needed <= {"libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}
    undefined = run("nm", "-D", "--undefined-only", library)
    assert not re.search(r"\b(_?Py[A-Z_]|_ZN(2at|3c10|5torch)|cu[A-Z]|cuda[A-Z])", undefined)


def test_importing_brings_nothing_along(clean):
    program = """
import os, sys
os.environ["CUDA_HOME"] = "/nonexistent"
import fathom, fathom.balance
assert len(os.listdir("/proc/self/task")) == 1
assert not {"numpy", "torch", "ml_dtypes"} & set(sys.modules)
maps = open("/proc/self/maps").read()
assert "libcuda" not in maps and "libnvrtc" not in maps and "openblas" not in maps, maps
print(fathom.__version__)
"""
    version = re.search(r"project\(fathom VERSION ([\d.]+)", (ROOT / "CMakeLists.txt").read_text())[1]
    assert run(clean, "-c", program).strip() == version


# Operands made of what Python itself has: an object with the array interface over ctypes memory.
PRODUCT = """
import ctypes, os, sys, fathom

class Array:
    def __init__(self, number, shape, typestr, values=()):
        count = 1
        for extent in shape:
            count *= extent
        self.memory = (number * (count + 16))()
        skip = -ctypes.addressof(self.memory) % 16 // ctypes.sizeof(number)
        self.values = (number * count).from_buffer(self.memory, skip * ctypes.sizeof(number))
        self.values[:] = list(values) or [0] * count
        self.__array_interface__ = {"version": 3, "shape": shape, "typestr": typestr,
                                    "data": (ctypes.addressof(self.values), False)}

def product():
    m, n, k = 3, 4, 256
    a = fathom.view(Array(ctypes.c_uint8, (m, k), "|u1", [0x38] * (m * k)), "e4m3")  # 1.0
    b = fathom.view(Array(ctypes.c_uint8, (n, k), "|u1", [0x40] * (n * k)), "e4m3")  # 2.0
    scale_a = Array(ctypes.c_float, (m, 2), "<f4", [0.5] * (m * 2))
    scale_b = Array(ctypes.c_float, (1, 2), "<f4", [1.0, 3.0])
    d = Array(ctypes.c_float, (m, n), "<f4")
    fathom.gemm(a, scale_a, b, scale_b, d)
    assert set(d.values) == {0.5 * 2 * 128 * (1 + 3)}, set(d.values)
"""


def test_gemm_without_numpy_loads_the_openblas_of_pypi(clean):
    run(clean, "-c", PRODUCT + """
product()
assert "scipy_openblas32" in open("/proc/self/maps").read()
assert not {"numpy", "torch"} & set(sys.modules)
""")


def other_pythons():
    """Interpreters of other versions that this machine has and that start."""
    names = [name for name in (shutil.which(f"python3.{minor}") for minor in range(8, 16)) if name]
    return [name for name in names if subprocess.run([name, "-c", "import ctypes"], capture_output=True, check=False).returncode == 0]


def test_one_wheel_serves_every_python(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    for python in [sys.executable, *other_pythons()]:
        run(python, "-c", PRODUCT + "product()\n", env=os.environ | {"PYTHONPATH": str(tmp_path)})


def test_a_forked_child_works(clean):
    run(clean, "-c", PRODUCT + """
for before in (False, True):
    if before:
        product()
    child = os.fork()
    if child == 0:
        product()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
product()
""", timeout=120)


def test_several_contexts_and_an_interpreter_that_ends_early(clean):
    run(clean, "-c", PRODUCT + """
contexts = [fathom.Context(num_threads=i + 1) for i in range(8)]
product()
sys.exit(0)
""")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT / "python").as_posix())
def test_sources_are_python_3_8(path):
    tree = ast.parse(path.read_text(), feature_version=(3, 8))
    newer = {"removeprefix", "removesuffix", "pairwise", "batched", "zip_strict"}  # methods of later versions
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not newer & used
    builtin_generics = [node.value.id for node in ast.walk(tree) if isinstance(node, ast.Subscript)
                        and isinstance(node.value, ast.Name) and node.value.id in ("list", "dict", "tuple", "set", "type")]
    assert builtin_generics == []  # list[int] needs 3.9


def test_mypy_accepts_the_package_and_its_use(wheel, tmp_path):
    """Strictly, as a user's checker reads it: from the unpacked wheel, by its py.typed."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    use = tmp_path / "use.py"
    use.write_text("""
from typing import Any, Optional
import fathom
import fathom.balance

def use(x: Any, loads: Any) -> None:
    q, scale = fathom.quantize_1x128(x)
    plan = fathom.plan(q, scale, q, scale, context=fathom.Context(num_threads=2))
    plan.launch(stream=0)
    reason: Optional[str] = fathom.can_implement(q, scale, q, scale)
    report: fathom.balance.Report = fathom.balance.plan(loads, num_replicas=8, num_gpus=2).report(0)
    print(plan.config, plan.explain()["why"], reason, report.max_load, fathom.__version__)
""")
    options = ["--strict", "--no-incremental", "--cache-dir", tmp_path / "cache", "--python-executable", sys.executable]
    env = os.environ | {"MYPYPATH": str(tmp_path / "site")}
    run(sys.executable, "-m", "mypy", *options, use, tmp_path / "site/fathom", env=env)
    use.write_text("import fathom\nfathom.gemm(1, 2, 3, 4, stream='x')\n")
    wrong = subprocess.run([sys.executable, "-m", "mypy", *map(str, options), use], env=env, capture_output=True, text=True,
                           check=False)
    assert wrong.returncode == 1 and 'Argument "stream"' in wrong.stdout, wrong.stdout


def test_a_build_names_all_packages_that_are_missing(tmp_path):
    done = subprocess.run(["cmake", "-S", ROOT, "-B", tmp_path, "-DFATHOM_COMMAND=OFF", "-DFATHOM_TESTS=OFF",
                           "-DCMAKE_DISABLE_FIND_PACKAGE_fmt=ON", "-DFATHOM_XXHASH_INCLUDE=FATHOM_XXHASH_INCLUDE-NOTFOUND",
                           "-DCMAKE_DISABLE_FIND_PACKAGE_nlohmann_json=ON"], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "apt-get install libfmt-dev nlohmann-json3-dev" in " ".join(done.stderr.split())


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_pure_python_wheels_ask_for_this_fathom(package, wheel):
    version = wheel.name.split("-")[1]
    text = (package / "pyproject.toml").read_text()
    assert f'version = "{version}"' in text and f'"fathom=={version}"' in text
    distribution = re.search(r'^name = "(.*)"', text, re.MULTILINE)[1].replace("-", "_")
    assert (ROOT / "dist" / f"{distribution}-{version}-py3-none-any.whl").exists()
