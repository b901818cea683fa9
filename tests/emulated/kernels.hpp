// The kernels that the emulated tests run: a config of each family. Compiled in kernel_*.cpp. Test
// support.
#pragma once

#include "emulated/gemm_case.hpp"

namespace fathom::testing {

extern const EmulatedKernel kCompute128x128;
extern const EmulatedKernel kComputeTwoWaves;
extern const EmulatedKernel kComputeStrip;
extern const EmulatedKernel kComputeThree;
extern const EmulatedKernel kComputeFp32;
extern const EmulatedKernel kComputeScaleB1;
extern const EmulatedKernel kComputeWholeLaps;
extern const EmulatedKernel kResident;
extern const EmulatedKernel kResidentNarrow;
extern const EmulatedKernel kSwapped;
extern const EmulatedKernel kGroupedTwoWaves;
extern const EmulatedKernel kGroupedWholeLaps;
extern const EmulatedKernel kGroupedPairM;
extern const EmulatedKernel kGroupedScaleB1;
extern const EmulatedKernel kGroupedSwapped;
extern const EmulatedKernel kGroupedSwappedPair;
extern const EmulatedKernel kStreamAlone;
extern const EmulatedKernel kStreamTurns;
extern const EmulatedKernel kStreamFourTurns;
extern const EmulatedKernel kStreamSplit;
extern const EmulatedKernel kStreamSplitTurns;

}  // namespace fathom::testing
