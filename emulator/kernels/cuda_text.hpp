// What lets GCC read the kernel text that the run-time compiler reads (plan::gemm_source and its
// like): the CUDA words that stand in it. Emulator layer; include it first in a generated file.
#pragma once

#define __global__
#define __launch_bounds__(...)
#define __grid_constant__
#define __shared__  // `extern unsigned char smem[]` then names one address, see emulator/memory.cpp
#define __align__(bytes)
