// Every kernel that the library can ask for, over all families: what is listed, built ahead and
// shipped. Planning layer: pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fathom::plan {

struct KernelText {
  std::string tag;     ///< "256x128_w2_s4_cn2_bf16", "bf16_1x128"
  std::string name;    ///< the C name: "fp8_gemm_...", "fp8_quantize_..."
  std::string source;  ///< what is compiled
};

/// The closed set: at most 200, tags and names unique.
std::vector<KernelText> all_kernels();

/// The kernel of that tag, debug kernels of the GEMM ("..._bounded") included.
std::optional<KernelText> find_kernel(std::string_view tag);

}  // namespace fathom::plan
