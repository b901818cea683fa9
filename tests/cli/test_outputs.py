"""Output files: complete or not there, whatever happens in between."""

import json
import os
import pty
import resource
import signal
import stat
import subprocess
import time

import numpy as np
import pytest
import raw_safetensors
from conftest import BINARY, fail, run_process, succeed


@pytest.fixture
def model(tmp_path):
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "model"
    raw_safetensors.write(path, {"w": ("F32", np.ones((300, 400), np.float32))})
    return path


@pytest.fixture
def large(tmp_path):
    """A sparse file that takes seconds to quantise."""
    (tmp_path / "large").mkdir()
    path = tmp_path / "large" / "model"
    rows, cols = 1 << 15, 1 << 15
    header = raw_safetensors.header_bytes({"w": {"dtype": "F32", "shape": [rows, cols], "data_offsets": [0, 4 * rows * cols]}})
    with open(path, "wb") as file:
        file.write(header)
        file.truncate(len(header) + 4 * rows * cols)
    return path


def start(large, out_dir):
    """A quantisation in its middle: its temporary file is there."""
    process = subprocess.Popen([BINARY, "quantize", large, "-o", out_dir / "out", "--json"], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not list(out_dir.glob(".fathom-*")):
        assert process.poll() is None and time.monotonic() < deadline, "it ended before it could be interrupted"
        time.sleep(0.005)
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupt_leaves_nothing(tmp_path, large, number):
    out_dir = tmp_path / "out"
    out_dir.mkdir()
    (out_dir / "out").write_text("before")
    process = start(large, out_dir)
    process.send_signal(number)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    assert json.loads(output)["error"]["code"] == "interrupted"
    assert [path.name for path in out_dir.iterdir()] == ["out"]
    assert (out_dir / "out").read_text() == "before"


def test_kill_leaves_no_half_written_file(tmp_path, large):
    out_dir = tmp_path / "out"
    out_dir.mkdir()
    process = start(large, out_dir)
    process.kill()
    process.communicate(timeout=30)
    assert not (out_dir / "out").exists()


def test_two_at_once_on_one_output(tmp_path, model):
    succeed("quantize", model, "-o", tmp_path / "alone")
    processes = [subprocess.Popen([BINARY, "quantize", model, "-o", tmp_path / "out"], stdout=subprocess.DEVNULL)
                 for _ in range(8)]
    assert [process.wait(timeout=60) for process in processes] == [0] * 8
    assert (tmp_path / "out").read_bytes() == (tmp_path / "alone").read_bytes()
    assert not list(tmp_path.glob(".fathom-*"))


@pytest.mark.parametrize("limit", [0, 100, 100_000])
def test_what_does_not_fit(tmp_path, model, limit):
    """A limit on the file size stands for a full disk: the system call fails in the same place."""
    out_dir = tmp_path / "out"
    out_dir.mkdir()

    def small_disk():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    (out_dir / "out").write_text("before")
    message = fail(5, "io", "quantize", model, "-o", out_dir / "out", preexec_fn=small_disk)
    assert "out" in message
    fail(5, "io", "verify", "--m", 200, "--n", 300, "--k", 300, "--dump", out_dir / "dump", preexec_fn=small_disk)
    assert [path.name for path in out_dir.iterdir()] == ["out"]
    assert (out_dir / "out").read_text() == "before"


@pytest.mark.parametrize("output", ["none/out", ".", "/dev/null", "/proc/out", ""])
def test_output_that_cannot_be(tmp_path, model, output):
    fail(5, "io", "quantize", model, "-o", output, cwd=tmp_path)
    fail(5, "io", "run", "--a", f"{model}::w", "--b", f"{model}::w", "-o", output, cwd=tmp_path)
    if output:
        fail(5, "io", "verify", "--m", 4, "--n", 4, "--k", 4, "--dump", output, cwd=tmp_path)
        fail(5, "io", "bench", "--m", 4, "--n", 4, "--k", 4, "-o", output, cwd=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_an_output_never_replaces_an_input(tmp_path, model):
    loads, groups = tmp_path / "loads.npy", tmp_path / "groups.json"
    np.save(loads, np.ones((1, 4)))
    groups.write_text('{"offsets": [0, 4]}')
    plan = tmp_path / "plan.json"
    balance = ["balance", "--loads", loads, "--replicas", 4, "--gpus", 2]
    plan.write_text(json.dumps(succeed(*balance).json))
    other = tmp_path / "other"
    raw_safetensors.write(other, {"q": ("F8_E4M3", np.zeros((4, 400), np.uint8)), "s": ("F32", np.ones((4, 4), np.float32))})
    scales = tmp_path / "scales"
    scales.write_bytes(other.read_bytes())
    link = tmp_path / "link"
    link.symlink_to(model)
    files = {path: path.read_bytes() for path in (model, loads, groups, plan, other, scales)}
    product = ["run", "--a", f"{other}::q", "--a-scale", f"{scales}::s", "--b", f"{model}::w", "-o"]
    for arguments in ([*product, other], [*product, scales], [*product, link], ["quantize", model, "-o", link],
                      ["quantize", link, "-o", model], [*balance, "--svg", loads],
                      [*balance, "--current", plan, "--svg", plan],
                      ["verify", "--n", 8, "--k", 16, "--groups", groups, "--dump", groups]):
        assert "is the input" in fail(2, "invalid_argument", *arguments)
    assert {path: path.read_bytes() for path in files} == files


def test_unwritable_output_is_found_before_the_work(tmp_path, large):
    begin = time.monotonic()
    fail(5, "io", "quantize", large, "-o", tmp_path / "none" / "out")
    assert time.monotonic() - begin < 1


def test_directory_and_file_without_the_right_to_write(tmp_path, model):
    closed = tmp_path / "closed"
    closed.mkdir()
    kept = tmp_path / "kept"
    kept.write_text("before")
    kept.chmod(0o444)
    closed.chmod(0o555)
    # Root may write anywhere until it gives up its capabilities.
    prefix = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all", "--"] if os.geteuid() == 0 else []
    for output in (closed / "out", kept):
        done = subprocess.run([*prefix, BINARY, "quantize", model, "-o", output], capture_output=True, text=True)
        assert done.returncode == 5, done.stderr
    closed.chmod(0o755)
    assert kept.read_text() == "before" and not list(closed.iterdir())


@pytest.mark.parametrize("mode", [0o640, 0o666])
def test_permissions_and_links_survive(tmp_path, model, mode):
    target = tmp_path / "target"
    target.write_text("before")
    target.chmod(mode)
    (tmp_path / "link").symlink_to(target)
    succeed("quantize", model, "-o", tmp_path / "link", preexec_fn=lambda: os.umask(0o022))
    assert (tmp_path / "link").is_symlink() and stat.S_IMODE(target.stat().st_mode) == mode
    new = tmp_path / "new"
    succeed("quantize", model, "-o", new, preexec_fn=lambda: os.umask(0o027))
    assert stat.S_IMODE(new.stat().st_mode) == 0o640
    assert raw_safetensors.read(target)[1]["w"] == "F8_E4M3"


def test_progress_on_a_terminal(tmp_path, large):
    main, terminal = pty.openpty()
    out_dir = tmp_path / "out"
    out_dir.mkdir()
    process = subprocess.Popen([BINARY, "quantize", large, "-o", out_dir / "out", "--json"], stdout=subprocess.PIPE,
                               stderr=terminal, text=True)
    shown = b""
    while b" %  quantising" not in shown:
        shown += os.read(main, 4096)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    assert json.loads(output)["error"]["code"] == "interrupted", "standard output holds the one object"
    os.close(terminal)
    os.close(main)


def test_progress_is_for_terminals_only(tmp_path, model):
    done = run_process("quantize", model, "-o", tmp_path / "out")
    assert done.stderr == ""
