// Summary of a run of device tests. Test support.
#include "device/summary.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

namespace fathom::testing {

Summary& Summary::instance() {
  static Summary summary;
  return summary;
}

void Summary::largest(const std::string& what, double value) {
  double& kept = largest_.try_emplace(what, value).first->second;
  kept = std::max(kept, value);
}

void Summary::finish(const ::testing::UnitTest& tests) {
  tests_ = tests.test_to_run_count();
  failed_ = tests.failed_test_count();
  seconds_ = static_cast<double>(tests.elapsed_time()) / 1e3;
}

std::string Summary::line() const {
  std::string text = fmt::format("{} tests, {} failed, {:.1f} s", tests_, failed_, seconds_);
  for (const auto& [what, count] : counts_) text += fmt::format(", {} {}", count, what);
  if (!configs_.empty()) text += fmt::format(", {} configs", configs_.size());
  for (const auto& [what, value] : largest_) text += fmt::format(", {} {:.3g}", what, value);
  for (const auto& [what, note] : notes_) text += fmt::format(", {}: {}", what, note);
  return text + "\n";
}

void Summary::write(const std::string& path) const {
  const nlohmann::json json = {{"tests", tests_},    {"failed", failed_},   {"seconds", seconds_},
                               {"counts", counts_},  {"largest", largest_}, {"notes", notes_},
                               {"configs", configs_}};
  std::ofstream(path) << json.dump() << '\n';
}

}  // namespace fathom::testing
