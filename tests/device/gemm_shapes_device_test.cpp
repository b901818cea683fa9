// The planned kernel at every shape: right on random data, the right bits on exact data.
#include <gtest/gtest.h>

#include "device/cases.hpp"
#include "device/checked_run.hpp"
#include "device/summary.hpp"

namespace fathom::testing {
namespace {

void run_shapes(const std::vector<Shape>& shapes) {
  for (const Shape& shape : shapes) {
    for (const reference::DataKind data :
         {reference::DataKind::kRandom, reference::DataKind::kExact}) {
      GpuProblem problem(Oracle::instance(),
                         {.m = shape.m, .n = shape.n, .k = shape.k, .data = data});
      run_and_judge(problem, problem.options());
    }
    Summary::instance().count("shapes");
    if (::testing::Test::HasFailure())
      return;  // one shape explained is worth more than hundreds listed
  }
}

TEST(ShapesDevice, EdgesOfTiles) {
  run_shapes(edge_shapes());
}
TEST(ShapesDevice, ModelShapes) {
  run_shapes(model_shapes());
}

}  // namespace
}  // namespace fathom::testing
