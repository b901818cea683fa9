// Flags of a product and their meaning. Command-line layer.
#include "problem_flags.hpp"

#include <fmt/format.h>

#include <fathom/error.hpp>
#include <vector>

#include "api/tensor_check.hpp"
#include "help.hpp"

namespace fathom::cli {
namespace {

constexpr Groups::Form kForms[] = {Groups::Form::kNone, Groups::Form::kOffsets,
                                   Groups::Form::kRowGroup, Groups::Form::kGroupEnd,
                                   Groups::Form::kMasked};

}  // namespace

void add_out_dtype(CLI::App& verb, std::string& value) {
  add_choice(verb, "--out-dtype", value, {"bf16", "fp32"}, "Type of d");
}

DType out_dtype_of(const std::string& value) {
  return value == "fp32" ? DType::kFp32 : DType::kBf16;
}

void add_problem_flags(CLI::App& verb, ProblemFlags& flags) {
  add_choice(verb, "--op", flags.op, {"gemm"}, "The operation");
  add_out_dtype(verb, flags.out_dtype);
  add_choice(verb, "--scale-b", flags.scale_b, {"128x128", "1x128"}, "What one scale of b covers");
  std::vector<std::string> layouts;
  for (const Groups::Form form : kForms) layouts.emplace_back(layout_name(form));
  add_choice(verb, "--layout", flags.layout, layouts, "How rows belong to groups");
  verb.add_option("--alignment", flags.alignment,
                  "row_group, group_end: rows in an aligned block: 16, 32, 64, 128 or 256; a "
                  "groups file's own comes first")
      ->type_name("ROWS")
      ->check(whole_number(0))
      ->capture_default_str();
  verb.add_flag("--accumulate", flags.accumulate, "d += instead of d = (fp32, dense)");
  verb.add_flag("--batch-invariant", flags.batch_invariant,
                "A row's bits depend neither on m nor on other rows");
  verb.add_option("--config", flags.config, "Force the config of this tag (fathom plan lists them)")
      ->type_name("TAG");
}

void add_extents(CLI::App& verb, const std::string& what_m_is, std::optional<std::int64_t>& m,
                 std::optional<std::int64_t>& n, std::optional<std::int64_t>& k) {
  verb.add_option("--m", m, what_m_is)->type_name("M")->check(whole_number(0));
  verb.add_option("--n", n, "Columns of d")->type_name("N")->check(whole_number(1));
  verb.add_option("--k", k, "Columns of a and b")->type_name("K")->check(whole_number(0));
}

void add_sms(CLI::App& verb, std::optional<std::int64_t>& value) {
  verb.add_option("--sms", value, "SMs that the call may use, 1 or more; left out: all")
      ->type_name("S")
      ->check(whole_number(1));
}

void add_expected_m(CLI::App& verb, std::int64_t& value) {
  verb.add_option("--expected-m", value,
                  "Hint: rows expected in a group; 0 = unknown. It may change the config, never "
                  "what is computed")
      ->type_name("ROWS")
      ->check(whole_number(0))
      ->capture_default_str();
}

Groups::Form ProblemFlags::form() const {
  for (const Groups::Form form : kForms) {
    if (layout_name(form) == layout) return form;
  }
  throw Error(ErrorCode::kInternal, fmt::format("--layout {} is not in the table", layout));
}

DType ProblemFlags::out() const {
  return out_dtype_of(out_dtype);
}

plan::ScaleBBlock ProblemFlags::scale_b_block() const {
  return scale_b == "1x128" ? plan::ScaleBBlock::k1x128 : plan::ScaleBBlock::k128x128;
}

GemmOptions options_of(const ProblemFlags& flags, const std::optional<std::int64_t>& sms) {
  GemmOptions options;
  options.accumulate = flags.accumulate;
  options.batch_invariant = flags.batch_invariant;
  options.config = flags.config;
  if (sms) options.max_sms = static_cast<int>(required_extent(sms, "--sms", 1));
  return options;
}

std::int64_t required_extent(const std::optional<std::int64_t>& value, std::string_view flag,
                             std::int64_t least) {
  if (!value) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("{0} is missing; give {0} and a number from {1} to {2}", flag, least,
                            api::kMaxExtent));
  }
  if (*value < least || *value > api::kMaxExtent) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("{} is {}; it must be from {} to 2^31 - 1 = {}", flag, *value, least,
                            api::kMaxExtent));
  }
  return *value;
}

}  // namespace fathom::cli
