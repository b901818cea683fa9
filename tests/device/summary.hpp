// What a run of device tests found, in numbers: one line for people, one JSON object for the
// record. Test support.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>

namespace testing {
class UnitTest;
}

namespace fathom::testing {

class Summary {
 public:
  static Summary& instance();

  /// Counts shapes, runs, and the like.
  void count(const std::string& what, std::int64_t by = 1) { counts_[what] += by; }
  /// Keeps the largest value.
  void largest(const std::string& what, double value);
  void note(const std::string& what, const std::string& text) { notes_[what] = text; }
  void config(const std::string& tag) { configs_.insert(tag); }

  void finish(const ::testing::UnitTest& tests);
  std::string line() const;
  void write(const std::string& path) const;

 private:
  std::map<std::string, std::int64_t> counts_;
  std::map<std::string, double> largest_;
  std::map<std::string, std::string> notes_;
  std::set<std::string> configs_;  ///< tags that ran
  int tests_ = 0, failed_ = 0;
  double seconds_ = 0;
};

}  // namespace fathom::testing
