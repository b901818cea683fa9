#!/usr/bin/env python3
"""Says how much of device/ the emulated tests run, and fails below LEAST_PERCENT.

    tools/device_coverage.py [--build build/coverage] [--jobs N] [--lines]

Builds the preset `coverage`, in which kernels for the emulator count their lines (gcov), runs the emulated tests and sums
up: a line counts once for all kernels that hold it. --lines prints the lines that nothing ran. Of device/ the .cuh files
count, without ptx/, in whose place the emulator stands; the .hpp files run when kernels are compiled, and in unit tests.
"""

import argparse
import collections
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
LEAST_PERCENT = 90.0  # below it, a path went in that no emulated test runs


def counts_of(build):
    """{path under device/: {line: how often it ran}} over all objects of the build."""
    counts = collections.defaultdict(collections.Counter)
    for data in sorted(build.rglob("*.gcda")):
        result = subprocess.run(["gcov", "--json-format", "--stdout", str(data)], cwd=data.parent, check=True,
                                capture_output=True, text=True)
        for document in result.stdout.splitlines():
            for file in json.loads(document)["files"]:
                path = (build / file["file"]).resolve()
                if not path.is_relative_to(ROOT / "device") or path.suffix != ".cuh":
                    continue
                lines = counts[path.relative_to(ROOT).as_posix()]
                for line in file["lines"]:
                    lines[line["line_number"]] += line["count"]
    return counts


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/coverage")
    parser.add_argument("--jobs", default="2")
    parser.add_argument("--lines", action="store_true")
    arguments = parser.parse_args()
    build = arguments.build.resolve()
    for old in build.rglob("*.gcda"):
        old.unlink()
    subprocess.run(["tools/build", "coverage", arguments.jobs, "emulated_tests"], cwd=ROOT, check=True)
    subprocess.run([build / "emulated_tests", "--gtest_brief=1", "--seeds", "2"], cwd=ROOT, check=True)
    counts = counts_of(build)
    for path in sorted((ROOT / "device").rglob("*.cuh")):
        name = path.relative_to(ROOT).as_posix()
        text = path.read_text()
        if not name.startswith("device/ptx/") and name not in counts and "FATHOM_DEVICE" in text:
            counts[name] = collections.Counter({number: 0 for number, line in enumerate(text.splitlines(), 1)
                                                if line.rstrip().endswith(";")})  # no kernel holds it: about its statements
    ran = total = 0
    for path, lines in sorted(counts.items()):
        missed = sorted(line for line, count in lines.items() if count == 0)
        ran += len(lines) - len(missed)
        total += len(lines)
        print(f"{path:40} {len(lines) - len(missed):4} of {len(lines):4} lines")
        if arguments.lines and missed:
            print("    not run:", *missed)
    if total == 0:
        sys.exit("device coverage: no counts; the tests did not run kernels of the preset coverage")
    percent = 100.0 * ran / total
    print(f"device coverage: {ran} of {total} lines, {percent:.1f} %; at least {LEAST_PERCENT} % are needed")
    return 0 if percent >= LEAST_PERCENT else 1


if __name__ == "__main__":
    sys.exit(main())
