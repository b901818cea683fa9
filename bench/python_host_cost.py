#!/usr/bin/env python3
"""What a call costs the host from Python: nanoseconds for each way of calling, as medians over bursts that the GPU keeps up with.

    python3 bench/python_host_cost.py [-o FILE]      # needs torch, fathom and a Hopper GPU; measures deep_gemm where installed

`bare` is the driver's cuLaunchKernel of an empty kernel, called through ctypes like everything else here, less what ctypes takes
for a function of as many arguments that does nothing.
"""

import argparse
import ctypes
import json
import statistics
import time

import fathom
import torch

BURST = 100  # far below the about 1,000 launches after which the driver makes the host wait
ROUNDS = 200


def nanoseconds(call):
    """Median time of one call within a burst."""
    for _ in range(BURST):
        call()
    samples = []
    for _ in range(ROUNDS):
        torch.cuda.synchronize()
        start = time.perf_counter_ns()
        for _ in range(BURST):
            call()
        samples.append((time.perf_counter_ns() - start) / BURST)
    torch.cuda.synchronize()
    return statistics.median(samples)


def empty_loop():
    return nanoseconds(lambda: None)


def bare_launch():
    """The driver's launch of a kernel that does nothing."""
    ptx = b""".version 7.8
.target sm_90
.address_size 64
.visible .entry nothing() { ret; }
"""
    cuda = ctypes.CDLL("libcuda.so.1")
    module, function = ctypes.c_void_p(), ctypes.c_void_p()
    assert cuda.cuModuleLoadData(ctypes.byref(module), ptx) == 0
    assert cuda.cuModuleGetFunction(ctypes.byref(function), module, b"nothing") == 0
    arguments = (function, 1, 1, 1, 128, 1, 1, 0, torch.cuda.current_stream().cuda_stream, None, None)
    types = [ctypes.c_void_p] + [ctypes.c_uint] * 7 + [ctypes.c_void_p] * 3
    launch = cuda.cuLaunchKernel
    launch.argtypes = types
    # labs(long): does nothing, and reads none of the other arguments.
    nothing = ctypes.CDLL(None).labs
    nothing.argtypes = types
    return nanoseconds(lambda: launch(*arguments)) - nanoseconds(lambda: nothing(*arguments))


def drop_in_rows(a, scale_a, b, scale_b, d):
    """The same product through the module deep_gemm, when its plan is there, and when operands lie where none did before."""
    try:
        import deep_gemm
        from deep_gemm import calls
    except ImportError:
        return {}
    left, right = (a, scale_a), (b, scale_b)

    def call():
        deep_gemm.fp8_gemm_nt(left, right, d)

    def call_at_new_addresses():
        calls._plans.clear()
        deep_gemm.fp8_gemm_nt(left, right, d)

    return {"deep_gemm.fp8_gemm_nt": nanoseconds(call), "the same at new addresses": nanoseconds(call_at_new_addresses),
            "deep_gemm.cublaslt_gemm_nt": nanoseconds(lambda: deep_gemm.cublaslt_gemm_nt(a, b, d))}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output")
    options = parser.parse_args()
    m, n, k = 64, 576, 512
    a, scale_a = fathom.quantize_1x128(torch.randn(m, k, device="cuda"))
    b, scale_b = fathom.quantize_128x128(torch.randn(n, k, device="cuda"))
    x = torch.randn(m, k, device="cuda", dtype=torch.bfloat16)
    d = torch.empty(m, n, device="cuda", dtype=torch.bfloat16)
    plan = fathom.plan(a, scale_a, b, scale_b, d)
    stream = torch.cuda.current_stream().cuda_stream
    loop = empty_loop()
    bare = bare_launch()
    rows = {
        "plan.launch(stream=...)": nanoseconds(lambda: plan.launch(stream)),
        "plan.launch()": nanoseconds(plan.launch),
        "gemm(..., d)": nanoseconds(lambda: fathom.gemm(a, scale_a, b, scale_b, d)),
        "gemm(...), which makes d": nanoseconds(lambda: fathom.gemm(a, scale_a, b, scale_b)),
        "quantize_1x128(x, q, scale)": nanoseconds(lambda: fathom.quantize_1x128(x, q=a, scale=scale_a)),
        "torch.empty": nanoseconds(lambda: torch.empty(m, n, device="cuda", dtype=torch.bfloat16)),
        "torch.add(out=)": nanoseconds(lambda: torch.add(d, d, out=d)),
        **drop_in_rows(a, scale_a, b, scale_b, d),
    }
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, fathom {fathom.__version__} ({fathom.__commit__}), "
          f"m = {m}, n = {n}, k = {k}")
    print(f"{'empty loop':<32}{loop:>9.0f} ns\n{'bare driver launch':<32}{bare:>9.0f} ns")
    for name, value in rows.items():
        print(f"{name:<32}{value - loop:>9.0f} ns   {value - loop - bare:>+9.0f} beyond the bare launch")
    if options.output:
        with open(options.output, "w") as file:
            json.dump({"device": torch.cuda.get_device_name(), "torch": torch.__version__, "commit": fathom.__commit__,
                       "shape": [m, n, k], "loop_ns": loop, "bare_ns": bare, "calls_ns": rows}, file, indent=2)


if __name__ == "__main__":
    main()
