// Where gemm and grouped_gemm leave the front end: one GemmBackend for each way of computing. Front
// end, internal. api/gemm.cpp checks the views and picks the backend; api/gemm_<backend>.cpp plans,
// binds and launches.
#pragma once

#include <memory>
#include <string>

#include <fathom/context.hpp>
#include <fathom/gemm.hpp>

#include "plan/gemm_problem.hpp"

namespace fathom::api {

/// A checked call. Holds the context, so that a plan may outlive the caller's own.
struct GemmCall {
  Context context;
  plan::GemmProblem problem;
  GemmOperands operands;
  GemmOptions options;
};

/// A call made ready on one backend: everything that a launch needs.
class BoundGemm {
 public:
  virtual ~BoundGemm() = default;

  /// Computes D. Called any number of times, from several threads at once.
  virtual void launch(void* stream) const = 0;

  /// Tag of the config that runs.
  virtual const std::string& config() const = 0;

  /// The members that the backend adds to explain(), as a JSON object: "config" {"tag", ...}, and
  /// where they apply "launch" {...}, "candidates" [...], "why".
  virtual std::string plan_json() const = 0;
};

class GemmBackend {
 public:
  virtual ~GemmBackend() = default;

  /// Throws the Error that bind would throw, as far as it can be known without compiling, loading a
  /// kernel or touching tensor data.
  virtual void check(const GemmCall& call) const = 0;

  /// Plans, compiles or loads what is missing, binds.
  virtual std::unique_ptr<const BoundGemm> bind(GemmCall call) const = 0;
};

const GemmBackend& cpu_gemm_backend();        // gemm_cpu.cpp
const GemmBackend& cuda_gemm_backend();       // gemm_cuda.cpp
const GemmBackend& reference_gemm_backend();  // gemm_reference.cpp

}  // namespace fathom::api
