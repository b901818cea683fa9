"""What calls share: threads, the kernel cache, the log. Sees _library.py alone."""

import ctypes
import os
import sys
import threading
from typing import Any, Callable, Optional

from . import _library
from ._errors import InvalidArgumentError
from ._library import check, encode, library, require_fits


def _site_packages() -> str:
    """The directories in which pip puts the wheels of the run-time compiler and of OpenBLAS beside this package."""
    own = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    directories = [own] + [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    return ":".join(path for path in dict.fromkeys(directories) if ":" not in path)


class Context:
    """What calls share. Made once, used from any number of threads; making one opens nothing and touches no GPU.

    Every argument is the environment variable named beside it (docs/environment.md). `Context()` reads no environment;
    `Context.from_env()` does, and what is given to it comes first.

    num_threads: FATHOM_NUM_THREADS, cores for the CPU backend; 0 = all that the process may use.
    cache_dir, system_cache_dir, cache_limit_mib: FATHOM_CACHE_DIR, FATHOM_SYSTEM_CACHE_DIR, FATHOM_CACHE_LIMIT_MIB, where
        compiled kernels are kept; a limit of 0 is the default of 1024 MiB, a negative one none.
    compiler, nvrtc: FATHOM_COMPILER ("nvrtc", "nvcc", "none"), FATHOM_NVRTC.
    libcuda, openblas: FATHOM_LIBCUDA, FATHOM_OPENBLAS.
    site_packages: FATHOM_SITE_PACKAGES; None = this interpreter's.
    line_info: FATHOM_LINE_INFO, kernels carry the source lines that profilers show.
    log, log_level: called as log(level, message) for each message up to "error", "warning", "info" or "debug", from any
        thread, one call at a time; "off" by default.
    Raises ValueError for a value without meaning.
    """

    __slots__ = ("__weakref__", "_handle", "_log")

    def __init__(self, *, num_threads: int = 0, cache_dir: Optional[str] = None, system_cache_dir: Optional[str] = None,
                 cache_limit_mib: int = 0, compiler: Optional[str] = None, nvrtc: Optional[str] = None,
                 libcuda: Optional[str] = None, openblas: Optional[str] = None, site_packages: Optional[str] = None,
                 line_info: bool = False, log: Optional[Callable[[str, str], None]] = None, log_level: str = "off",
                 _from_env: bool = False) -> None:
        self._handle: Any = None
        if log_level not in _library.LOG_LEVELS:
            raise InvalidArgumentError(
                f"Context: log_level is {log_level!r}; it needs one of {', '.join(_library.LOG_LEVELS)}")
        require_fits(32, "Context", num_threads=num_threads)
        require_fits(64, "Context", cache_limit_mib=cache_limit_mib)
        if site_packages is None and not (_from_env and os.environ.get("FATHOM_SITE_PACKAGES")):
            site_packages = _site_packages()
        self._log = _library.LogCallback() if log is None else _library.LogCallback(_log_adapter(log))
        given = _library.ContextOptions(
            struct_size=ctypes.sizeof(_library.ContextOptions), num_threads=num_threads,
            log_level=_library.LOG_LEVELS[log_level], log=self._log, cache_dir=encode(cache_dir),
            system_cache_dir=encode(system_cache_dir), cache_limit_mib=cache_limit_mib, compiler=encode(compiler),
            nvrtc=encode(nvrtc), libcuda=encode(libcuda), openblas=encode(openblas),
            site_packages=encode(site_packages), line_info=line_info)
        handle = ctypes.c_void_p()
        create = library.fathom_context_from_env if _from_env else library.fathom_context_create
        check(create(ctypes.byref(given), ctypes.byref(handle)))
        self._handle = handle

    @classmethod
    def from_env(cls, **overrides: Any) -> "Context":
        """A context as the environment asks for, read now and never again."""
        return cls(_from_env=True, **overrides)

    def __del__(self, _destroy: Any = library.fathom_context_destroy) -> None:
        handle = getattr(self, "_handle", None)
        if handle is not None:
            _destroy(handle)


def _log_adapter(log: Callable[[str, str], None]) -> Callable[[Any, int, bytes], None]:
    def adapter(_: Any, level: int, message: bytes) -> None:
        log(_library.LOG_LEVEL_NAMES[level], message.decode("utf-8", "replace"))

    return adapter


_default: Optional[Context] = None
_default_lock = threading.Lock()


def default_context() -> Context:
    """The context of calls that name none: Context.from_env(), made at the first such call."""
    global _default
    if _default is None:
        with _default_lock:
            if _default is None:
                _default = Context.from_env()
    return _default
