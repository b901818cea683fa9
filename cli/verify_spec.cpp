// Flags of verify -> the case. Command-line layer.
#include "verify_spec.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fathom/error.hpp>

#include "groups_file.hpp"
#include "host_tensor.hpp"

namespace fathom::cli {
namespace {

[[noreturn]] void fail(const std::string& message) {
  throw Error(ErrorCode::kInvalidArgument, message);
}

reference::DataKind data_kind(const std::string& name) {
  if (name == "exact") return reference::DataKind::kExact;
  if (name == "outliers") return reference::DataKind::kOutliers;
  return reference::DataKind::kRandom;
}

void use_groups_file(const VerifyFlags& flags, reference::ProblemSpec& spec) {
  if (flags.groups_random) fail("--groups and --groups-random are given; give one of them");
  if (flags.m) fail("--groups and --m are given; the rows follow from the file: leave --m out");
  const GroupsFile groups = read_groups_file(*flags.groups_file, flags.problem.layout);
  spec.form = groups.form;
  spec.index = groups.index;
  spec.alignment = groups.alignment.value_or(flags.problem.alignment);
  // m follows from the file; row_group may be empty, and then there is nothing to deal.
  spec.m = groups.form == Groups::Form::kMasked ? required_extent(groups.max_m, "max_m") : 0;
}

/// The library's rule once more: the data are dealt by this number before the library sees it.
void check_alignment(const reference::ProblemSpec& spec) {
  for (const std::int64_t legal : {16, 32, 64, 128, 256}) {
    if (spec.alignment == legal) return;
  }
  fail(fmt::format("alignment is {}; it must be 16, 32, 64, 128 or 256 rows", spec.alignment));
}

std::int64_t groups_of(const reference::ProblemSpec& spec) {
  if (spec.form == Groups::Form::kNone) return 1;
  return spec.index.empty() ? spec.num_groups : groups_implied(spec.form, spec.index);
}

std::int64_t most_rows(const reference::ProblemSpec& spec) {
  if (spec.form == Groups::Form::kMasked || spec.form == Groups::Form::kNone) return spec.m;
  if (spec.form == Groups::Form::kRowGroup && !spec.index.empty()) {
    return static_cast<std::int64_t>(spec.index.size());
  }
  if (!spec.index.empty()) return *std::max_element(spec.index.begin(), spec.index.end());
  const bool aligned = spec.form != Groups::Form::kOffsets;
  return spec.m + (aligned ? spec.num_groups * spec.alignment : 0);
}

/// Operands, D, reference and magnitude, in floating point: the sums may pass 64 bits.
void check_memory(const reference::ProblemSpec& spec) {
  const auto groups = static_cast<double>(groups_of(spec));
  const double planes = spec.form == Groups::Form::kMasked ? groups : 1.0;
  const double rows = planes * static_cast<double>(most_rows(spec));
  const auto n = static_cast<double>(spec.n), k = static_cast<double>(spec.k);
  constexpr double kBytesPerOutput = 4 + 8 + 8;  // D, reference, magnitude
  const double bytes = rows * (k + n * kBytesPerOutput) + groups * n * k;
  constexpr double kMost = 9e18;
  require_memory(static_cast<std::int64_t>(std::min(bytes, kMost)), "the product");
}

}  // namespace

reference::ProblemSpec verify_spec(const VerifyFlags& flags, const CommonFlags& common) {
  reference::ProblemSpec spec;
  spec.form = flags.problem.form();
  spec.alignment = flags.problem.alignment;
  spec.n = required_extent(flags.n, "--n", 1);
  spec.k = required_extent(flags.k, "--k");
  spec.out = flags.problem.out();
  spec.scale_b_block = flags.problem.scale_b_block();
  spec.accumulate = flags.problem.accumulate;
  spec.batch_invariant = flags.problem.batch_invariant;
  spec.index_is_int64 = flags.index_dtype == "int64";
  spec.data = data_kind(flags.data);
  spec.seed = common.seed;
  if (flags.groups_file) {
    use_groups_file(flags, spec);
  } else {
    spec.m = required_extent(flags.m, "--m");
    if (spec.form == Groups::Form::kNone && flags.groups_random) {
      fail(
          "--groups-random is given without --layout; give offsets, row_group, group_end or "
          "masked");
    }
    if (spec.form != Groups::Form::kNone && !flags.groups_random) {
      fail(fmt::format("--layout {} needs --groups FILE.json or --groups-random G",
                       flags.problem.layout));
    }
    if (flags.groups_random) {
      spec.num_groups = required_extent(flags.groups_random, "--groups-random", 1);
    }
  }
  if (spec.accumulate && (spec.out != DType::kFp32 || spec.form != Groups::Form::kNone)) {
    fail("--accumulate is given; it needs --out-dtype fp32 and --layout dense");
  }
  if (spec.index_is_int64 && spec.form != Groups::Form::kOffsets) {
    fail("--index-dtype is int64; only offsets are taken as int64: leave it out");
  }
  check_alignment(spec);
  check_memory(spec);
  return spec;
}

std::int64_t valid_rows(const reference::ProblemData& data) {
  const auto& groups = data.groups();
  return static_cast<std::int64_t>(
      std::count_if(groups.begin(), groups.end(), [](std::int32_t group) { return group != -1; }));
}

}  // namespace fathom::cli
