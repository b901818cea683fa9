// Every function of device/ptx/ called by a small kernel. Test support: NVRTC compiles this text
// for the GPU, GCC for the emulator; the tests beside it hold the host models.
#pragma once

#include "cast_kernels.cuh"
#include "memory_kernels.cuh"
#include "sync_kernels.cuh"
#include "tma_kernels.cuh"
#include "wgmma_kernels.cuh"
