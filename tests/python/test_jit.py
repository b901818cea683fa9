"""deep_gemm.jit: a body in C++ becomes a function. Needs nvcc and a host compiler, as it always did; the GEMMs need neither."""

import os
import pathlib
import stat

import pytest

torch = pytest.importorskip("torch", reason="deep_gemm is a module over torch")

import deep_gemm
from deep_gemm import jit

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
ARGUMENTS = (("a", torch.float8_e4m3fn), ("s", torch.float), ("d", torch.bfloat16), ("index", torch.int), ("flag", bool),
             ("count", int), ("ratio", float), ("stream", torch.cuda.Stream))
BODY = """
    std::cout << reinterpret_cast<uint64_t>(a) << ' ' << reinterpret_cast<uint64_t>(s) << ' ' << reinterpret_cast<uint64_t>(d) << ' '
              << reinterpret_cast<uint64_t>(index) << ' ' << flag << ' ' << count << ' ' << ratio << ' '
              << reinterpret_cast<uint64_t>(stream) << std::endl;
    __return_code = count;
"""


class Stream:
    """Stands for torch.cuda.Stream where there is no GPU to make one on."""

    cuda_stream = 12345


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DG_JIT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr("deep_gemm.jit.compiler._runtimes", {})
    return tmp_path / "cache/deep_gemm_jit"


def fake_nvcc(folder, script, version="13.0"):
    path = folder / "nvcc"
    path.write_text(f'#!/bin/sh\nif [ "$1" = --version ]; then echo "Cuda compilation tools, release {version}, V{version}.1"; exit; fi\n{script}\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


@pytest.fixture
def host_nvcc(tmp_path, monkeypatch):
    """An nvcc for bodies without device code: the host compiler, with CUDA's headers made up."""
    headers = tmp_path / "headers"
    headers.mkdir()
    for name in ("cuda.h", "cuda_fp8.h", "cuda_bf16.h", "cuda_runtime.h"):
        (headers / name).write_text("#pragma once\n")
    (headers / "cuda_runtime.h").write_text("#pragma once\ntypedef void* cudaStream_t;\n"
                                            "struct __nv_bfloat16;\nstruct __nv_fp8_e4m3;\n")
    path = fake_nvcc(tmp_path, f'exec c++ -x c++ -std=c++17 -shared -fPIC -I {headers} "$1" -o "$3"')
    monkeypatch.setenv("DG_JIT_NVCC_COMPILER", path)
    return path


def call_and_check(function, capfd):
    a = torch.empty(1, dtype=torch.float8_e4m3fn, device=DEVICE)
    s, d, index = (torch.empty(1, dtype=dtype, device=DEVICE) for dtype in (torch.float, torch.bfloat16, torch.int))
    stream = torch.cuda.current_stream() if DEVICE == "cuda" else Stream()
    capfd.readouterr()
    assert function(a, s, d, index, True, 7, 0.5, stream) == 7
    wanted = f"{a.data_ptr()} {s.data_ptr()} {d.data_ptr()} {index.data_ptr()} 1 7 0.5 {stream.cuda_stream}\n"
    assert capfd.readouterr().out == wanted


def test_the_source():
    code = jit.generate(("<cmath>", '"own.h"'), (("x", torch.float), ("n", int)), "  *x = n;")
    assert 'extern "C" void launch(float* x, int n, int& __return_code) {' in code
    assert "#include <cmath>\n" in code and '#include "own.h"\n' in code and "  *x = n;\n}" in code
    assert 'launch(int& __return_code)' in jit.generate((), (), "")


def test_templates_replace_only_what_is_named():
    assert jit.cpp_format("f<{M}, {N}>() { return {M}; }", {"M": 64, "N": "k"}) == "f<64, k>() { return 64; }"


def test_building_calling_and_finding_again(cache, host_nvcc, capfd, monkeypatch):
    code = jit.generate((), ARGUMENTS, BODY)
    function = jit.build("test_func", ARGUMENTS, code)
    call_and_check(function, capfd)
    assert jit.build("test_func", ARGUMENTS, code) is function
    folders = list(cache.iterdir())
    assert len(folders) == 1 and {path.name for path in folders[0].iterdir()} == {"kernel.cu", "kernel.args", "kernel.so"}
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700
    # Another process: nothing is compiled again.
    monkeypatch.setattr("deep_gemm.jit.compiler._runtimes", {})
    pathlib.Path(host_nvcc).write_text(pathlib.Path(host_nvcc).read_text().replace("exec c++", "exit 9 #"))
    call_and_check(jit.build("test_func", ARGUMENTS, code), capfd)
    # A damaged folder is built anew, and nvcc's words are passed on.
    monkeypatch.setattr("deep_gemm.jit.compiler._runtimes", {})
    (folders[0] / "kernel.args").unlink()
    with pytest.raises(deep_gemm.DeepGemmError, match="nvcc refused"):
        jit.build("test_func", ARGUMENTS, code)


def test_other_code_is_another_function(cache, host_nvcc):
    one = jit.build("f", (("n", int),), jit.generate((), (("n", int),), "__return_code = n + 1;"))
    two = jit.build("f", (("n", int),), jit.generate((), (("n", int),), "__return_code = n + 2;"))
    assert one(1) == 2 and two(1) == 3


def test_wrong_arguments(cache, host_nvcc):
    arguments = (("x", torch.float), ("n", int), ("flag", bool))
    function = jit.build("f", arguments, jit.generate((), arguments, ""))
    x = torch.zeros(1)
    assert function(x, 1, False) == 0
    for wrong, text in (((x.half(), 1, True), "argument x is a torch.float16 tensor"), ((x, 1.0, True), "argument n is float"),
                        ((x, 1, 1), "argument flag is int"), ((x, 1), "2 arguments are given"), ((1, 1, True), "argument x is int")):
        with pytest.raises(deep_gemm.DeepGemmError, match=text):
            function(*wrong)


def test_printing(cache, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("DG_JIT_NVCC_COMPILER", fake_nvcc(tmp_path, 'echo "a message of ptxas"; exec c++ -x c++ -shared -fPIC /dev/null -o "$3"'))
    monkeypatch.setenv("DG_JIT_PRINT_COMPILER_COMMAND", "1")
    monkeypatch.setenv("DG_JIT_PTXAS_VERBOSE", "1")
    monkeypatch.setenv("DG_JIT_CPP_STANDARD", "20")
    with pytest.raises(AttributeError):  # the empty library has no launch
        jit.build("f", (("n", int),), "")
    out = capfd.readouterr().out
    assert "-std=c++20" in out and "--ptxas-options=--verbose" in out and "a message of ptxas" in out


def test_the_compiler(tmp_path, monkeypatch):
    monkeypatch.setenv("DG_NVCC_COMPILER", fake_nvcc(tmp_path, "", "12.8"))
    assert jit.get_nvcc_compiler() == (str(tmp_path / "nvcc"), "12.8")
    monkeypatch.setenv("DG_NVCC_COMPILER", fake_nvcc(tmp_path, "", "12.2"))
    with pytest.raises(deep_gemm.DeepGemmError, match="12.3 or later"):
        jit.get_nvcc_compiler()
    monkeypatch.setattr("os.path.exists", lambda path: False)
    with pytest.raises(deep_gemm.DeepGemmError, match="no nvcc was found"):
        jit.get_nvcc_compiler()


def test_by_nvcc_itself_where_there_is_one(cache, capfd):
    """With no nvcc the error says that the GEMMs do not need it."""
    try:
        print(jit.get_nvcc_compiler())
    except deep_gemm.DeepGemmError as error:
        assert "the GEMMs do not" in str(error)
        return
    if os.system("command -v c++ > /dev/null") == 0:
        call_and_check(jit.build("test_func", ARGUMENTS, jit.generate((), ARGUMENTS, BODY)), capfd)
