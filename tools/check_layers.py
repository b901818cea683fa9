#!/usr/bin/env python3
"""Fails when an #include line goes against the arrows of tools/layers.py, or a file against the rules below them.

    tools/check_layers.py [ROOT]
"""

import pathlib
import re
import sys

import layers

# Headers that a layer must not name, with the reason that the message gives.
FORBIDDEN_HEADERS = (
    ("include/", re.compile(r"^(fmt/|nlohmann/|CLI/|xxhash|cuda|nvrtc|cublas)"), "public headers need only the standard library"),
    ("src/plan/", re.compile(r"^(fstream|filesystem|chrono|thread|mutex|random|dlfcn\.h|cuda.*)$"),
     "planning is pure: no files, no clock, no threads"),
    ("src/", re.compile(r"^iostream$"), "the library never prints"),
    ("src/", re.compile(r"^(cuda.*\.h|nvrtc\.h|cublas.*\.h)$"),
     "the library builds without a CUDA toolkit: the driver types it uses are declared in src/cuda"),
    ("device/", re.compile(r"^"), "device/ compiles with an empty include path: no toolkit or standard header"),
)

# Text that may stand in one place only: pattern, where it is looked for, where it may stand, the reason.
CONFINED = (
    # asm, the compiler's builtins (all but its marks for functions and parameters), shared memory, thread numbers.
    (re.compile(r"\b(asm|__(?!(device|host|grid_constant|forceinline)__)[a-z]\w*|threadIdx|blockIdx|blockDim|gridDim)\b"),
     "device/", "device/ptx/", "the hardware is reached through device/ptx only, so that an emulator can stand in for it"),
)

ALLOWED_SUFFIXES = {"include/": (".hpp", ".h"), "src/": (".hpp", ".cpp"), "cli/": (".hpp", ".cpp"), "device/": (".hpp", ".cuh")}

COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)


def without_comments(text):
    return COMMENT.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)


def check_arrow(path, target):
    """Why `path` must not include `target`, or None."""
    source, goal = layers.layer_of(path), layers.layer_of(target)
    if goal is None:
        return "it belongs to no layer of tools/layers.py"
    if source.name != goal.name and goal.name not in source.sees:
        return f"{source.name} must not see {goal.name}; it sees {', '.join(source.sees) or 'nothing'}"
    if path.startswith("device/"):
        folder, other = path.split("/")[1], target.split("/")[1]
        allowed = layers.DEVICE_SEES.get(folder, layers.DEVICE_FAMILY_SEES)
        if other != folder and other not in allowed:
            return f"device/{folder} must not see device/{other}; it sees {', '.join(allowed) or 'nothing'}"
        if path.endswith(".hpp") and target.endswith(".cuh"):
            return "a .hpp compiles on the host; a .cuh does not"
    return None


def check_file(root, files, path):
    problems = []
    if layers.layer_of(path) is None:
        return [f"{path}: belongs to no layer of tools/layers.py"]
    for line, mark, name in layers.includes_of(root, path):
        target = layers.resolve(files, path, name)
        reason = check_arrow(path, target) if target else None
        if target is None:
            reason = next((why for prefix, pattern, why in FORBIDDEN_HEADERS
                           if path.startswith(prefix) and pattern.search(name)), None)
            # A quoted name that no file answers to is a slip, or a header of another build step.
            if mark == '"' and reason is None and name != "fathom_version.hpp":
                reason = "no such file in this repository; a header of the system goes in <>"
        if reason:
            problems.append(f"{path}:{line}: includes {name}: {reason}")
    text = without_comments((root / path).read_text())
    for pattern, where, home, why in CONFINED:
        if path.startswith(where) and not path.startswith(home):
            for match in pattern.finditer(text):
                problems.append(f"{path}:{text.count(chr(10), 0, match.start()) + 1}: {match[0]}: {why}")
    for prefix, suffixes in ALLOWED_SUFFIXES.items():
        if path.startswith(prefix) and not path.endswith(suffixes):
            problems.append(f"{path}: files of {prefix} end in {' or '.join(suffixes)}")
    return problems


def check(root):
    paths = layers.source_files(root)
    files = set(paths)
    return len(paths), [problem for path in paths for problem in check_file(root, files, path)]


def main():
    root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else layers.ROOT
    count, problems = check(root)
    for problem in problems:
        print(problem)
    print(f"check_layers: {count} files, {len(problems)} problems")
    return 1 if problems or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
