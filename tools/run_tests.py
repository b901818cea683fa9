#!/usr/bin/env python3
"""Runs the suites of tests/suites.toml and sums them up.

The last line is `N passed, N failed, N skipped`. The exit status is non-zero when a test failed, when a suite ran no
test, when nothing ran at all, and when a test skipped that tests/expected_skips.txt does not list. Python's standard
library only: this must work before anything is installed.
"""

import argparse
import concurrent.futures
import dataclasses
import fnmatch
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import tomllib
import xml.etree.ElementTree as ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent
TAIL_LINES = 40  # of a crashed suite's output: a sanitizer report or a traceback fits


@dataclasses.dataclass
class Suite:
    """One entry of the suites file."""

    name: str
    kind: str  # gtest | pytest | command (one test, judged by its exit status)
    command: list[str]
    needs: str = ""  # "python": the packages of .venv
    timeout_s: int = 600
    shards: int = 1  # gtest only: processes that share the tests
    env: dict[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Result:
    id: str  # suite/test
    outcome: str  # passed | failed | skipped
    text: str = ""  # why it failed or skipped


@dataclasses.dataclass
class ExpectedSkip:
    pattern: str
    when: str
    reason: str


def read_suites(path):
    with open(path, "rb") as file:
        return [Suite(**entry) for entry in tomllib.load(file).get("suite", [])]


def read_expected_skips(path):
    """Lines of `test id glob | when | reason`; `when` is `always` or a fact (see facts_of)."""
    rules = []
    for number, line in enumerate(pathlib.Path(path).read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = [field.strip() for field in line.split("|")]
        if len(fields) != 3 or not all(fields):
            raise SystemExit(f"{path}:{number}: got {line!r}; a line needs `test id glob | when | reason`")
        rules.append(ExpectedSkip(*fields))
    return rules


def facts_of(setup_dir):
    """What is known about this machine, for the `when` column of the expected skips."""
    facts = {"always"}
    if (setup_dir / "no-pypi").exists():
        facts.add("no-pypi")
    if not any((ROOT / ".venv/lib").glob("python3*/site-packages/torch")):
        facts.add("no-torch")
    if not pathlib.Path("/dev/nvidiactl").exists():
        facts.add("no-gpu")
    return facts


def unexpected_skips(results, rules, facts):
    def is_listed(result):
        return any(rule.when in facts and fnmatch.fnmatchcase(result.id, rule.pattern) for rule in rules)

    return [result for result in results if result.outcome == "skipped" and not is_listed(result)]


def parse_junit(path, suite_name):
    """Reads what gtest (--gtest_output=xml) and pytest (--junitxml) write; they share the elements used here."""
    results = []
    for case in ElementTree.parse(path).iter("testcase"):
        test = f"{suite_name}/{case.get('classname', '')}.{case.get('name', '')}"
        bad = [child for child in case if child.tag in ("failure", "error")]
        skipped = case.find("skipped")
        if bad:
            texts = [(child.text or child.get("message") or "").strip() for child in bad]
            results.append(Result(test, "failed", "\n".join(texts)))
        elif skipped is not None:
            results.append(Result(test, "skipped", (skipped.get("message") or skipped.text or "").strip()))
        elif case.get("status") == "notrun":
            results.append(Result(test, "skipped", "disabled in the source"))
        else:
            results.append(Result(test, "passed"))
    return results


def run_process(command, env, log_path, timeout_s):
    """Returns the exit status, or a text that says why there is none. The output goes to log_path."""
    with open(log_path, "wb") as log:
        try:
            # Its own process group, so that a time-out ends the children too.
            process = subprocess.Popen(command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=subprocess.STDOUT, start_new_session=True)
        except OSError as error:
            return f"could not start {command[0]}: {error.strerror}"
        try:
            status = process.wait(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return f"stopped after {timeout_s} s, its limit in the suites file"
        except BaseException:  # an interrupt must not leave the children running
            os.killpg(process.pid, signal.SIGKILL)
            raise
    if status < 0:
        return f"ended by {signal.Signals(-status).name}"
    return status


def tail_of(path):
    lines = path.read_text(errors="replace").splitlines()
    return "\n".join(lines[-TAIL_LINES:])


def judge(suite, report, status, log_path):
    """Results of one process of a gtest or pytest suite."""
    results = []
    if report.exists():
        try:
            results = parse_junit(report, suite.name)
        except ElementTree.ParseError:
            results = []
    failed = any(result.outcome == "failed" for result in results)
    if status == 0 and not failed:
        return results
    if isinstance(status, int) and failed:
        return results
    # The process did not come to its own end, or its status disagrees with its report.
    running = re.findall(r"\[ RUN      \] (\S+)", log_path.read_text(errors="replace"))
    where = f" while running {running[-1]}" if running and not results else ""
    what = status if isinstance(status, str) else f"exit status {status}"
    results.append(Result(f"{suite.name}/(process)", "failed", f"{what}{where}\n{tail_of(log_path)}"))
    return results


def run_gtest(suite, command, env, out, timeout_s):
    """Shards run side by side; each writes its own report."""
    reports = []
    for shard in range(suite.shards):
        report = out / f"{suite.name}.{shard}.xml"
        report.unlink(missing_ok=True)
        reports.append((report, out / f"{suite.name}.{shard}.log"))

    def run_shard(shard):
        report, log = reports[shard]
        shard_env = env | {"GTEST_TOTAL_SHARDS": str(suite.shards), "GTEST_SHARD_INDEX": str(shard)}
        status = run_process([*command, f"--gtest_output=xml:{report}"], shard_env, log, timeout_s)
        return judge(suite, report, status, log)

    with concurrent.futures.ThreadPoolExecutor(suite.shards) as pool:
        return [result for results in pool.map(run_shard, range(suite.shards)) for result in results]


def run_pytest(suite, command, env, out, timeout_s):
    report, log = out / f"{suite.name}.xml", out / f"{suite.name}.log"
    report.unlink(missing_ok=True)
    status = run_process([*command, f"--junitxml={report}"], env, log, timeout_s)
    return judge(suite, report, status, log)


def run_command(suite, command, env, out, timeout_s):
    log = out / f"{suite.name}.log"
    status = run_process(command, env, log, timeout_s)
    if status == 0:
        return [Result(suite.name, "passed")]
    what = status if isinstance(status, str) else f"exit status {status}"
    return [Result(suite.name, "failed", f"{what}\n{tail_of(log)}")]


def run_suite(suite, build, out, scale):
    if suite.needs == "python" and not (ROOT / ".venv/bin/python").exists():
        return [Result(f"{suite.name}/(suite)", "skipped", "the Python packages of .venv are not installed")]
    places = {"build": str(build), "python": str(ROOT / ".venv/bin/python"), "root": str(ROOT)}
    command = [word.format(**places) for word in suite.command]
    # NVRTC from the wheels in .venv is found by this name, as for anybody who has activated an environment.
    of_python = {"VIRTUAL_ENV": str(ROOT / ".venv")} if (ROOT / ".venv").exists() else {}
    env = os.environ | of_python | {name: value.format(**places) for name, value in suite.env.items()}
    run = {"gtest": run_gtest, "pytest": run_pytest, "command": run_command}[suite.kind]
    results = run(suite, command, env, out, int(suite.timeout_s * scale))
    if not results:
        results = [Result(f"{suite.name}/(suite)", "failed", "it ran no test")]
    return results


def count(results, outcome):
    return sum(result.outcome == outcome for result in results)


def summary(results):
    return ", ".join(f"{count(results, outcome)} {outcome}" for outcome in ("passed", "failed", "skipped"))


def print_failure(result):
    print(f"FAILED {result.id}")
    print("".join(f"    {line}\n" for line in result.text.splitlines()), flush=True)


def undo_ignored_signals():
    """A runner that was started in the background, or under nohup, ignores signals, and its children would inherit that:
    tests of interrupts would wait forever. A handler, unlike an ignored signal, is reset to the default in a child."""
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


def main():
    undo_ignored_signals()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suites", type=pathlib.Path, action="append", help="tests/suites.toml when none is given")
    parser.add_argument("--skips", type=pathlib.Path, default=ROOT / "tests/expected_skips.txt")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release", help="what {build} stands for")
    parser.add_argument("--setup", type=pathlib.Path, default=ROOT / "build/setup", help="where tools/setup left its facts")
    parser.add_argument("--timeout-scale", type=float, default=1, help="multiplies every limit (sanitizers are slow)")
    parser.add_argument("names", nargs="*", help="suites to run, as globs; all when none is given")
    options = parser.parse_args()

    listed = [suite for path in options.suites or [ROOT / "tests/suites.toml"] for suite in read_suites(path)]
    suites = [suite for suite in listed
              if not options.names or any(fnmatch.fnmatchcase(suite.name, name) for name in options.names)]
    rules = read_expected_skips(options.skips)
    out = options.build / "test-results"
    out.mkdir(parents=True, exist_ok=True)

    results = []
    for suite in suites:
        start = time.monotonic()
        of_suite = run_suite(suite, options.build.resolve(), out.resolve(), options.timeout_scale)
        for result in of_suite:
            if result.outcome == "failed":
                print_failure(result)
        print(f"{suite.name}: {summary(of_suite)} ({time.monotonic() - start:.1f} s)", flush=True)
        results += of_suite

    for result in (result for result in results if result.outcome == "skipped"):
        print(f"skipped {result.id}: {result.text}")
    surprises = unexpected_skips(results, rules, facts_of(options.setup))
    for result in surprises:
        print(f"NOT LISTED in {options.skips.name}: {result.id} skipped: {result.text}")
    if count(results, "passed") == 0:
        print("no test passed")
    print(summary(results))
    return 1 if count(results, "failed") or surprises or count(results, "passed") == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
