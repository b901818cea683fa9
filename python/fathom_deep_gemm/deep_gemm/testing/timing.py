"""Timing: by events, and by the profiler with the L2 cache flushed between calls. Sees environment and errors.

Without a GPU both take the wall-clock time of the call, so that a script runs through.
"""

import os
import statistics
import sys
import time
import warnings

import torch

from .. import environment
from ..errors import DeepGemmError

FLUSH_BYTES_2025 = 256 << 20
FLUSH_BYTES = 8 << 30  # what DeepGEMM of 2026 clears between calls; any multiple of the L2 cache would do


class empty_suppress:
    """A context that suppresses nothing."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


class suppress_stdout_stderr:
    """Standard output and error of the process, C libraries included, go nowhere meanwhile."""

    def __enter__(self):
        sys.stdout.flush()
        sys.stderr.flush()
        self._streams = sys.stdout, sys.stderr
        self._nowhere = open(os.devnull, "w")
        self._saved = os.dup(1), os.dup(2)
        sys.stdout = sys.stderr = self._nowhere
        for descriptor in (1, 2):
            os.dup2(self._nowhere.fileno(), descriptor)
        return self

    def __exit__(self, *_):
        sys.stdout, sys.stderr = self._streams
        for descriptor, saved in zip((1, 2), self._saved):
            os.dup2(saved, descriptor)
            os.close(saved)
        self._nowhere.close()


def _flush(num_bytes):
    torch.empty(num_bytes // 4, dtype=torch.int32, device="cuda").zero_()


def _wall_clock(fn, num_tests):
    seconds = []
    for _ in range(num_tests):
        start = time.perf_counter()
        fn()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def bench(fn, num_warmups=5, num_tests=10, high_precision=False):
    """Mean seconds of fn() by CUDA events around num_tests calls."""
    for _ in range(num_warmups):
        fn()
    if not torch.cuda.is_available():
        return _wall_clock(fn, num_tests)
    torch.cuda.synchronize()
    _flush(FLUSH_BYTES_2025)
    if high_precision:  # gives the GPU something to do while the calls are queued
        x = torch.randn((8192, 8192), device="cuda")
        x @ x
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    start.record()
    for _ in range(num_tests):
        fn()
    end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(end) / num_tests / 1e3


def _device_seconds(event):
    """Total seconds on the device; torch renamed the attribute in 2.6."""
    total = getattr(event, "device_time_total", None)
    return (event.cuda_time_total if total is None else total) / 1e6


def _rows(profile, name):
    """Profiler rows whose name holds `name`: of kernels, and where there are none, of regions with time on the device."""
    events = [event for event in profile.key_averages() if name in event.key and _device_seconds(event) > 0]
    kernels = [event for event in events if event.device_type == torch.autograd.DeviceType.CUDA
               and not getattr(event, "is_user_annotation", False)]
    regions = [event for event in events if event.device_type == torch.autograd.DeviceType.CPU]
    return kernels or regions[:1]


def _profile(fn, num_tests, flush_bytes, barrier, trace_path):
    """The profile of num_tests calls, each with a cold cache, after a round that is not recorded."""
    schedule = torch.profiler.schedule(wait=0, warmup=1, active=1, repeat=1)
    activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*clears events at the end of each cycle")  # there is only one
        with torch.profiler.profile(activities=activities, schedule=schedule) as profile:
            for _ in range(2):
                for _ in range(num_tests):
                    if flush_bytes:
                        _flush(flush_bytes)
                    if barrier is not None:
                        barrier()
                    fn()
                torch.cuda.synchronize()
                profile.step()
    if trace_path is not None:
        profile.export_chrome_trace(trace_path)
    return profile


def _bench_kineto(fn, kernel_names, num_tests, suppress, trace_path, flush_bytes, barrier, most_rows, fewest_rows):
    names = (kernel_names,) if isinstance(kernel_names, str) else tuple(kernel_names)
    single = isinstance(kernel_names, str)
    if environment.flag("DG_USE_NVIDIA_TOOLS", "DG_NSYS_PROFILING"):  # another profiler is attached
        fn()
        return 1 if single else (1,) * len(names)
    fn()
    if not torch.cuda.is_available():
        seconds = _wall_clock(fn, 3)
        return seconds if single else (seconds,) * len(names)
    with suppress_stdout_stderr() if suppress else empty_suppress():
        profile = _profile(fn, num_tests, flush_bytes, barrier, trace_path)
    times = []
    for name in names:
        rows = _rows(profile, name)
        if not fewest_rows <= len(rows) <= most_rows:
            raise DeepGemmError(f"deep_gemm.bench_kineto: {len(rows)} kernels have {name!r} in their name; it must be "
                                f"{'one' if most_rows == 1 else 'any number'}: {[row.key[:100] for row in rows]}")
        count = sum(row.count for row in rows)
        times.append(sum(map(_device_seconds, rows)) / count if count else 0)
    return times[0] if single else tuple(times)


def bench_kineto(fn, kernel_names, num_tests=30, suppress_kineto_output=False, trace_path=None, flush_l2=True,
                 with_multiple_kernels=False, barrier=None):
    """Mean seconds a launch of the kernel whose name holds `kernel_names`, by the profiler; for a tuple of names a tuple.

    0 where no kernel matches. Refuses more than one, except with_multiple_kernels, which averages over their launches.
    With DG_USE_NVIDIA_TOOLS or DG_NSYS_PROFILING set it calls fn and returns 1.
    """
    most = sys.maxsize if with_multiple_kernels else 1
    return _bench_kineto(fn, kernel_names, num_tests, suppress_kineto_output, trace_path, FLUSH_BYTES if flush_l2 else 0,
                         barrier, most, 0)


def bench_milliseconds(fn, num_warmups=5, num_tests=10, high_precision=False):
    """deep_gemm.bench of 2025: bench, in milliseconds."""
    return bench(fn, num_warmups, num_tests, high_precision) * 1e3


def bench_kineto_2025(fn, kernel_names, num_tests=30, suppress_kineto_output=False, trace_path=None,
                      barrier_comm_profiling=False, flush_l2=False, with_multiple_kernels=False):
    """deep_gemm.bench_kineto of 2025: exactly one kernel must match, the cache stays warm unless flush_l2.

    barrier_comm_profiling holds the ranks of a process group together before each call.
    """

    def barrier():
        torch.distributed.all_reduce(torch.ones(1, device="cuda"))

    return _bench_kineto(fn, kernel_names, num_tests, suppress_kineto_output, trace_path, FLUSH_BYTES_2025 if flush_l2 else 0,
                         barrier if barrier_comm_profiling else None, sys.maxsize if with_multiple_kernels else 1, 1)
