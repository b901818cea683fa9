// The closed set over all families. No GPU.
#include "plan/kernel_set.hpp"

#include <gtest/gtest.h>

#include <set>

#include "plan/gemm_configs.hpp"
#include "plan/quantize_configs.hpp"

namespace fathom::plan {
namespace {

TEST(KernelSet, HoldsEveryFamilyOnceAndAtMost200) {
  const std::vector<KernelText> kernels = all_kernels();
  EXPECT_EQ(kernels.size(), gemm_configs().size() + quantize_configs().size());
  EXPECT_LE(kernels.size(), 200u);
  std::set<std::string> tags, names;
  for (const KernelText& kernel : kernels) {
    EXPECT_TRUE(tags.insert(kernel.tag).second) << kernel.tag;
    EXPECT_TRUE(names.insert(kernel.name).second) << kernel.name;
    EXPECT_NE(kernel.source.find("\n" + kernel.name + "("), std::string::npos) << kernel.name;
    const auto found = find_kernel(kernel.tag);
    ASSERT_TRUE(found.has_value()) << kernel.tag;
    EXPECT_EQ(found->source, kernel.source);
  }
}

TEST(KernelSet, FindsDebugKernelsAndNothingElse) {
  const auto bounded = find_kernel(gemm_tag(gemm_configs().front()) + "_bounded");
  ASSERT_TRUE(bounded.has_value());
  EXPECT_NE(bounded->source.find(".bounded_waits = true"), std::string::npos);
  EXPECT_FALSE(find_kernel("nothing").has_value());
}

}  // namespace
}  // namespace fathom::plan
