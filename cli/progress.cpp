// Draws the progress bar. Command-line layer.
#include "progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace fathom::cli {
namespace {

constexpr auto kDrawInterval = std::chrono::milliseconds(100);
constexpr int kBarWidth = 32;

}  // namespace

Progress::Progress(std::string label, std::int64_t total)
    : label_(std::move(label)),
      total_(std::max<std::int64_t>(1, total)),
      shown_(isatty(STDERR_FILENO) == 1),
      // Work that ends at once shows no bar.
      next_draw_(std::chrono::steady_clock::now() + 3 * kDrawInterval) {}

Progress::~Progress() {
  // fputs, because a destructor must not throw as fmt::print may.
  if (shown_) std::fputs("\r\033[K", stderr);
}

void Progress::advance(std::int64_t amount) {
  done_ = std::min(total_, done_ + amount);
  const auto now = std::chrono::steady_clock::now();
  if (!shown_ || now < next_draw_) return;
  next_draw_ = now + kDrawInterval;
  draw();
}

void Progress::draw() const {
  const double share = static_cast<double>(done_) / static_cast<double>(total_);
  const auto filled = static_cast<std::size_t>(share * kBarWidth);
  fmt::print(stderr, "\r\033[K[{:<{}}] {:3.0f} %  {}", std::string(filled, '#'), kBarWidth,
             100 * share, label_);
  std::fflush(stderr);
}

}  // namespace fathom::cli
