// Where NVIDIA's measuring libraries may lie: the loader's path, the toolkit, PyPI's wheels.
// Benchmark layer.
#pragma once

#include <string>
#include <vector>

namespace fathom::bench {

/// Candidates for dlopen in the order to try; $FATHOM_CUPTI or $FATHOM_CUBLASLT alone when it is
/// set.
std::vector<std::string> cupti_files();
std::vector<std::string> cublaslt_files();

}  // namespace fathom::bench
