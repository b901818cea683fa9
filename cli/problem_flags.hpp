// The flags that describe a product, shared by plan, verify and bench. Command-line layer; must not
// include CLI11 headers.
#pragma once

#include <cstdint>
#include <fathom/gemm.hpp>
#include <optional>
#include <string>

#include "plan/gemm_problem.hpp"

namespace CLI {
class App;
}

namespace fathom::cli {

struct ProblemFlags {
  std::string op = "gemm";
  std::string out_dtype = "bf16";
  std::string scale_b = "128x128";
  std::string layout = "dense";
  std::int64_t alignment = 128;
  bool accumulate = false;
  bool batch_invariant = false;
  std::string config;

  Groups::Form form() const;
  DType out() const;
  plan::ScaleBBlock scale_b_block() const;
};

/// --op, --out-dtype, --scale-b, --layout, --alignment, --accumulate, --batch-invariant, --config.
void add_problem_flags(CLI::App& verb, ProblemFlags& flags);
/// --expected-m.
void add_expected_m(CLI::App& verb, std::int64_t& value);
/// --out-dtype alone.
void add_out_dtype(CLI::App& verb, std::string& value);
DType out_dtype_of(const std::string& value);

/// Throws Error(kInvalidArgument) unless the flag was given with a value from 0 (or `least`) to
/// 2^31 - 1.
std::int64_t required_extent(const std::optional<std::int64_t>& value, std::string_view flag,
                             std::int64_t least = 0);

/// "dense", "offsets", ...: what --layout takes.
std::string_view layout_name(Groups::Form form);

}  // namespace fathom::cli
