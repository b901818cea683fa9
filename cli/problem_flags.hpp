// The flags that describe a product, shared by plan, verify and bench. Command-line layer; must not
// include CLI11 headers.
#pragma once

#include <cstdint>
#include <fathom/gemm.hpp>
#include <optional>
#include <string>

#include "api/gemm_explain.hpp"
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
/// --m with its meaning for the verb, --n and --k.
void add_extents(CLI::App& verb, const std::string& what_m_is, std::optional<std::int64_t>& m,
                 std::optional<std::int64_t>& n, std::optional<std::int64_t>& k);
/// --sms.
void add_sms(CLI::App& verb, std::optional<std::int64_t>& value);
/// --expected-m.
void add_expected_m(CLI::App& verb, std::int64_t& value);
/// --out-dtype alone.
void add_out_dtype(CLI::App& verb, std::string& value);
DType out_dtype_of(const std::string& value);

/// What these flags say of a call.
GemmOptions options_of(const ProblemFlags& flags, const std::optional<std::int64_t>& sms = {});

/// Throws Error(kInvalidArgument) unless the flag was given with a value from 0 (or `least`) to
/// 2^31 - 1.
std::int64_t required_extent(const std::optional<std::int64_t>& value, std::string_view flag,
                             std::int64_t least = 0);

using api::layout_name;  // what --layout takes

}  // namespace fathom::cli
