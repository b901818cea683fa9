// A progress bar on standard error, shown only when that is a terminal. Command-line layer.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace fathom::cli {

class Progress {
 public:
  Progress(std::string label, std::int64_t total);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void advance(std::int64_t amount);

 private:
  void draw() const;

  std::string label_;
  std::int64_t total_;
  std::int64_t done_ = 0;
  bool shown_;
  std::chrono::steady_clock::time_point next_draw_;
};

}  // namespace fathom::cli
