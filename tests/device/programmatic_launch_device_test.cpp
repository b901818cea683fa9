// Programmatic dependent launch: kernels that start under the one before them give the same bits as
// kernels one after the other.
#include <gtest/gtest.h>

#include <vector>

#include <fathom/quantize.hpp>

#include "device/gpu_problem.hpp"
#include "device/summary.hpp"

namespace fathom::testing {
namespace {

const Context& context() {
  return Oracle::instance().context();
}

/// Few rows (parts of k), many rows, and D stored by threads.
const GpuCase kCases[] = {{.m = 64, .n = 2112, .k = 7168},
                          {.m = 1, .n = 7168, .k = 2048},
                          {.m = 128, .n = 4096, .k = 7168},
                          {.m = 1000, .n = 576, .k = 1152},
                          {.m = 1024, .n = 7168, .k = 512}};

/// Copies D with its guard bands.
cuda::Buffer copy_of(const cuda::Buffer& d) {
  std::vector<unsigned char> bytes(static_cast<std::size_t>(d.bytes()));
  d.download(bytes.data(), d.bytes());
  cuda::Buffer copy(Oracle::instance().device(), d.bytes());
  copy.upload(bytes.data(), copy.bytes());
  return copy;
}

/// quantize -> gemm -> gemm, `rounds` times with other contents, all in one stream.
class Chain {
 public:
  explicit Chain(const GpuCase& gpu_case)
      : problem_(Oracle::instance(), gpu_case),
        stream_(Oracle::instance().device()),
        x_(Oracle::instance().device(), gpu_case.m * gpu_case.k * 4) {
    const TensorView& a = problem_.operands().a;
    x_view_ = TensorView::matrix(x_.data(), DType::kFp32, a.shape[0], a.shape[1], 0, a.device);
  }

  void run(GemmOptions options, bool wait_between) {
    const GemmPlan plan = plan_gemm(context(), problem_.operands(), options);
    problem_.reset_d(stream_.handle());
    for (std::uint64_t seed = 1; seed <= 8; ++seed) {
      Oracle::instance().run(
          FillFloats{x_.data(), Oracle::instance().scale_table(false), x_view_.shape[0],
                     x_view_.shape[1], x_view_.shape[1], 1, seed, Oracle::kTable - 1, 0},
          stream_.handle());
      quantize(context(), x_view_, problem_.operands().a, problem_.operands().scale_a, {},
               stream_.handle());
      for (int i = 0; i < 2; ++i) {
        if (wait_between) stream_.synchronize();
        plan.launch(stream_.handle());
      }
    }
    stream_.synchronize();
  }
  const GpuProblem& problem() const { return problem_; }

 private:
  GpuProblem problem_;
  cuda::Stream stream_;
  cuda::Buffer x_;
  TensorView x_view_;
};

TEST(RuntimeDevice, ChainsOfProgrammaticLaunchesKeepTheirBits) {
  for (GpuCase gpu_case : kCases) {
    for (const bool accumulate : {false, true}) {
      // Accumulated, D depends on every launch of the chain.
      gpu_case.accumulate = accumulate;
      gpu_case.out = accumulate ? DType::kFp32 : DType::kBf16;
      Chain chain(gpu_case);
      GemmOptions options = chain.problem().options();
      chain.run(options, true);
      const cuda::Buffer wanted = copy_of(chain.problem().d_memory());
      options.programmatic_launch = true;
      for (const bool weights_constant : {false, true}) {
        options.weights_constant = weights_constant;
        chain.run(options, false);
        EXPECT_TRUE(Oracle::instance().same_bytes(chain.problem().d_memory(), wanted))
            << chain.problem().description().text() << ", weights_constant " << weights_constant;
        Summary::instance().count("programmatic chains");
      }
    }
  }
}

}  // namespace
}  // namespace fathom::testing
