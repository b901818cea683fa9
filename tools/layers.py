"""The layers of the project and the arrows between them: one table for check_layers.py and depgraph.py.

A file belongs to the first row whose pattern matches its path; its #include lines may then name only files of the rows
listed under `sees` (and of its own row). Patterns are globs in which * also crosses '/'.
"""

import dataclasses
import fnmatch
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent


@dataclasses.dataclass(frozen=True)
class Layer:
    name: str
    patterns: tuple[str, ...]
    sees: tuple[str, ...]  # names of other rows
    drawn: bool = True  # in ARCHITECTURE.md, by depgraph.py


# The shared values every layer may use: dtype, tensor view, error, context, export mark.
VALUES = ("include/fathom/dtype.hpp", "include/fathom/tensor.hpp", "include/fathom/error.hpp",
          "include/fathom/context.hpp", "include/fathom/export.h*")

LAYERS = (
    Layer("values", VALUES, ()),
    Layer("public", ("include/*",), ("values",)),
    # What a call asks for, and the four contract headers of a family: plain structs that several layers read.
    Layer("problem", ("src/plan/*_problem.hpp",), ("public", "values")),
    Layer("contract", ("device/*.hpp",), ()),
    Layer("support", ("src/support/*",), ("values",)),
    Layer("plan", ("src/plan/*",), ("public", "values", "problem", "contract")),
    Layer("jit", ("src/jit/*",), ("support", "values")),
    Layer("cuda", ("src/cuda/*",), ("support", "values")),
    # The rules of the group metadata stand once, in the reference; the CPU backend reads them there.
    Layer("cpu", ("src/cpu/*",), ("public", "values", "problem", "support", "reference")),
    Layer("reference", ("src/reference/*",), ("public", "values", "problem", "support")),
    Layer("api", ("src/api/*",),
          ("public", "values", "problem", "contract", "support", "plan", "jit", "cuda", "cpu", "reference")),
    # Measures through the public interface; finds NVIDIA's libraries and the driver where the library does.
    Layer("bench", ("bench/*",), ("public", "values", "problem", "support", "jit", "cuda", "reference", "api")),
    Layer("cli", ("cli/*",),
          ("public", "values", "problem", "contract", "support", "plan", "jit", "cuda", "cpu", "reference", "api", "bench")),
    Layer("device", ("device/*",), ("contract",)),
    # A driver over host memory, in the driver's own types, and the kernels of the closed set that it runs in the emulator.
    Layer("emulated_driver", ("emulator/driver/*", "emulator/kernels/*"),
          ("public", "values", "problem", "contract", "support", "plan", "cuda", "device", "emulator")),
    # The functions of device/ptx once more, for the host; only tests and the command line may start it.
    Layer("emulator", ("emulator/*",), ("contract", "device", "support", "values")),
    Layer("examples", ("examples/*", "tests/package/*"), ("public", "values"), drawn=False),
    Layer("tests", ("tests/*",),
          ("public", "values", "problem", "contract", "support", "plan", "jit", "cuda", "cpu", "reference", "api", "bench",
           "cli", "device", "emulator", "emulated_driver"), drawn=False),
)

# Inside device/ the folders are layers of their own; every other folder is a kernel family, which sees these and itself.
DEVICE_SEES = {"base": (), "ptx": ("base",), "tile": ("base", "ptx"), "sync": ("base", "ptx", "tile")}
DEVICE_FAMILY_SEES = ("base", "ptx", "tile", "sync")

SUFFIXES = (".hpp", ".cuh", ".cpp", ".h", ".c")
INCLUDE_ROOTS = ("include", "src", "device", "cli", "tests", "emulator")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)


def layer_of(path):
    for layer in LAYERS:
        if any(fnmatch.fnmatchcase(path, pattern) for pattern in layer.patterns):
            return layer
    return None


def source_files(root):
    """Paths of the tracked and the not yet tracked sources, relative to root."""
    listing = subprocess.run(["git", "-C", str(root), "ls-files", "--cached", "--others", "--exclude-standard"],
                             check=True, capture_output=True, text=True).stdout
    return sorted(path for path in set(listing.splitlines())
                  if path.endswith(SUFFIXES) and (root / path).exists())


def includes_of(root, path):
    """(line number, "<" or a quote, what stands between the marks) of each #include line."""
    text = (root / path).read_text()
    return [(text.count("\n", 0, match.start()) + 1, match[1], match[2]) for match in INCLUDE.finditer(text)]


def resolve(files, path, name):
    """The file of this repository that an #include means, or None when it means something outside."""
    beside = (pathlib.PurePosixPath(path).parent / name).as_posix()
    candidates = [beside, name] + [f"{folder}/{name}" for folder in INCLUDE_ROOTS]
    return next((candidate for candidate in candidates if candidate in files), None)
