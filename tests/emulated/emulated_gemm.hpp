// A product by a kernel that runs in the emulator, judged as `fathom verify` judges. Test support.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <fathom/c_api.h>
#include <gtest/gtest.h>

#include <fathom/context.hpp>
#include <fathom/gemm.hpp>

#include "cuda/device.hpp"
#include "plan/gemm_configs.hpp"
#include "reference/problem_data.hpp"

namespace fathom::testing {

/// Schedules that each kernel runs; --seeds.
int& num_seeds();

/// A context whose driver is build/libcuda_emulator.so.
const Context& emulator_context();

/// The GEMM kernels that are built in.
std::vector<plan::GemmConfig> emulated_configs();

/// Tests of the C interface on the emulated device.
class EmulatedCTest : public ::testing::Test {
 protected:
  EmulatedCTest();
  ~EmulatedCTest() override;

  const cuda::Device& device() const;

  fathom_context* context_ = nullptr;
};

struct EmulatedRun {
  std::string config;
  std::uint64_t trace_hash = 0;
  std::string wrong;  ///< findings of the emulator, else what is wrong with D; empty = nothing
};

/// A product whose operands stay the same from schedule to schedule.
class EmulatedProduct {
 public:
  EmulatedProduct(const reference::ProblemSpec& spec, const GemmOptions& options);
  /// Fills D anew, runs the schedule of `schedule_seed` and judges.
  EmulatedRun run(std::uint64_t schedule_seed);

 private:
  std::string judge(const std::string& config);

  reference::ProblemData data_;
  GemmOptions options_;
  std::vector<double> exact_, magnitude_;
};

}  // namespace fathom::testing
