"""Timing and comparing, as the tests of DeepGEMM of 2026 import them (those of 2025: deep_gemm.bench and its siblings)."""

from .timing import bench, bench_kineto, empty_suppress, suppress_stdout_stderr
from .numeric import assert_bitwise_equal, calc_diff, count_bytes
from .conditions import get_arch_major, ignore_env, test_filter

__all__ = ["assert_bitwise_equal", "bench", "bench_kineto", "calc_diff", "count_bytes", "empty_suppress", "get_arch_major",
           "ignore_env", "suppress_stdout_stderr", "test_filter"]
