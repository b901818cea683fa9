// See balance_report.hpp.
#include "balance_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace fathom::cli {
namespace {

constexpr int kBarWidth = 28;   // characters: two bars and their numbers fit into 80 columns
constexpr int kMostLines = 32;  // a screen

double largest(const GpuLoads& loads) {
  double value = 1.2;
  for (const double load : loads.before) value = std::max(value, load);
  for (const double load : loads.after) value = std::max(value, load);
  return value;
}

std::string bar(double load, double full) {
  const int length = static_cast<int>(std::lround(load / full * kBarWidth));
  return std::string(length, '#') + std::string(kBarWidth - length, ' ');
}

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '<') {
      out += "&lt;";
    } else if (c == '&') {
      out += "&amp;";
    } else {
      out += c;
    }
  }
  return out;
}

// The picture, in pixels.
constexpr double kLeft = 64, kTop = 56, kPanel = 150, kGap = 40, kPlot = 760;

class Panel {
 public:
  Panel(const GpuLoads& loads, double top, double full)
      : loads_(loads), top_(top), scale_(kPanel / full) {}

  std::string draw(const std::vector<double>& values, const std::string& name,
                   const char* color) const {
    const double step = kPlot / static_cast<double>(values.size());
    std::string svg;
    for (std::size_t gpu = 0; gpu < values.size(); ++gpu) {
      const double x = kLeft + step * static_cast<double>(gpu);
      const auto node = static_cast<std::int64_t>(gpu) / loads_.gpus_per_node;
      if (node % 2 == 1) {
        svg += fmt::format(
            "<rect x=\"{:.2f}\" y=\"{:.1f}\" width=\"{:.2f}\" height=\"{:.0f}\" "
            "fill=\"#f2f2f2\"/>\n",
            x, top_, step, kPanel);
      }
      svg += fmt::format(
          "<rect x=\"{:.2f}\" y=\"{:.2f}\" width=\"{:.2f}\" height=\"{:.2f}\" fill=\"{}\"/>\n",
          x + step * 0.1, y_of(values[gpu]), step * 0.8, values[gpu] * scale_, color);
    }
    const double most = *std::max_element(values.begin(), values.end());
    svg += line(1, "mean", "#444", "");
    if (loads_.bound > 1.02) svg += line(loads_.bound, "bound", "#b5562b", "5 3");
    svg += fmt::format("<text x=\"{:.0f}\" y=\"{:.1f}\">{}: maximum / mean {:.3f}</text>\n", kLeft,
                       top_ - 6, name, most);
    return svg;
  }

 private:
  double y_of(double value) const { return top_ + kPanel - value * scale_; }

  std::string line(double value, const char* name, const char* color, const char* dashes) const {
    return fmt::format(
        "<line x1=\"{0:.0f}\" y1=\"{1:.1f}\" x2=\"{2:.0f}\" y2=\"{1:.1f}\" stroke=\"{3}\" "
        "stroke-dasharray=\"{4}\"/>\n"
        "<text x=\"{5:.0f}\" y=\"{6:.1f}\" text-anchor=\"end\" fill=\"{3}\">{7}</text>\n",
        kLeft, y_of(value), kLeft + kPlot, color, dashes, kLeft - 6, y_of(value) + 4, name);
  }

  const GpuLoads& loads_;
  double top_, scale_;
};

}  // namespace

std::string balance_bars(const GpuLoads& loads) {
  std::vector<std::size_t> shown(loads.after.size());
  std::iota(shown.begin(), shown.end(), std::size_t{0});
  const bool all = shown.size() <= kMostLines;
  if (!all) {
    const auto most = [&](std::size_t gpu) {
      return std::max(loads.before[gpu], loads.after[gpu]);
    };
    std::stable_sort(shown.begin(), shown.end(),
                     [&](std::size_t left, std::size_t right) { return most(left) > most(right); });
    shown.resize(kMostLines);
  }
  const double full = largest(loads);
  std::string text = fmt::format(
      "load of each GPU over the mean, layer {}{}\n", loads.layer,
      all ? "" : fmt::format(" (the {} with the most of {})", kMostLines, loads.after.size()));
  text += fmt::format("{:>5}  {:<{}}  after\n", "gpu", "before", kBarWidth + 6);
  for (const std::size_t gpu : shown) {
    text += fmt::format("{:>5}  {} {:5.2f}  {} {:5.2f}\n", gpu, bar(loads.before[gpu], full),
                        loads.before[gpu], bar(loads.after[gpu], full), loads.after[gpu]);
  }
  return text;
}

std::string balance_svg(const GpuLoads& loads, const std::string& title) {
  const double full = largest(loads) * 1.02;
  const double second = kTop + kPanel + kGap;
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:.0f} {1:.0f}\" "
      "font-family=\"Helvetica, Arial, sans-serif\" font-size=\"13\">\n"
      "<title>{2}</title>\n<rect width=\"{0:.0f}\" height=\"{1:.0f}\" fill=\"white\"/>\n"
      "<text x=\"{3:.0f}\" y=\"24\" font-size=\"16\">{2}</text>\n",
      kLeft + kPlot + 16, second + kPanel + 32, escaped(title), kLeft);
  svg += Panel(loads, kTop, full).draw(loads.before, "before", "#8c8c8c");
  svg += Panel(loads, second, full).draw(loads.after, "after", "#2b7a4b");
  svg += fmt::format(
      "<text x=\"{:.0f}\" y=\"{:.1f}\" text-anchor=\"middle\">GPU 0 to {}; shading marks "
      "nodes</text>\n</svg>\n",
      kLeft + kPlot / 2, second + kPanel + 22, loads.after.size() - 1);
  return svg;
}

}  // namespace fathom::cli
