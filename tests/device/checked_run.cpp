// Plan, launch, judge. Test support.
#include "device/checked_run.hpp"

#include <gtest/gtest.h>

#include "device/summary.hpp"

namespace fathom::testing {

std::string run_and_judge(GpuProblem& problem, const GemmOptions& options) {
  Summary& summary = Summary::instance();
  problem.reset_d();
  const GemmPlan plan = plan_gemm(Oracle::instance().context(), problem.operands(), options);
  plan.launch();
  const Verdict verdict = problem.judge(plan.config());
  EXPECT_TRUE(verdict.passed) << verdict.text;
  EXPECT_TRUE(options.config.empty() || options.config == plan.config());
  summary.count("runs");
  summary.config(plan.config());
  if (problem.description().data == reference::DataKind::kRandom) {
    const std::string type(to_string(problem.description().out));
    summary.largest("worst error / tolerance", verdict.worst_share);
    summary.largest("rel error " + type, verdict.rel_error);
    summary.largest("sum|ab| coefficient " + type, verdict.magnitude_error);
  }
  return plan.config();
}

}  // namespace fathom::testing
