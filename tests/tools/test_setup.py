"""tools/setup with stand-ins for apt and pip: what it installs, what it says, when it does nothing."""

import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Machine:
    """A copy of the set-up beside programs that record how they are called."""

    def __init__(self, folder):
        self.folder = folder
        self.bin = folder / "bin"
        self.calls = folder / "calls"
        (folder / "tools").mkdir()
        self.bin.mkdir()
        for name in ("setup", "packages.txt", "requirements"):
            source = ROOT / "tools" / name
            (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / "tools" / name)
        self.program("id", "echo 0")
        self.installed("*")
        self.program("apt-get", "")
        self.program("python3", f'mkdir -p .venv/bin; ln -s {self.bin}/venv-python .venv/bin/python')
        self.pip("")

    def program(self, name, text):
        path = self.bin / name
        path.write_text(f'#!/bin/bash\necho "{name} $*" >> {self.calls}\n{text}\n')
        path.chmod(0o755)

    def installed(self, glob):
        """dpkg-query's last word is the package; only those that match are installed."""
        self.program("dpkg-query", f'case "${{@: -1}}" in {glob}) printf installed ;; *) exit 1 ;; esac')

    def pip(self, text):
        """What pip does when it is asked to fetch something."""
        self.program("venv-python", f'case "$*" in *--version*) exit 0 ;; esac\n{text}')

    def setup(self, profile):
        self.calls.write_text("")
        return subprocess.run([self.folder / "tools/setup", profile], capture_output=True, text=True, check=False,
                              env={"PATH": f"{self.bin}:/usr/bin:/bin"})

    def called(self, name):
        return [line for line in self.calls.read_text().splitlines() if line.startswith(f"{name} ")]


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_nothing_is_installed_where_all_is_there(machine):
    assert machine.setup("test").returncode == 0
    assert machine.called("apt-get") == []


def test_a_second_run_does_nothing_at_all(machine):
    machine.setup("test")
    assert machine.setup("test").returncode == 0
    assert machine.calls.read_text() == ""


def test_a_changed_list_is_seen(machine):
    machine.setup("build")
    (machine.folder / "tools/packages.txt").write_text("brand-new build\n")
    machine.installed("nothing")
    assert machine.setup("build").returncode == 0
    assert "brand-new" in machine.called("apt-get")[0]


def test_root_installs_exactly_what_is_missing(machine):
    machine.installed("[!l]*")  # all but those whose name starts with l
    assert machine.setup("build").returncode == 0
    (install,) = machine.called("apt-get")
    assert "libfmt-dev" in install and "cmake" not in install
    assert "libgtest-dev" not in install  # of another profile


def test_lists_are_fetched_when_the_first_try_fails(machine):
    machine.installed("nothing")
    machine.program("apt-get", f'[ $(grep -c ^apt-get {machine.calls}) -ne 1 ]')
    assert machine.setup("build").returncode == 0
    first, update, second = machine.called("apt-get")
    assert update == "apt-get update" and first == second


def test_a_failing_apt_stops_the_set_up(machine):
    machine.installed("nothing")
    machine.program("apt-get", "echo no space left >&2; exit 100")
    done = machine.setup("build")
    assert done.returncode == 1
    assert "no space left" in done.stderr
    assert machine.setup("build").returncode == 1  # no stamp was left


def test_without_root_the_missing_packages_are_named(machine):
    machine.program("id", "echo 1000")
    machine.installed("[!c]*")
    done = machine.setup("build")
    assert done.returncode == 1
    assert "sudo apt-get install cmake\n" in done.stderr
    assert machine.called("apt-get") == []


def test_a_network_that_is_not_there_is_a_fact_not_an_error(machine):
    machine.pip("echo 'Retrying after connection broken by NewConnectionError'; exit 1")
    done = machine.setup("test")
    assert done.returncode == 0
    assert "PyPI cannot be reached" in done.stdout
    assert (machine.folder / "build/setup/no-pypi").exists()
    machine.pip("")
    machine.setup("test")  # is tried again, and works this time
    assert not (machine.folder / "build/setup/no-pypi").exists()


def test_a_pin_that_cannot_be_met_is_an_error(machine):
    machine.pip("echo 'ERROR: No matching distribution found for numpy==99'; exit 1")
    done = machine.setup("test")
    assert done.returncode == 1
    assert "numpy==99" in done.stderr
    assert not (machine.folder / "build/setup/no-pypi").exists()


def test_an_unknown_profile_is_refused(machine):
    assert machine.setup("everything").returncode == 2
