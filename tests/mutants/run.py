#!/usr/bin/env python3
"""Plants defects in device/ and demands that the emulator finds each: tests/mutants/run.py [--build DIR] [--seeds N] [NAME...]

A mutant is tests/mutants/NAME.toml:

    why = "what the defect is"
    path = "gemm/loader.cuh"                  # under device/
    old = '''text that occurs exactly once'''
    new = '''what stands there instead'''
    kernel = "64x32_w1_bf16"                  # a line of emulator/kernels/configs.txt
    problem = ["--m", "70", ...]              # arguments of fathom verify
    expect = ["deadlock"]                     # kinds of report, any of which is right; "wrong result" for a wrong D

The kernel is compiled with the mutant as it is compiled for libcuda_emulator.so; equal objects mean that the mutant changes
nothing, which is an error. Then `fathom verify --backend emulator` runs schedule after schedule until one gives a report of
the expected kind. The unchanged kernel must pass the same schedules.
"""
import argparse
import concurrent.futures
import dataclasses
import json
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
MUTANTS = ROOT / "tests/mutants"
RUN_LIMIT_S = 300  # a mutant may loop; a clean run takes a second


class Broken(Exception):
    """The mutant's file, not the emulator, is at fault."""


@dataclasses.dataclass(frozen=True)
class Mutant:
    name: str
    why: str
    path: str
    old: str
    new: str
    kernel: str
    problem: tuple[str, ...]
    expect: tuple[str, ...]


def read_mutant(path):
    fields = tomllib.loads(path.read_text())
    wanted = {field.name for field in dataclasses.fields(Mutant)} - {"name"}
    if set(fields) != wanted:
        raise Broken(f"{path.name}: its fields are {sorted(fields)}; it needs {sorted(wanted)}")
    fields["problem"], fields["expect"] = tuple(fields["problem"]), tuple(fields["expect"])
    return Mutant(name=path.stem, **fields)


def mutated_text(mutant):
    text = (ROOT / "device" / mutant.path).read_text()
    if text.count(mutant.old) != 1:
        raise Broken(f"its old text occurs {text.count(mutant.old)} times in device/{mutant.path}; it must occur once")
    return text.replace(mutant.old, mutant.new)


class Build:
    """The compiled emulator and how one of its kernels is compiled."""

    def __init__(self, directory):
        self.directory = directory.resolve()
        self.commands = {pathlib.Path(entry["file"]).stem: entry
                         for entry in json.loads((self.directory / "compile_commands.json").read_text())
                         if "/generated/emulated/" in entry["file"]}

    def compile_kernel(self, kernel, overlay, output):
        entry = self.commands.get(kernel)
        if entry is None:
            raise Broken(f"kernel {kernel} is none of emulator/kernels/configs.txt")
        command = shlex.split(entry["command"])
        command[command.index("-o") + 1] = str(output)
        compiler = next(i for i, word in enumerate(command) if "ccache" not in word)
        command[compiler + 1:compiler + 1] = ["-I", str(overlay)]
        done = subprocess.run(command, cwd=entry["directory"], capture_output=True, text=True)
        if done.returncode != 0:
            raise Broken("it does not compile:\n" + done.stderr[-2000:])

    def link(self, kernel_object, output):
        driver = sorted(self.directory.glob("CMakeFiles/fathom_emulator_driver.dir/emulator/driver/*.o"))
        subprocess.run(["c++", "-shared", "-o", output, *driver, kernel_object, self.directory / "libfathom_emulator.a",
                        "-lboost_context", "-lpthread", "-ldl"], check=True)

    def kinds_found(self, library, mutant, seed):
        """The kinds of report of one schedule; empty for a run that passes."""
        command = [self.directory / "fathom", "verify", "--backend", "emulator", "--schedule-seed", str(seed), "--json",
                   *mutant.problem]
        done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_LIMIT_S,
                              env={**os.environ, "FATHOM_LIBCUDA": str(library), "FATHOM_EMULATOR_THREADS": "1"})
        if done.returncode == 0:
            return set()
        if done.returncode != 1:
            raise Broken(f"{shlex.join(map(str, command))} exited with {done.returncode}: {done.stderr[-1000:]}")
        findings = json.loads(done.stdout)["findings"].splitlines()
        kinds = {line.split(":")[0] for line in findings if ": CTA" in line or ": cluster" in line}
        return kinds or {"wrong result"}


def prepare(build, mutant, scratch):
    """The libraries with the kernel as it is and with the mutant; checks that they differ."""
    libraries = []
    for state, overlay in (("clean", scratch / "nothing"), ("mutant", scratch / "overlay")):
        overlay.mkdir()
        if state == "mutant":
            (overlay / mutant.path).parent.mkdir(parents=True)
            (overlay / mutant.path).write_text(mutated_text(mutant))
        build.compile_kernel(mutant.kernel, overlay, scratch / f"{state}.o")
        build.link(scratch / f"{state}.o", scratch / f"{state}.so")
        libraries.append(scratch / f"{state}.so")
    if (scratch / "clean.o").read_bytes() == (scratch / "mutant.o").read_bytes():
        raise Broken("it changes nothing in the compiled kernel")
    return libraries


def try_mutant(build, mutant, seeds):
    """What happened, in a line; raises Broken. (caught, text)"""
    with tempfile.TemporaryDirectory() as directory:
        clean, library = prepare(build, mutant, pathlib.Path(directory))
        seen = set()
        for seed in range(1, seeds + 1):
            if build.kinds_found(clean, mutant, seed):
                raise Broken(f"the unchanged kernel fails schedule {seed}")
            found = build.kinds_found(library, mutant, seed)
            seen |= found
            if found & set(mutant.expect):
                return True, f"{', '.join(sorted(found & set(mutant.expect)))} (schedule {seed})"
    return False, f"{seeds} schedules found {', '.join(sorted(seen)) or 'nothing'}, not {' or '.join(mutant.expect)}"


def main():
    parser = argparse.ArgumentParser(description="Demands that the emulator finds every planted defect.")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release")
    parser.add_argument("--seeds", type=int, default=20, help="schedules before a mutant counts as a survivor")
    parser.add_argument("names", nargs="*", help="mutants; all of tests/mutants without")
    options = parser.parse_args()
    paths = [MUTANTS / f"{name}.toml" for name in options.names] or sorted(MUTANTS.glob("*.toml"))
    build = Build(options.build)

    def judge(path):
        try:
            return try_mutant(build, read_mutant(path), options.seeds)
        except (Broken, subprocess.TimeoutExpired) as error:
            return False, str(error)

    failed = 0
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for path, (caught, text) in zip(paths, pool.map(judge, paths)):
            failed += not caught
            print(f"{'caught  ' if caught else 'SURVIVED'} {path.stem:36} {text}", flush=True)
    print(f"{len(paths) - failed} of {len(paths)} mutants caught")
    return 1 if failed or not paths else 0


if __name__ == "__main__":
    sys.exit(main())
