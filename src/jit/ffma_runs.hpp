// A pass over machine code (sm_90): FFMAs that multiply by the same register, one after the other,
// form runs. All but the last of a run keep that operand for the next one and do not yield; the
// last yields. JIT layer; knows no kernel.
//
// Why: from CUDA 12.9 on ptxas lets every second FFMA of such a row yield, before that none. A row
// that never yields holds up the wgmma of the other warps of its scheduler (-20 %), and each
// operand that is read from registers again costs power (docs/kernels/gemm.md, section 7).
#pragma once

#include <string>
#include <string_view>

namespace fathom::jit {

/// The line with which a kernel's source asks for runs of a length: "// ffma-runs: 8".
inline constexpr std::string_view kFfmaRunsLine = "// ffma-runs: ";

/// The length that a source asks for; 0 when it does not ask.
int ffma_runs_wanted(std::string_view source);

/// Sets the control bits of all FFMAs of a cubin. Gives their number; 0 and nothing changed when
/// the image is no cubin of sm_90. `length` >= 1.
int set_ffma_runs(std::string& cubin, int length);

}  // namespace fathom::jit
