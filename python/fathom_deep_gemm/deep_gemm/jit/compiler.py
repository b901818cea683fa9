"""nvcc: found, run, its results kept. Sees environment, errors, runtime.

A result is a folder <cache>/deep_gemm_jit/kernel.<name>.<hash>/ with kernel.cu, kernel.args and kernel.so, written under
another name and renamed, so that who is interrupted or late does no harm.
"""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile

from .. import environment
from ..errors import DeepGemmError
from .runtime import Runtime

_OLDEST = (12, 3)
_runtimes = {}


def get_nvcc_compiler():
    """(path, version) of nvcc: DG_JIT_NVCC_COMPILER, of old DG_NVCC_COMPILER, else of CUDA_HOME, CUDA_PATH, PATH, /usr/local/cuda."""
    homes = [os.environ.get(name) for name in ("CUDA_HOME", "CUDA_PATH")]
    candidates = [environment.text("DG_JIT_NVCC_COMPILER", "DG_NVCC_COMPILER"),
                  *(os.path.join(home, "bin", "nvcc") for home in homes if home), shutil.which("nvcc"), "/usr/local/cuda/bin/nvcc"]
    for path in candidates:
        if path and os.path.exists(path):
            text = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
            found = re.search(r"release (\d+)\.(\d+)", text)
            if found and (int(found[1]), int(found[2])) >= _OLDEST:
                return path, f"{found[1]}.{found[2]}"
            raise DeepGemmError(f"deep_gemm.jit: {path} is version {found[0] if found else text!r}; it must be 12.3 or later: set "
                                "DG_JIT_NVCC_COMPILER to a newer nvcc")
    raise DeepGemmError("deep_gemm.jit: no nvcc was found; deep_gemm.jit needs one (the GEMMs do not): install the CUDA toolkit or set "
                        "DG_JIT_NVCC_COMPILER")


def _cache_root():
    base = environment.cache_dir() or environment.text("FATHOM_CACHE_DIR")
    if base is None:
        home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
        base = os.path.join(home, "fathom")
    return os.path.join(base, "deep_gemm_jit")


def _flags():
    standard = environment.text("DG_JIT_CPP_STANDARD", "DG_JIT_OVERRIDE_CPP_STANDARD") or "17"
    flags = [f"-std=c++{standard}", "-shared", "-O3", "--expt-relaxed-constexpr", "--expt-extended-lambda", "-gencode=arch=compute_90a,"
             "code=sm_90a", "--compiler-options=-fPIC,-O3"]
    if environment.flag("DG_JIT_PTXAS_VERBOSE", "DG_PTXAS_VERBOSE"):
        flags.append("--ptxas-options=--verbose")
    return flags


def _compile(nvcc, flags, folder):
    source, library = os.path.join(folder, "kernel.cu"), os.path.join(folder, "kernel.so")
    command = [nvcc, source, "-o", library, *flags]
    if environment.flag("DG_JIT_PRINT_COMPILER_COMMAND", "DG_JIT_PRINT_NVCC_COMMAND", "DG_JIT_DEBUG"):
        print(" ".join(command), flush=True)
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise DeepGemmError(f"deep_gemm.jit: nvcc refused the source: {done.stdout.strip()}")
    if environment.flag("DG_JIT_PTXAS_VERBOSE", "DG_PTXAS_VERBOSE", "DG_JIT_DEBUG"):
        print(done.stdout, flush=True)


def build(name, arg_defs, code):
    """The function of this source: from this process, from the cache, or compiled."""
    nvcc, version = get_nvcc_compiler()
    flags = _flags()
    arguments = "".join(f"{argument}\t{kind!r}\n" for argument, kind in arg_defs)
    key = hashlib.sha256("\0".join([name, code, arguments, version, *flags]).encode()).hexdigest()[:32]
    root = _cache_root()
    path = os.path.join(root, f"kernel.{name}.{key}")
    if path in _runtimes:
        return _runtimes[path]
    if not Runtime.is_path_valid(path):
        os.makedirs(root, mode=0o700, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root, prefix="being-built-") as parent:
            folder = os.path.join(parent, "kernel")
            os.mkdir(folder)
            for file, text in (("kernel.cu", code), ("kernel.args", arguments)):
                with open(os.path.join(folder, file), "w") as out:
                    out.write(text)
            _compile(nvcc, flags, folder)
            try:
                os.rename(folder, path)
            except OSError:
                if not Runtime.is_path_valid(path):  # not another process that was first, but a damaged folder
                    shutil.rmtree(path)
                    os.rename(folder, path)
    _runtimes[path] = Runtime(path)
    return _runtimes[path]
