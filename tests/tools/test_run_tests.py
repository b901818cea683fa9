"""run_tests.py adds up what the suites report, and cannot be talked into success."""

import pathlib
import signal
import subprocess
import sys
import textwrap

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]

CASES = {
    "pass": '<testcase classname="C" name="good"/>',
    "fail": '<testcase classname="C" name="bad"><failure message="m">expected 1, got 2</failure></testcase>',
    "error": '<testcase classname="C" name="broken"><error message="fixture"/></testcase>',
    "skip": '<testcase classname="C" name="left_out"><skipped message="no wheel"/></testcase>',
    "disabled": '<testcase classname="C" name="DISABLED_off" status="notrun"/>',
}


@pytest.fixture
def run(tmp_path):
    """Runs run_tests.py over made-up suites: name, kind, the cases of its report, the exit status of its process.

    A status of "crash" ends the process before it has written its report.
    """

    def run(suites, skips="", facts=(), extra="", **options):
        text = extra
        for name, kind, cases, status in suites:
            report = f'<testsuites><testsuite>{"".join(CASES[case] for case in cases)}</testsuite></testsuites>'
            lines = ["import os, pathlib, sys", 'print("[ RUN      ] C.last", flush=True)']
            if status == "crash":
                lines.append("os.abort()")
            lines += ['path = next(word for word in sys.argv if "xml" in word).split("=", 1)[1].removeprefix("xml:")',
                      f"pathlib.Path(path).write_text({report!r})", f"sys.exit({status!r})"]
            program = tmp_path / f"{name}.py"
            program.write_text("\n".join(lines))
            text += f'[[suite]]\nname = "{name}"\nkind = "{kind}"\ncommand = ["{sys.executable}", "{program}"]\n'
        (tmp_path / "suites.toml").write_text(text)
        (tmp_path / "skips.txt").write_text(skips)
        (tmp_path / "setup").mkdir(exist_ok=True)
        for fact in facts:
            (tmp_path / "setup" / fact).touch()
        done = subprocess.run(
            [ROOT / "tools/run_tests.py", "--suites", tmp_path / "suites.toml", "--skips", tmp_path / "skips.txt",
             "--build", tmp_path / "build", "--setup", tmp_path / "setup"],
            capture_output=True, text=True, check=False, **options)
        return done.returncode, done.stdout.splitlines(), done.stdout + done.stderr

    return run


def test_sums_over_suites(run):
    status, lines, _ = run([("one", "gtest", ["pass", "pass"], 0), ("two", "pytest", ["pass"], 0)])
    assert status == 0
    assert lines[-1] == "3 passed, 0 failed, 0 skipped"


@pytest.mark.parametrize("kind", ["fail", "error"])
def test_a_failure_fails_the_run_and_is_printed(run, kind):
    status, lines, text = run([("one", "gtest", ["pass", kind], 1)])
    assert status == 1
    assert lines[-1] == "1 passed, 1 failed, 0 skipped"
    assert "FAILED one/C." in text


def test_failure_text_is_shown(run):
    assert "expected 1, got 2" in run([("one", "gtest", ["fail"], 1)])[2]


def test_a_failure_counts_even_when_the_process_exits_with_0(run):
    status, lines, _ = run([("one", "pytest", ["pass", "fail"], 0)])
    assert status == 1
    assert lines[-1] == "1 passed, 1 failed, 0 skipped"


def test_an_exit_status_counts_even_when_no_test_failed(run):
    status, lines, _ = run([("one", "gtest", ["pass"], 3)])
    assert status == 1
    assert lines[-1] == "1 passed, 1 failed, 0 skipped"


def test_a_crash_names_the_test_that_ran(run):
    status, lines, text = run([("one", "gtest", [], "crash")])
    assert status == 1
    assert lines[-1] == "0 passed, 1 failed, 0 skipped"
    assert "SIGABRT while running C.last" in text


@pytest.mark.parametrize("case", ["skip", "disabled"])
def test_an_unlisted_skip_fails_the_run(run, case):
    status, lines, text = run([("one", "gtest", ["pass", case], 0)])
    assert status == 1
    assert "NOT LISTED" in text
    assert lines[-1] == "1 passed, 0 failed, 1 skipped"


def test_a_listed_skip_does_not(run):
    status, lines, _ = run([("one", "gtest", ["pass", "skip"], 0)], skips="# why\none/C.left* | always | no wheel here\n")
    assert status == 0
    assert lines[-1] == "1 passed, 0 failed, 1 skipped"


def test_a_skip_listed_for_another_situation_fails_the_run(run):
    suites, skips = [("one", "gtest", ["pass", "skip"], 0)], "one/* | no-pypi | the wheel comes from PyPI\n"
    assert run(suites, skips)[0] == 1
    assert run(suites, skips, facts=["no-pypi"])[0] == 0


def test_a_skip_needs_a_reason(run):
    status, _, text = run([("one", "gtest", ["pass"], 0)], skips="one/* | always |\n")
    assert status != 0
    assert "skips.txt:1" in text


def test_a_suite_that_ran_no_test_fails(run):
    status, lines, text = run([("one", "gtest", [], 0), ("two", "gtest", ["pass"], 0)])
    assert status == 1
    assert "ran no test" in text
    assert lines[-1] == "1 passed, 1 failed, 0 skipped"


def test_no_suites_fail(run):
    status, lines, _ = run([])
    assert status == 1
    assert lines[-1] == "0 passed, 0 failed, 0 skipped"


def test_only_skips_fail(run):
    assert run([("one", "gtest", ["skip"], 0)], skips="one/* | always | because\n")[0] == 1


def test_commands_count_as_one_test_each(run):
    extra = '[[suite]]\nname = "yes"\nkind = "command"\ncommand = ["true"]\n'
    extra += '[[suite]]\nname = "no"\nkind = "command"\ncommand = ["false"]\n'
    extra += '[[suite]]\nname = "gone"\nkind = "command"\ncommand = ["/nonexistent/program"]\n'
    status, lines, text = run([], extra=extra)
    assert status == 1
    assert "could not start /nonexistent/program" in text
    assert lines[-1] == "1 passed, 2 failed, 0 skipped"


def test_a_suite_past_its_limit_is_stopped(run):
    extra = '[[suite]]\nname = "slow"\nkind = "command"\ncommand = ["sleep", "60"]\ntimeout_s = 1\n'
    status, _, text = run([], extra=extra)
    assert status == 1
    assert "stopped after 1 s" in text


def test_shards_are_added_up(run, tmp_path):
    program = tmp_path / "sharded.py"
    program.write_text(textwrap.dedent("""\
        import os, pathlib, sys
        assert os.environ["GTEST_TOTAL_SHARDS"] == "2"
        cases = '<testcase classname="C" name="t"/>' * (1 + int(os.environ["GTEST_SHARD_INDEX"]))
        pathlib.Path(sys.argv[1].split(":", 1)[1]).write_text(f"<testsuites>{cases}</testsuites>")
        """))
    extra = f'[[suite]]\nname = "unit"\nkind = "gtest"\ncommand = ["{sys.executable}", "{program}"]\nshards = 2\n'
    status, lines, _ = run([], extra=extra)
    assert status == 0
    assert lines[-1] == "3 passed, 0 failed, 0 skipped"


def test_signals_that_the_runner_ignores_reach_the_tests(run):
    """As when it is started with & or under nohup."""
    extra = f'[[suite]]\nname = "wait"\nkind = "command"\ntimeout_s = 5\ncommand = ["bash", "-c", "kill -$0 $$; exit 0", "%s"]\n'
    for name in ("INT", "HUP"):
        ignore = lambda: signal.signal(getattr(signal, f"SIG{name}"), signal.SIG_IGN)
        status, _, text = run([], extra=extra % name, preexec_fn=ignore)
        assert f"ended by SIG{name}" in text
