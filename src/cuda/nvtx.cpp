// See nvtx.hpp.
#include "cuda/nvtx.hpp"

#include <string>

#include "support/shared_library.hpp"

namespace fathom::cuda {
namespace {

struct Nvtx {
  int (*push)(const char* name) = nullptr;
  int (*pop)() = nullptr;
};

Nvtx load() {
  std::string why;
  const auto library = support::SharedLibrary::open("libnvToolsExt.so.1", why);
  if (!library) return {};
  const Nvtx nvtx{library->function<int(const char*)>("nvtxRangePushA"),
                  library->function<int()>("nvtxRangePop")};
  return nvtx.push != nullptr && nvtx.pop != nullptr ? nvtx : Nvtx{};
}

const Nvtx& nvtx() {
  static const Nvtx loaded = load();
  return loaded;
}

}  // namespace

void find_profiler() {
  nvtx();
}

ProfilerRange::ProfilerRange(const char* name) {
  if (nvtx().push != nullptr) nvtx().push(name);
}

ProfilerRange::~ProfilerRange() {
  if (nvtx().pop != nullptr) nvtx().pop();
}

}  // namespace fathom::cuda
