// Fills the cache through the builder that the library itself uses. Test support.
#include "support/fake_kernels.hpp"

#include <filesystem>
#include <memory>

#include "api/cuda_runtime.hpp"
#include "plan/gemm_configs.hpp"
#include "support/fake_compiler.hpp"
#include "support/scratch_directory.hpp"

namespace fathom::testing {

const std::string& cache_of_fakes() {
  static const auto& directory = *new ScratchDirectory;
  static std::string path;
  if (!path.empty() && std::filesystem::exists(path)) return path;
  path = directory.file("cache");
  const Context context(ContextOptions{.cache_dir = path});
  jit::Builder builder(api::builder_options(context, 13), embedded::device_sources(),
                       std::make_shared<FakeCompiler>());
  for (const plan::GemmConfig& config : plan::gemm_configs())
    builder.build(plan::gemm_kernel_name(config), plan::gemm_source(config));
  return path;
}

void remove_cache_of_fakes() {
  std::filesystem::remove_all(cache_of_fakes());
}

}  // namespace fathom::testing
