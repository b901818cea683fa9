"""An installed Fathom works for somebody who has nothing else of this repository: CMake package, pkg-config, both libraries."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("FATHOM_BUILD", ROOT / "build/release"))
HEADERS = sorted((ROOT / "include/fathom").iterdir())


def run(*words, **options):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The prefix of an installation that was moved after it was made: nothing in it may know where it was."""
    first = tmp_path_factory.mktemp("install") / "first"
    run("cmake", "--install", BUILD, "--prefix", first)
    second = first.with_name("second")
    shutil.move(first, second)
    return second


@pytest.fixture(scope="module")
def library_folder(installed):
    return next(installed.rglob("libfathom.so")).parent


@pytest.mark.parametrize("linkage", ["shared", "static"])
def test_examples_build_and_run_by_find_package(installed, tmp_path, linkage):
    run("cmake", "-G", "Ninja", "-S", ROOT / "tests/package", "-B", tmp_path, f"-DCMAKE_PREFIX_PATH={installed}",
        f"-DFATHOM_TARGET=fathom::{linkage}")
    run("cmake", "--build", tmp_path, "--parallel", "2")
    programs = [path for path in sorted(tmp_path.iterdir()) if path.is_file() and re.fullmatch(r"\w+_(c|cpp)", path.name)]
    sources = [path for folder in ("tests/package", "examples") for path in (ROOT / folder).glob("*.c*")]
    assert {path.name for path in programs} == {path.name.replace(".", "_") for path in sources}
    for program in programs:
        needs = "libfathom.so" in run("readelf", "-d", program)
        assert needs == (linkage == "shared")
        run(program)


@pytest.mark.parametrize("linkage", ["shared", "static"])
def test_a_project_in_c_alone_can_link(installed, tmp_path, linkage):
    (tmp_path / "program.c").write_text("int main(void) { return 0; }\n")
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.25)\nproject(user C)\nfind_package(fathom REQUIRED)\n"
        f"add_executable(program program.c)\ntarget_link_libraries(program PRIVATE fathom::{linkage})\n")
    run("cmake", "-S", tmp_path, "-B", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={installed}")
    run("cmake", "--build", tmp_path / "build")


def test_the_version_is_checked(installed, tmp_path):
    version = re.search(r"project\(fathom VERSION (\d+)\.(\d+)\.", (ROOT / "CMakeLists.txt").read_text())
    for minor, found in ((int(version[2]), True), (int(version[2]) + 1, False)):
        (tmp_path / "CMakeLists.txt").write_text(
            "cmake_minimum_required(VERSION 3.25)\nproject(user CXX)\n"
            f"find_package(fathom {version[1]}.{minor} REQUIRED)\n")
        done = subprocess.run(["cmake", "-S", tmp_path, "-B", tmp_path / str(minor), f"-DCMAKE_PREFIX_PATH={installed}"],
                              capture_output=True, check=False)
        assert (done.returncode == 0) == found


def test_a_program_builds_by_pkg_config(installed, library_folder, tmp_path):
    env = os.environ | {"PKG_CONFIG_PATH": str(library_folder / "pkgconfig")}
    prefix = f"--define-variable=prefix={installed}"
    flags = run("pkg-config", prefix, "--cflags", "--libs", "fathom", env=env).split()
    program = tmp_path / "program"
    run("c++", "-std=c++20", ROOT / "tests/package/error_across_library.cpp", "-o", program, *flags)
    run(program, env=os.environ | {"LD_LIBRARY_PATH": str(library_folder)})


@pytest.mark.parametrize("header", HEADERS, ids=lambda path: path.name)
def test_each_public_header_compiles_alone(header, installed, tmp_path):
    is_c = header.suffix == ".h"
    source = tmp_path / ("program.c" if is_c else "program.cpp")
    source.write_text(f"#include <fathom/{header.name}>\nint main(void) {{ return 0; }}\n")
    run("cc" if is_c else "c++", "-std=c99" if is_c else "-std=c++20", "-Wall", "-Wextra", "-Wpedantic", "-Werror",
        "-fsyntax-only", f"-I{installed}/include", source)


def test_only_the_public_interface_is_exported(library_folder):
    listing = run("nm", "-D", "-C", "--defined-only", library_folder / "libfathom.so").splitlines()
    names = [re.sub(r"^\w+ \w (typeinfo (name )?for |vtable for )?", "", line) for line in listing]
    assert any(name.startswith("fathom::gemm(") for name in names)
    layers = r"fathom::(api|plan|jit|cuda|cpu|reference|support|embedded|cli)::"
    assert [name for name in names if re.match(layers, name)] == []
    assert [name for name in names if not re.match(r"fathom(::|_)", name)] == []


def test_the_library_needs_only_the_system(library_folder):
    needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", run("readelf", "-d", library_folder / "libfathom.so")))
    assert needed <= {"libstdc++.so.6", "libgcc_s.so.1", "libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2"}


def test_loading_the_library_starts_no_thread(library_folder):
    program = ("import ctypes, os; before = os.listdir('/proc/self/task'); "
               f"ctypes.CDLL('{library_folder}/libfathom.so'); assert os.listdir('/proc/self/task') == before")
    run(sys.executable, "-c", program)


def test_destdir_is_put_in_front(tmp_path):
    run("make", "install", f"DESTDIR={tmp_path}", "PREFIX=/opt/fathom", cwd=ROOT)
    assert (tmp_path / "opt/fathom/include/fathom/gemm.hpp").exists()
    assert next((tmp_path / "opt/fathom").rglob("fathomConfig.cmake"))
