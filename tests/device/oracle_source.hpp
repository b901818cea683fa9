// The CUDA text of the device tests' own kernels, compiled at run time. Test support.
#pragma once

namespace fathom::testing {

/// fill_codes, fill_floats, check_gemm, check_canaries, compare_bytes: each takes one struct,
/// mirrored in oracle.cpp.
extern const char kOracleSource[];

}  // namespace fathom::testing
