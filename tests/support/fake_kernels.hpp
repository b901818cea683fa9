// A kernel cache that holds a made-up kernel for every GEMM config: calls get as far as the launch
// without a compiler. Test support.
#pragma once

#include <string>

namespace fathom::testing {

/// For ContextOptions::cache_dir; filled at the first call, for all tests of the process.
const std::string& cache_of_fakes();
void remove_cache_of_fakes();

}  // namespace fathom::testing
